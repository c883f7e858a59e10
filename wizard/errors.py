"""What can go wrong, as the admin is told it.

Every error carries one message in words: what is wrong, where, what to do.
The class says how the program ends::

    WizardError                    1  it failed
    ├── PolicyError                2  the policy or the call is not valid: names the key, says what is allowed
    └── HostError                  3  this host can't be handled as it is: nothing was changed
        ├── ParseError             3  a file can't be read: names file, line and what was unexpected
        └── ChangedSinceReviewError  3  a file is not what was reviewed any more
"""

from __future__ import annotations

from pathlib import Path


class WizardError(Exception):
    """Something failed. ``exit_code`` is what the command line ends with."""

    exit_code = 1


class PolicyError(WizardError):
    """A policy (or an argument) is invalid. ``key`` is the dotted policy key, such as ``backend.type``."""

    exit_code = 2

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}" if key else message)
        self.key = key
        self.message = message


class HostError(WizardError):
    """This host can't be handled as it is. Nothing was changed."""

    exit_code = 3


class ParseError(HostError):
    """A configuration file can't be read. ``line`` counts from 1; ``unexpected`` is the text found there."""

    def __init__(self, path: str, line: int, unexpected: str) -> None:
        super().__init__(f"{path}, line {line}: {unexpected}")
        self.path = path
        self.line = line
        self.unexpected = unexpected


class ChangedSinceReviewError(HostError):
    """A file was changed by somebody else between review and apply; look at the plan again."""


def unforeseen(error: Exception) -> str:
    """Return what broke and where, for a bug report; not its own words, which may repeat a secret."""
    last = error.__traceback__
    while last and last.tb_next:
        last = last.tb_next
    where = f" at {Path(last.tb_frame.f_code.co_filename).name}, line {last.tb_lineno}" if last else ""
    return f"unforeseen {type(error).__name__}{where}: please report this"
