"""Directories, and the owners and modes that dpkg is to keep (dpkg-statoverride(1))."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wizard.changes import disk, owners, words
from wizard.changes.base import Change, Undo
from wizard.changes.tree import run_in
from wizard.errors import HostError, WizardError

if TYPE_CHECKING:
    from wizard.root import Root

_OVERRIDES = "/var/lib/dpkg/statoverride"


@dataclass(frozen=True, slots=True)
class MakeDirectory(Change):
    """A directory with that owner, group and mode. Missing ones above it become root's, 0755."""

    kind: ClassVar[str] = "make-directory"
    path: str
    owner: str
    group: str
    mode: int

    def __post_init__(self) -> None:
        _check_words(self.path, self.owner, self.group, self.mode)

    @property
    def target(self) -> str:
        """The path."""
        return self.path

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command that would do it."""
        return f"+ install -d -o {self.owner} -g {self.group} -m {self.mode:04o} {self.path}\n"

    def done(self, root: Root) -> bool:
        """Whether it is there, with that owner, group and mode."""
        found = root.path(self.path)
        if not found.is_dir():
            return False
        try:
            wish = (owners.uid(root, self.owner), owners.gid(root, self.group), self.mode)
        except WizardError:  # an owner that is still to be created
            return False
        info = found.stat()
        return (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)) == wish

    def check(self, root: Root) -> None:
        """Look that no file is in the way; HostError otherwise."""
        found = root.path(self.path)
        if (found.exists() or found.is_symlink()) and not found.is_dir():
            raise HostError(f"{found} is not a directory, but has to be one; move it away and try again")
        disk.refuse_unwritable(found)

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return that it goes away again, or owner and mode that it had."""
        found = root.path(self.path)
        if found.is_dir():
            info = found.stat()
            return (RestoreDirectory(self.path, info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)),)
        missing = [f"/{parent.relative_to(root.prefix)}" for parent in disk.missing_parents(found)]
        return (RemoveDirectories((*missing, self.path)),)

    def apply(self, root: Root) -> None:
        """Make it, or give it owner and mode."""
        self.check(root)
        found = root.path(self.path)
        uid, gid = owners.uid(root, self.owner), owners.gid(root, self.group)
        disk.make_parents(found)
        with disk.explained(found):
            if not found.is_dir():
                found.mkdir(mode=0o700)
            own(found.as_posix(), uid, gid, self.mode)
            disk.sync_directory(found.parent)


def own(found: str, uid: int, gid: int, mode: int) -> None:
    """Give the directory ``found`` owner, group and mode."""
    os.chown(found, uid, gid)
    os.chmod(found, mode)  # noqa: PTH101 - beside chown


def _check_words(path: str, owner: str, group: str, mode: int) -> None:
    words.path(path)
    words.account(owner)
    words.account(group)
    words.mode(mode)


@dataclass(frozen=True, slots=True)
class RestoreDirectory(Undo):
    """Gives a directory that was there before its owner and mode back."""

    kind: ClassVar[str] = "restore-directory"
    path: str
    uid: int
    gid: int
    mode: int

    def undo(self, root: Root) -> None:
        """Give them back, if the directory is still there."""
        found = root.path(self.path)
        if found.is_dir():
            with disk.explained(found):
                own(found.as_posix(), self.uid, self.gid, self.mode)


@dataclass(frozen=True, slots=True)
class RemoveDirectories(Undo):
    """Removes directories that were made here, the last first, as far as they are empty."""

    kind: ClassVar[str] = "remove-directories"
    paths: tuple[str, ...]

    def undo(self, root: Root) -> None:
        """Remove those that are empty; what others have put into them since stays."""
        for path in reversed(self.paths):
            disk.remove_empty(root.path(path))


@dataclass(frozen=True, slots=True)
class StatOverride(Change):
    """dpkg and the init scripts keep owner, group and mode of ``path`` as given here."""

    kind: ClassVar[str] = "stat-override"
    path: str
    owner: str
    group: str
    mode: int

    def __post_init__(self) -> None:
        _check_words(self.path, self.owner, self.group, self.mode)

    @property
    def target(self) -> str:
        """The path."""
        return self.path

    def diff(self, root: Root) -> str:
        """Return the commands."""
        drop = f"+ dpkg-statoverride --remove {self.path}\n" if override(root, self.path) else ""
        return f"{drop}+ dpkg-statoverride --add {self.owner} {self.group} {self.mode:04o} {self.path}\n"

    def done(self, root: Root) -> bool:
        """Whether dpkg knows it."""
        return override(root, self.path) == (self.owner, self.group, self.mode)

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return what dpkg has for that path, perhaps nothing."""
        return (RestoreOverride(self.path, *(override(root, self.path) or ())),)

    def apply(self, root: Root) -> None:
        """Tell dpkg; the directory itself is not touched."""
        set_override(root, self.path, (self.owner, self.group, self.mode))


@dataclass(frozen=True, slots=True)
class RestoreOverride(Undo):
    """Tells dpkg what it knew before; an empty ``owner``: nothing."""

    kind: ClassVar[str] = "restore-override"
    path: str
    owner: str = ""
    group: str = ""
    mode: int = 0

    def undo(self, root: Root) -> None:
        """Restore the entry."""
        set_override(root, self.path, (self.owner, self.group, self.mode) if self.owner else None)


Override = tuple[str, str, int]


def override(root: Root, path: str) -> Override | None:
    """Return dpkg's entry for ``path``: owner and group as it spells them, mode."""
    with disk.explained(root.path(_OVERRIDES)):
        text = (disk.read(root.path(_OVERRIDES)) or b"").decode(errors="surrogateescape")
    for line in text.splitlines():
        fields = line.split(" ", 3)
        if fields[3:] == [path] and re.fullmatch("[0-7]{1,5}", fields[2]):
            return fields[0], fields[1], int(fields[2], 8)
    return None


def set_override(root: Root, path: str, wish: Override | None) -> None:
    """Let dpkg have ``wish`` for ``path``; None: nothing."""
    present = override(root, path)
    doing = f"telling dpkg the owner and mode of {path}"
    if present is not None and present != wish:
        run_in(root, ["dpkg-statoverride", "--remove", path]).expect(doing)
    if wish is not None and present != wish:
        owner, group, mode = wish
        run_in(root, ["dpkg-statoverride", "--add", owner, group, f"{mode:04o}", path]).expect(doing)
