"""Real Debian machines to test on: booted in a second, thrown away afterwards (see docs/machines.md)."""
