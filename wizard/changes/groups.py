"""Groups and who is in them, through the host's own groupadd(8), usermod(8) and gpasswd(1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wizard.changes import disk, owners, words
from wizard.changes.base import Change, Undo
from wizard.changes.tree import run_in

if TYPE_CHECKING:
    from wizard.root import Root


@dataclass(frozen=True, slots=True)
class CreateGroup(Change):
    """A system group ``name``."""

    kind: ClassVar[str] = "create-group"
    name: str

    def __post_init__(self) -> None:
        words.account(self.name)

    @property
    def target(self) -> str:
        """The group, in words."""
        return f"group {self.name}"

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command."""
        return f"+ groupadd --system {self.name}\n"

    def check(self, root: Root) -> None:
        """Look that groups can be written; HostError otherwise."""
        disk.refuse_unwritable(root.path(owners.GROUPS))

    def done(self, root: Root) -> bool:
        """Whether there is such a group."""
        return owners.members(root, self.name) is not None

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return that it goes away again, unless it was there already."""
        return () if self.done(root) else (RemoveGroup(self.name),)

    def apply(self, root: Root) -> None:
        """Create it; WizardError when groupadd can't."""
        if not self.done(root):
            run_in(root, ["groupadd", "--system", self.name]).expect(f"creating the group {self.name}")


@dataclass(frozen=True, slots=True)
class RemoveGroup(Undo):
    """Removes a group that was made here, as long as nobody has been put into it."""

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
        found = owners.members(root, self.name)
        return (f"group {self.name} now has the members {', '.join(sorted(found))}",) if found else ()


@dataclass(frozen=True, slots=True)
class JoinGroup(Change):
    """``user`` becomes a member of ``group``. Processes see it from their next start on."""

    kind: ClassVar[str] = "join-group"
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
        return f"+ usermod -aG {self.group} {self.user}\n"

    def check(self, root: Root) -> None:
        """Look that groups can be written; HostError otherwise."""
        disk.refuse_unwritable(root.path(owners.GROUPS))

    def done(self, root: Root) -> bool:
        """Whether the group names the user as a member."""
        return self.user in (owners.members(root, self.group) or ())

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return that the user leaves again, unless it was a member already."""
        return () if self.done(root) else (LeaveGroup(self.user, self.group),)

    def apply(self, root: Root) -> None:
        """Join; WizardError when there is no such user or group."""
        doing = f"putting {self.user} into the group {self.group}"
        run_in(root, ["usermod", "-a", "-G", self.group, self.user]).expect(doing)


@dataclass(frozen=True, slots=True)
class LeaveGroup(Undo):
    """Takes ``user`` out of ``group`` again."""

    kind: ClassVar[str] = "leave-group"
    user: str
    group: str

    def __post_init__(self) -> None:
        words.account(self.user)
        words.account(self.group)

    def undo(self, root: Root) -> None:
        """Leave, if the user is a member."""
        if self.user in (owners.members(root, self.group) or ()):
            doing = f"taking {self.user} out of the group {self.group}"
            run_in(root, ["gpasswd", "-d", self.user, self.group]).expect(doing)
