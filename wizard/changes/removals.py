"""Takes away what an earlier change has made and nothing needs any more: overrides, directories, links.

They come after the services, for as long as one runs with its old files it may need them.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wizard.changes import disk, words
from wizard.changes.base import Change, Undo
from wizard.changes.directories import RestoreOverride, override, own, set_override
from wizard.changes.restoring import RestoreFile
from wizard.errors import WizardError

if TYPE_CHECKING:
    from wizard.root import Root


@dataclass(frozen=True, slots=True)
class DropOverride(Change):
    """dpkg need not keep owner, group and mode of ``path`` any more."""

    kind: ClassVar[str] = "drop-override"
    path: str

    def __post_init__(self) -> None:
        words.path(self.path)

    @property
    def target(self) -> str:
        """The path."""
        return self.path

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command."""
        return f"+ dpkg-statoverride --remove {self.path}\n"

    def done(self, root: Root) -> bool:
        """Whether dpkg has nothing for it."""
        return override(root, self.path) is None

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return what dpkg has for it."""
        present = override(root, self.path)
        return (RestoreOverride(self.path, *present),) if present else ()

    def apply(self, root: Root) -> None:
        """Tell dpkg; the directory itself is not touched."""
        set_override(root, self.path, None)


@dataclass(frozen=True, slots=True)
class DropDirectory(Change):
    """The directory ``path`` goes away, with the ``files`` that a service has left there and nothing else."""

    kind: ClassVar[str] = "drop-directory"
    path: str
    files_left: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        words.path(self.path)
        for name in self.files_left:
            if "/" in name or name in ("", ".", ".."):
                raise WizardError(f"{name!r} is no name of a file")

    @property
    def target(self) -> str:
        """The path."""
        return self.path

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command."""
        return f"+ rmdir {self.path}\n"

    def done(self, root: Root) -> bool:
        """Whether it is not there."""
        return not root.path(self.path).is_dir()

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return its owner and mode, if it is there."""
        if self.done(root):
            return ()
        info = root.path(self.path).stat()
        return (RemakeDirectory(self.path, info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)),)

    def apply(self, root: Root) -> None:
        """Remove it; what others have put into it since stays, and the directory with it."""
        found = root.path(self.path)
        if found.is_dir():
            for name in self.files_left:
                if not (found / name).is_dir():
                    disk.remove(found / name)
            disk.remove_empty(found)


@dataclass(frozen=True, slots=True)
class RemakeDirectory(Undo):
    """Makes a directory again that was removed here."""

    kind: ClassVar[str] = "remake-directory"
    path: str
    uid: int
    gid: int
    mode: int

    def undo(self, root: Root) -> None:
        """Make it, unless something is there."""
        found = root.path(self.path)
        if not found.exists():
            disk.make_parents(found)
            with disk.explained(found):
                found.mkdir(mode=0o700)
                disk.sync_directory(found.parent)
        if found.is_dir():
            with disk.explained(found):
                own(found.as_posix(), self.uid, self.gid, self.mode)


@dataclass(frozen=True, slots=True)
class DropLink(Change):
    """The symbolic link at ``path`` goes away; what it leads to stays."""

    kind: ClassVar[str] = "drop-link"
    path: str

    def __post_init__(self) -> None:
        words.path(self.path)

    @property
    def target(self) -> str:
        """The link's own path."""
        return self.path

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command."""
        return f"+ rm {self.path}\n"

    def done(self, root: Root) -> bool:
        """Whether there is no link."""
        return not root.path(self.path).is_symlink()

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return where it leads, if it is there."""
        return () if self.done(root) else (RestoreFile.of(root, root.path(self.path)),)

    def apply(self, root: Root) -> None:
        """Remove it."""
        if not self.done(root):
            disk.remove(root.path(self.path))
