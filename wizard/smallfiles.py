"""Reads a file that the admin named, which may be anything: a pipe, a device, a film."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, repr=False)
class SmallFile:
    """What a regular file held, and of the same moment its ``owner`` (a user id) and permission bits."""

    content: bytes
    owner: int
    mode: int


def read_small_file(path: Path, largest: int) -> SmallFile:
    """Read the regular file at ``path``, of at most ``largest`` bytes.

    Raises:
        OSError: if it can't be read, is no regular file or too long; ``strerror`` says which, in words.

    """
    # without O_NONBLOCK opening a named pipe would wait for its writer, for ever
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, "not a regular file")
        content = file.read(largest + 1)
    if len(content) > largest:
        raise OSError(0, f"longer than {largest} bytes")
    return SmallFile(content, found.st_uid, stat.S_IMODE(found.st_mode))
