"""Reads the files that hold one password each. Nothing here ever repeats what such a file holds."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from wizard.errors import PolicyError
from wizard.secret import Secret
from wizard.smallfiles import read_small_file

if TYPE_CHECKING:
    from pathlib import Path

    from wizard.smallfiles import SmallFile

#: Where typed passwords are kept, for root only.
KEPT = "/etc/postfix-auth"
#: Bytes that a password may have: LOGIN of Cyrus SASL takes no more, nor do others need any.
LONGEST = 1024
_LINE_END = 2  # bytes, at most
_ROOT = 0


def kept(section: str) -> str:
    """Return the file in which a typed password of a ``section`` of the policy is kept for good."""
    return f"{KEPT}/{section}.password"


def read_password_file(path: Path, key: str) -> Secret:
    """Return the password in the file at ``path``: its only line, without the line's end.

    ``key`` is what named the file, such as ``smarthost.password_file``.

    Raises:
        PolicyError: if the file can't be read, is open to others or does not hold one line of text.

    """
    try:
        found = read_small_file(path, LONGEST + _LINE_END)
    except OSError as error:
        raise PolicyError(key, f"{path}: {error.strerror}; put the password on one line of a file") from error
    problem = _open_to_others(path, found) or _no_password(found.content)
    if problem:
        raise PolicyError(key, f"{path} {problem}")
    return Secret(_without_line_end(found.content).decode())


def read_unpadded_password_file(path: Path, key: str, holder: str) -> Secret:
    """Return the same for a configuration file that drops the blanks around its values.

    ``holder`` is who has to be told the password: "smtpd.conf", "saslauthd".

    Raises:
        PolicyError: also if the password begins or ends with a blank.

    """
    password = read_password_file(path, key)
    if password.reveal() != password.reveal().strip():
        raise PolicyError(key, f"the password begins or ends with a blank, which {holder} can't be told")
    return password


def checked(line: str) -> Secret:
    """Return the password that was typed, without the line's end.

    Raises:
        PolicyError: if it is none.

    """
    content = line.encode(errors="surrogateescape")
    problem = _no_password(content)
    if problem:
        raise PolicyError("", f"the password {problem}")
    return Secret(_without_line_end(content).decode())


def _open_to_others(path: Path, found: SmallFile) -> str | None:
    """Say who else could read or replace the password, as sshd(8) does for its keys."""
    if found.owner not in {_ROOT, os.geteuid()}:
        return f"belongs to user id {found.owner}, who could change it: chown root {path}"
    if found.mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"has mode {found.mode:04o}, so others can read or change it: chmod 600 {path}"
    return None


def _no_password(content: bytes) -> str | None:
    line = _without_line_end(content)
    if not line:
        return "is empty: put the password on its first line"
    if b"\n" in line or b"\r" in line:
        return "has more than one line: a password is one line, and at most one line end follows it"
    if b"\0" in line:
        return "holds a zero byte, which no mail program takes as part of a password"
    if len(line) > LONGEST:
        return f"is longer than {LONGEST} bytes, which not every way to log in takes"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "is not UTF-8: save it as UTF-8"
    return None


def _without_line_end(content: bytes) -> bytes:
    return content.removesuffix(b"\n").removesuffix(b"\r") if content.endswith(b"\n") else content
