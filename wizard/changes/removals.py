"""Takes away what an earlier change has made and nothing needs any more: memberships, groups, places, links.

They come after the services, for as long as one runs with its old files it may need them.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wizard.changes import disk, owners, words
from wizard.changes.base import Change, Undo
from wizard.changes.directories import RestoreOverride, override, own, set_override
from wizard.changes.files import RestoreFile
from wizard.changes.tree import run_in
from wizard.errors import HostError, WizardError

if TYPE_CHECKING:
    from wizard.root import Root


@dataclass(frozen=True, slots=True)
class QuitGroup(Change):
    """``user`` is no member of ``group`` any more. Processes see it from their next start on."""

    kind: ClassVar[str] = "quit-group"
    user: str
    group: str

    def __post_init__(self) -> None:
        words.account(self.user)
        words.account(self.group)

    @property
    def target(self) -> str:
        """The group, in words."""
        return f"group {self.group}"

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command."""
        return f"+ gpasswd -d {self.user} {self.group}\n"

    def check(self, root: Root) -> None:
        """Look that groups can be written; HostError otherwise."""
        disk.refuse_unwritable(root.path(owners.GROUPS))

    def done(self, root: Root) -> bool:
        """Whether the group does not name the user."""
        return self.user not in (owners.members(root, self.group) or ())

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return that the user joins again, if it is a member."""
        return () if self.done(root) else (RejoinGroup(self.user, self.group),)

    def apply(self, root: Root) -> None:
        """Leave; WizardError when gpasswd can't."""
        if not self.done(root):
            doing = f"taking {self.user} out of the group {self.group}"
            run_in(root, ["gpasswd", "-d", self.user, self.group]).expect(doing)


@dataclass(frozen=True, slots=True)
class RejoinGroup(Undo):
    """Makes ``user`` a member of ``group`` again."""

    kind: ClassVar[str] = "rejoin-group"
    user: str
    group: str

    def __post_init__(self) -> None:
        words.account(self.user)
        words.account(self.group)

    def undo(self, root: Root) -> None:
        """Join, unless the user is a member."""
        if self.user not in (owners.members(root, self.group) or ()):
            doing = f"putting {self.user} into the group {self.group}"
            run_in(root, ["usermod", "-a", "-G", self.group, self.user]).expect(doing)


@dataclass(frozen=True, slots=True)
class DeleteGroup(Change):
    """The group ``name``, which nobody is in, goes away."""

    kind: ClassVar[str] = "delete-group"
    name: str

    def __post_init__(self) -> None:
        words.account(self.name)

    @property
    def target(self) -> str:
        """The group, in words."""
        return f"group {self.name}"

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command."""
        return f"+ groupdel {self.name}\n"

    def check(self, root: Root) -> None:
        """Look that nobody has been put into it since; HostError otherwise."""
        if found := owners.members(root, self.name):
            raise HostError(f"the group {self.name} now has the members {', '.join(sorted(found))}")
        disk.refuse_unwritable(root.path(owners.GROUPS))

    def done(self, root: Root) -> bool:
        """Whether there is no such group."""
        return owners.members(root, self.name) is None

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return that it comes back with its number, if it is there."""
        return () if self.done(root) else (RemakeGroup(self.name, owners.gid(root, self.name)),)

    def apply(self, root: Root) -> None:
        """Delete it; WizardError when groupdel can't."""
        self.check(root)
        if not self.done(root):
            run_in(root, ["groupdel", self.name]).expect(f"removing the group {self.name}")


@dataclass(frozen=True, slots=True)
class RemakeGroup(Undo):
    """Makes a group again, with the number it had: files may still belong to it."""

    kind: ClassVar[str] = "remake-group"
    name: str
    gid: int

    def __post_init__(self) -> None:
        words.account(self.name)

    def undo(self, root: Root) -> None:
        """Make it, unless it is there."""
        if owners.members(root, self.name) is None:
            argv = ["groupadd", "--system", "--gid", str(self.gid), self.name]
            run_in(root, argv).expect(f"creating the group {self.name}")


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
