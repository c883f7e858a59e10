"""Files on disk: read whole, replaced whole, never seen half-written.

A file is replaced by a new one beside it that has its final owner, mode and extended attributes before the
first byte is written, is on the disk before it takes the name (fsync(2), rename(2)), and takes it at once.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.errors import HostError, WizardError
from wizard.smallfiles import read_host_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.root import Root

_MARK = "postfix-auth-"
_LINKS_IN_A_ROW = 20
_SAVED = "postfix-auth-saved"
_TORN = stat.S_ISVTX | 0o600  # nobody gives a file that bit, which means nothing there (chmod(1))
_LARGEST = 1 << 30  # bytes; a file of users and secrets may be large
_HINTS = {
    errno.EPERM: "; lsattr shows whether it is immutable, chattr -i ends that",
    errno.EROFS: "; remount it read-write first",
    errno.ENOSPC: "; make room first",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What a file has besides its bytes. ``mtime_ns`` None: now."""

    uid: int
    gid: int
    mode: int
    xattrs: tuple[tuple[str, bytes], ...] = ()
    mtime_ns: int | None = None


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the system says of ``path`` into a WizardError for the admin."""
    try:
        yield
    except OSError as error:
        raise WizardError(f"{path}: {error.strerror}{_HINTS.get(error.errno or 0, '')}") from error


def real(root: Root, path: str) -> Path:
    """Return the file that ``path`` means: a symbolic link is followed, so that the link itself stays.

    Raises:
        HostError: when it leads nowhere, or through a directory that others than root may write to:
            the link could be made to lead elsewhere in the next moment.

    """
    found = root.path(path)
    if not found.is_symlink():
        return found
    for _ in range(_LINKS_IN_A_ROW):
        if not found.is_symlink():
            break
        target = found.readlink()
        inside = target if target.is_absolute() else _inside(root, found.parent) / target
        found = root.path(os.path.normpath(inside))
    if not found.exists():
        raise HostError(f"{root.path(path)} is a symbolic link that leads nowhere; remove or mend it")
    _only_roots(root, found)
    return found


def _inside(root: Root, found: Path) -> Path:
    """Return ``found`` as the tree's own programs would name it."""
    return Path("/") / found.resolve().relative_to(root.prefix.resolve())


def inside(root: Root, found: Path) -> str:
    """Return the name, inside the tree, of the file at ``found``."""
    return str(_inside(root, found.parent) / found.name)


def _only_roots(root: Root, found: Path) -> None:
    for parent in found.resolve().parents:
        if parent == root.prefix.resolve():
            return
        info = parent.stat()
        if info.st_uid not in (0, os.geteuid()) or info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise HostError(f"{found} is reached by a symbolic link, but others may write to {parent}")


def read(found: Path) -> bytes | None:
    """Return the bytes of the regular file at ``found``; None if there is nothing.

    Raises:
        HostError: when something else is there, a pipe, a device, a directory, or it can't be read.

    """
    return read_host_file(found, _LARGEST)


def refuse_unwritable(found: Path) -> None:
    """Look, before anything is changed, whether there can be a new file or directory at ``found``.

    Raises:
        HostError: when its file system is read-only, or it or its directory immutable.

    """
    place = next((parent for parent in found.parents if parent.exists()), found.parent)
    for each in (place, found):
        if each.exists() and not each.is_symlink() and not os.access(each, os.W_OK):
            read_only = os.statvfs(each).f_flag & os.ST_RDONLY
            why = errno.EROFS if read_only else errno.EPERM if os.geteuid() == 0 else errno.EACCES
            raise HostError(f"{each}: {os.strerror(why)}{_HINTS.get(why, '')}")


def look(found: Path) -> Look:
    """Return owner, mode, extended attributes (access lists among them) and time of the file at ``found``."""
    with explained(found):
        info = found.lstat()
        names = [] if stat.S_ISLNK(info.st_mode) else sorted(os.listxattr(found))
        xattrs = tuple((name, os.getxattr(found, name)) for name in names)
    return Look(info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode), xattrs, info.st_mtime_ns)


def replace(found: Path, content: bytes, wish: Look) -> None:
    """Let the file at ``found`` have ``content`` and the ``wish``-ed look, from one moment to the next.

    Raises:
        WizardError: when the disk is full, read-only, the file immutable ...; the old file is then untouched.

    """
    beside = temporary(found)
    with explained(found):
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                _dress(fd, wish)
                file.write(content)
                file.flush()
                if wish.mtime_ns is not None:
                    os.utime(fd, ns=(wish.mtime_ns, wish.mtime_ns))
                os.fsync(fd)
            beside.replace(found)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        sync_directory(found.parent)


def restore(found: Path, content: bytes, wish: Look) -> None:
    """As :func:`replace`; but on a full disk within the room that the present file takes.

    Only for what is kept elsewhere too: killed in the middle, this leaves half of it, and is to be repeated.

    Raises:
        WizardError: when there is no room even so; the old file is then untouched.

    """
    try:
        replace(found, content, wish)
    except WizardError as error:
        full = isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)
        if not full or found.is_symlink() or not found.exists():
            raise
        with explained(found):
            _overwrite(found, content, wish)


def _overwrite(found: Path, content: bytes, wish: Look) -> None:
    fd = os.open(found, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "wb") as file:
        if content:
            os.posix_fallocate(fd, 0, len(content))
        # until the old bytes are gone they must not be seen by more than either look allows
        os.fchmod(fd, _TORN)
        os.fsync(fd)
        file.write(content)
        file.truncate()
        file.flush()
        _dress(fd, wish)
        if wish.mtime_ns is not None:
            os.utime(fd, ns=(wish.mtime_ns, wish.mtime_ns))
        os.fsync(fd)


def is_torn(found: Path) -> bool:
    """Whether :func:`restore` was writing over the file at ``found``, on a full disk, when it was killed."""
    return found.is_file() and stat.S_IMODE(found.stat().st_mode) == _TORN


def set_aside(found: Path, content: bytes) -> Path:
    """Keep ``content``, which is that of the file at ``found``, beside it; return where.

    Raises:
        WizardError: when it can't be written.

    """
    names = (f"{found.name}.{_SAVED}", *(f"{found.name}.{_SAVED}-{number}" for number in range(2, 1000)))
    for name in names:
        beside = found.with_name(name)
        if not beside.exists() and not beside.is_symlink():
            replace(beside, content, look(found))
            return beside
        if beside.is_file() and not beside.is_symlink() and read(beside) == content:
            return beside
    raise WizardError(f"{found}: too many files beside it end in {_SAVED}; remove some")


def rewrite(found: Path, content: bytes, look: Look) -> None:
    """Give the file at ``found`` its former ``content`` and time back, and let it stay the same file."""
    with explained(found):
        fd = os.open(found, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(fd, "r+b") as file:
            file.write(content)
            file.truncate()
            file.flush()
            if look.mtime_ns is not None:
                os.utime(fd, ns=(look.mtime_ns, look.mtime_ns))
            os.fsync(fd)


def _dress(fd: int, wish: Look) -> None:
    os.fchown(fd, wish.uid, wish.gid)
    os.fchmod(fd, wish.mode)
    for name, value in wish.xattrs:
        try:
            os.setxattr(fd, name, value)
        except OSError as error:
            # security labels are given by the system itself where it does not let us
            if error.errno != errno.ENOTSUP and not name.startswith("security."):
                raise


def place_link(found: Path, target: str) -> None:
    """Let ``found`` be a symbolic link to ``target``, from one moment to the next."""
    if found.is_symlink() and str(found.readlink()) == target:
        return
    beside = temporary(found)
    with explained(found):
        beside.symlink_to(target)
        try:
            beside.replace(found)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        sync_directory(found.parent)


def remove(found: Path) -> None:
    """Remove the file or link at ``found``, if there is one."""
    with explained(found):
        if found.exists() or found.is_symlink():
            found.unlink(missing_ok=True)
            sync_directory(found.parent)


def sync_directory(directory: Path) -> None:
    """Bring a directory's names to the disk."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def temporary(found: Path) -> Path:
    """Return an unpredictable name beside ``found``; :func:`sweep` knows it again."""
    return found.with_name(f".{found.name}.{_MARK}{secrets.token_hex(8)}")


def sweep(found: Path) -> None:
    """Remove what a killed run has left beside ``found``. Only for the holder of the lock."""
    # Berkeley DB makes a table under a name of its own first
    starts = (f".{found.name}.{_MARK}", f"__db..{found.name}.{_MARK}")
    with explained(found), suppress(FileNotFoundError):
        # ours, or dressed as the file that they were to become
        us = {os.geteuid(), found.lstat().st_uid} if found.exists() else {os.geteuid()}
        for left in [item for item in found.parent.iterdir() if item.name.startswith(starts)]:
            if left.lstat().st_uid in us and not stat.S_ISDIR(left.lstat().st_mode):
                left.unlink(missing_ok=True)


def missing_parents(found: Path) -> tuple[Path, ...]:
    """Return the directories above ``found`` that are not there, the highest first."""
    return tuple(reversed([parent for parent in found.parents if not parent.exists()]))


def make_parents(found: Path) -> None:
    """Make the directories that are missing above ``found``: root's own, open to all for reading."""
    for parent in missing_parents(found):
        with explained(parent):
            parent.mkdir(mode=0o755)
            parent.chmod(0o755)  # whatever the umask is
            sync_directory(parent.parent)


def remove_empty(directory: Path) -> None:
    """Remove ``directory`` if it is there and empty: what others have put in it since stays."""
    if not directory.is_dir():
        return
    with explained(directory):
        try:
            directory.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EBUSY):
                raise
