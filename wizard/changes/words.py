"""The words that changes pass on to other programs: each is checked before it becomes an argument."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from wizard.errors import WizardError

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{0,127}")  # Debian Policy 5.6.1
_RELEASE = re.compile(r"[a-z0-9][a-z0-9+.-]{0,127}(:[a-z0-9-]{1,32})?=[A-Za-z0-9.+:~-]{1,128}")  # apt-get(8)
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,30}\$?")  # useradd(8), groupadd(8)
_TABLE = re.compile(r"[a-z][a-z0-9]{0,31}")  # DATABASE_README
_LONGEST_PATH = 4096


def _fits(pattern: re.Pattern[str], what: str, word: str) -> str:
    if not pattern.fullmatch(word):
        raise WizardError(f"{word!r} is not a valid {what}")
    return word


def package(word: str) -> str:
    """Return ``word`` if it can be the name of a Debian package; WizardError otherwise."""
    return _fits(_PACKAGE, "package name", word)


def release(word: str) -> str:
    """Return ``word`` if it can be a package in one version, ``NAME=VERSION``; WizardError otherwise."""
    return _fits(_RELEASE, "package and version", word)


def account(word: str) -> str:
    """Return ``word`` if it can be the name of a user or group; WizardError otherwise."""
    return _fits(_ACCOUNT, "user or group name", word)


def table_type(word: str) -> str:
    """Return ``word`` if it can be the type of a lookup table; WizardError otherwise."""
    return _fits(_TABLE, "lookup table type", word)


def path(word: str) -> str:
    """Return ``word`` if it is an absolute path, plainly written, never an option; WizardError otherwise."""
    plain = word.startswith("/") and not word.startswith("//") and str(PurePosixPath(word)) == word
    if not plain or "\0" in word or "\n" in word or ".." in PurePosixPath(word).parts:
        raise WizardError(f"{word!r} is not an absolute path without detours")
    if len(word) > _LONGEST_PATH or word == "/":
        raise WizardError(f"{word[:60]!r} can't be a file")
    return word


def mode(bits: int) -> int:
    """Return ``bits`` if they are permission bits; WizardError otherwise."""
    if not 0 <= bits <= 0o7777:  # noqa: PLR2004 - all permission bits set
        raise WizardError(f"{bits:o} is not a file mode")
    return bits


def preseed(line: str) -> str:
    """Return ``line`` if it is one line for debconf-set-selections(1); WizardError otherwise."""
    if not line.isprintable() or len(line.split(None, 3)) < 3:  # noqa: PLR2004 - package, question, type
        raise WizardError(f"{line!r} is not a line of debconf answers")
    return line
