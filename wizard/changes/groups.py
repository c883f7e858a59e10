"""Groups and who is in them, through the host's own groupadd(8), usermod(8) and gpasswd(1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wizard.changes import disk, owners, words
from wizard.changes.base import Change, Undo
from wizard.changes.tree import run_in
from wizard.errors import HostError

if TYPE_CHECKING:
    from wizard.root import Root


@dataclass(frozen=True, slots=True)
class GroupChange(Change):
    """What creating and deleting the group ``name`` have in common."""

    name: str

    def __post_init__(self) -> None:
        words.account(self.name)

    @property
    def target(self) -> str:
        """The group, in words."""
        return f"group {self.name}"

    def check(self, root: Root) -> None:
        """Look that groups can be written; HostError otherwise."""
        disk.refuse_unwritable(root.path(owners.GROUPS))


@dataclass(frozen=True, slots=True)
class CreateGroup(GroupChange):
    """A system group."""

    kind: ClassVar[str] = "create-group"

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command."""
        return f"+ groupadd --system {self.name}\n"

    def done(self, root: Root) -> bool:
        """Whether there is such a group."""
        return owners.members(root, self.name) is not None

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return that the group goes away again, unless it was there already."""
        return () if self.done(root) else (RemoveGroup(self.name),)

    def apply(self, root: Root) -> None:
        """Create it; WizardError when groupadd can't."""
        if not self.done(root):
            run_in(root, ["groupadd", "--system", self.name]).expect(f"creating the group {self.name}")


@dataclass(frozen=True, slots=True)
class DeleteGroup(GroupChange):
    """The group, which nobody is in, goes away: groupdel itself refuses only somebody's first one."""

    kind: ClassVar[str] = "delete-group"

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command."""
        return f"+ groupdel {self.name}\n"

    def check(self, root: Root) -> None:
        """Look that nobody has been put into it since; HostError otherwise."""
        if used := _used(root, self.name):
            raise HostError(used)
        GroupChange.check(self, root)

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
class RemoveGroup(Undo):
    """Removes a group that was made, unless somebody has been put into it since."""

    kind: ClassVar[str] = "remove-group"
    name: str

    def __post_init__(self) -> None:
        words.account(self.name)

    def undo(self, root: Root) -> None:
        """Remove the group if it is there and empty."""
        if owners.members(root, self.name) == frozenset():
            run_in(root, ["groupdel", self.name]).expect(f"removing the group {self.name}")

    def conflicts(self, root: Root) -> tuple[str, ...]:
        """Return the members it has got since."""
        used = _used(root, self.name)
        return (used,) if used else ()


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
class MembershipChange(Change):
    """What joining and leaving have in common. Processes see it from their next start on."""

    user: str
    group: str

    def __post_init__(self) -> None:
        words.account(self.user)
        words.account(self.group)

    @property
    def target(self) -> str:
        """The group, in words."""
        return f"group {self.group}"

    def check(self, root: Root) -> None:
        """Look that groups can be written; HostError otherwise."""
        disk.refuse_unwritable(root.path(owners.GROUPS))


@dataclass(frozen=True, slots=True)
class JoinGroup(MembershipChange):
    """``user`` becomes a member of ``group``."""

    kind: ClassVar[str] = "join-group"

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command."""
        return f"+ usermod -aG {self.group} {self.user}\n"

    def done(self, root: Root) -> bool:
        """Whether the group names the user as a member."""
        return _names(root, self.group, self.user)

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return that the user leaves again, unless it was a member already."""
        return () if self.done(root) else (LeaveGroup(self.user, self.group),)

    def apply(self, root: Root) -> None:
        """Join; WizardError when there is no such user or group."""
        _join(root, self.group, self.user)


@dataclass(frozen=True, slots=True)
class QuitGroup(MembershipChange):
    """``user`` is no member of ``group`` any more."""

    kind: ClassVar[str] = "quit-group"

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command."""
        return f"+ gpasswd -d {self.user} {self.group}\n"

    def done(self, root: Root) -> bool:
        """Whether the group does not name the user."""
        return not _names(root, self.group, self.user)

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return that the user joins again, if it is a member."""
        return () if self.done(root) else (RejoinGroup(self.user, self.group),)

    def apply(self, root: Root) -> None:
        """Leave; WizardError when gpasswd can't."""
        _leave(root, self.group, self.user)


@dataclass(frozen=True, slots=True)
class MembershipUndo(Undo):
    """What both ways back have in common."""

    user: str
    group: str

    def __post_init__(self) -> None:
        words.account(self.user)
        words.account(self.group)


@dataclass(frozen=True, slots=True)
class LeaveGroup(MembershipUndo):
    """Takes ``user`` out of ``group`` again."""

    kind: ClassVar[str] = "leave-group"

    def undo(self, root: Root) -> None:
        """Leave, if the user is a member."""
        _leave(root, self.group, self.user)


@dataclass(frozen=True, slots=True)
class RejoinGroup(MembershipUndo):
    """Makes ``user`` a member of ``group`` again."""

    kind: ClassVar[str] = "rejoin-group"

    def undo(self, root: Root) -> None:
        """Join, unless the user is a member."""
        _join(root, self.group, self.user)


def _used(root: Root, group: str) -> str:
    """Say who is in ``group`` and how they get out of it; nothing where nobody is."""
    found = sorted(owners.members(root, group) or ())
    if not found:
        return ""
    out = f"gpasswd -d NAME {group} takes one out, usermod -g OTHER NAME where it is the first group"
    return f"the group {group} now has the members {', '.join(found)}: {out}"


def _names(root: Root, group: str, user: str) -> bool:
    return user in (owners.named(root, group) or ())


def _join(root: Root, group: str, user: str) -> None:
    if not _names(root, group, user):
        run_in(root, ["usermod", "-a", "-G", group, user]).expect(f"putting {user} into the group {group}")


def _leave(root: Root, group: str, user: str) -> None:
    if _names(root, group, user):
        run_in(root, ["gpasswd", "-d", user, group]).expect(f"taking {user} out of the group {group}")
