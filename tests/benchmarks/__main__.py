"""Measures and prints: ``python -m tests.benchmarks [bookworm|trixie]`` (root; a quiet host)."""

from __future__ import annotations

import sys
from itertools import chain

from tests.benchmarks import command_line, recovery, screen
from tests.benchmarks.measure import table
from tests.machines.images import Debian


def main(argv: list[str]) -> int:
    """Print the figures of each release that is named, of all if none is."""
    for debian in map(Debian, argv) if argv else Debian:
        figures = chain(command_line.figures(debian), screen.figures(debian), recovery.figures(debian))
        sys.stdout.write(f"\nDebian {debian.number}\n\n{table(figures)}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
