"""Boots a machine by hand: ``python -m tests.machines trixie ready -- COMMAND``."""

from __future__ import annotations

import argparse
import sys
import time

from tests.machines.images import Debian, Kind, prepare
from tests.machines.machine import Machine


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.machines",
        description="Boots a throw-away Debian, runs a command on it (a shell if none is given), ends it. "
        "'prepare' in place of a release installs what that needs here and builds every image.",
    )
    parser.add_argument("debian", choices=["prepare", *Debian], metavar="|".join(["prepare", *Debian]))
    parser.add_argument("kind", nargs="?", choices=list(Kind), default=Kind.MAIL, metavar="|".join(Kind))
    parser.add_argument("--hostname", default="mail.example.net", help="its full name")
    parser.add_argument("--internet", action="store_true", help="let it reach what this host reaches")
    parser.add_argument("--no-init", action="store_true", help="like a container: without systemd")
    return parser


def main(argv: list[str]) -> int:
    """Do it and return the command's exit status."""
    end = argv.index("--") if "--" in argv else len(argv)
    arguments, command = _parser().parse_args(argv[:end]), argv[end + 1 :] or ["bash"]
    if arguments.debian == "prepare":
        prepare()
        return 0
    began = time.monotonic()
    with Machine(
        Debian(arguments.debian),
        Kind(arguments.kind),
        hostname=arguments.hostname,
        internet=arguments.internet,
        init=not arguments.no_init,
    ) as machine:
        sys.stderr.write(f"booted in {time.monotonic() - began:.1f} s\n")
        return machine.attach(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
