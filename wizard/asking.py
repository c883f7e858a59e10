"""Questions on the terminal: a yes, a password."""

from __future__ import annotations

import getpass
import select
import sys
import termios
import time
from typing import TYPE_CHECKING

from wizard.errors import PolicyError
from wizard.passwordfile import LONGEST, checked, read_password_file

if TYPE_CHECKING:
    from pathlib import Path

    from wizard.secret import Secret


def agreed(question: str) -> bool:
    """Ask for a yes.

    Raises:
        PolicyError: when there is nobody to ask.

    """
    if not sys.stdin.isatty():
        raise PolicyError("", "there is no terminal to ask on: give --yes to go ahead")
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def before(deadline: float, question: str) -> bool | None:
    """Ask for a yes on the terminal until ``deadline``, seconds since the epoch; None: nobody answered.

    What was typed before the question does not answer it.
    """
    termios.tcflush(sys.stdin, termios.TCIFLUSH)
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    ready, _, _ = select.select([sys.stdin], [], [], max(0, deadline - time.time()))
    if ready:
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    sys.stdout.write("\n")
    return None


def password(account: str) -> Secret:
    """Ask for the password of ``account``; without a terminal it is the first line of standard input.

    Raises:
        PolicyError: when what comes is no password.

    """
    if sys.stdin.isatty():
        return _typed(f"Password for {account}: ")
    # one more than a password with its line's end may have, so that it is refused as too long
    return checked(sys.stdin.readline(LONGEST + 3))


def password_in(file: Path | None) -> Secret | None:
    """Return the password that ``--password-file`` has; None: it was not given.

    Raises:
        PolicyError: when there is none in it.

    """
    return read_password_file(file, "--password-file") if file else None


def password_of(user: str, file: Path | None) -> Secret | None:
    """Return the password of ``--user``: what ``file`` holds, or what is typed on the terminal.

    Raises:
        PolicyError: when there is neither, or what comes is no password.

    """
    found = password_in(file)
    if found or not user:
        return found
    if not sys.stdin.isatty():
        raise PolicyError("--password-file", "must be given with --user, for there is no terminal to ask on")
    return password(user)


def new_password(account: str) -> Secret:
    """Ask for a new password as :func:`password` does; on a terminal twice, for nobody sees what is typed.

    Raises:
        PolicyError: when what comes is no password, or the two differ.

    """
    first = password(account)
    if sys.stdin.isatty() and _typed("Once more: ") != first:
        raise PolicyError("", "the two passwords are not the same; nothing was changed")
    return first


def _typed(question: str) -> Secret:
    try:
        return checked(getpass.getpass(question))
    except EOFError:
        sys.stderr.write("\n")
        raise PolicyError("", "no password was given; nothing was changed") from None
