"""The lock that whoever changes this host holds: a file that names its holder, and flock(2) on it."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from wizard.changes import disk
from wizard.errors import HostError
from wizard.journal import HOME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wizard.root import Root


def take(root: Root) -> int:
    """Take the lock that whoever changes this host holds; return its file descriptor, to be kept open.

    Raises:
        HostError: when another run holds it; names its process.

    """
    path = _lock_file(root)
    disk.make_parents(path)
    with disk.explained(path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        told = _at_work(fd)
        os.close(fd)
        raise HostError(told) from None
    return fd


@contextmanager
def holding(root: Root) -> Iterator[None]:
    """Hold the lock, signed, as long as the block lasts; HostError as for :func:`take`."""
    fd = take(root)
    try:
        sign(fd)
        yield
    finally:
        os.close(fd)


def _lock_file(root: Root) -> Path:
    return root.path(f"{HOME}/lock")


def sign(fd: int) -> None:
    """Write this process down as the holder of the lock, if the disk takes it."""
    with suppress(OSError):
        os.pwrite(fd, f"{os.getpid():<19}\n".encode(), 0)


def held(root: Root) -> bool:
    """Whether some run is at work. Nothing is written to find out."""
    return bool(holder(root))


def holder(root: Root) -> str:
    """Return in words that some run is at work, and which process; empty: none is, or only root may know."""
    try:
        fd = os.open(_lock_file(root), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _at_work(fd)
    finally:
        os.close(fd)
    return ""


def _at_work(fd: int) -> str:
    process = os.pread(fd, 20, 0).decode(errors="replace").strip()
    return f"another run of postfix-auth is at work (process {process or 'unknown'}); wait for its end"
