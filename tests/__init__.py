"""The project's tests: fast ones in unit/, on booted Debian machines in machines/."""
