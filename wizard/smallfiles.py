"""Reads a file that should be a small regular one, but may be anything: a pipe, a device, a film."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 4 << 20  # bytes of a configuration file; larger ones are something else
_NOT_REGULAR = "not a regular file"


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
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise OSError(0, _NOT_REGULAR) from None
        raise
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(0, f"a directory, {_NOT_REGULAR}" if stat.S_ISDIR(found.st_mode) else _NOT_REGULAR)
        if found.st_size > largest:
            raise OSError(0, f"longer than {largest} bytes")
        with os.fdopen(fd, "rb", closefd=False) as file:
            content = file.read()
    finally:
        os.close(fd)
    return SmallFile(content, found.st_uid, stat.S_IMODE(found.st_mode))


def read_host_file(path: Path, largest: int = _LARGEST) -> bytes | None:
    """Read the host's own file at ``path``, of at most ``largest`` bytes; None: there is nothing.

    Raises:
        HostError: when it is no regular file, too large, or can't be read.

    """
    try:
        return read_small_file(path, largest).content
    except FileNotFoundError:
        return None
    except OSError as error:
        remedy = "" if error.errno else "; move it away and try again"
        raise HostError(f"{path}: {error.strerror}{remedy}") from error
