"""What earlier changes have made on this host and is theirs still; what is not in here is somebody else's.

Nothing is marked on the host itself: the journal's ways back say it. Whatever a way back would take away was
not there before, so it was made here; unless a later change has taken it away already.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from wizard import journal
from wizard.changes import (
    Disable,
    Enable,
    LeaveGroup,
    MoveSecrets,
    RejoinGroup,
    RemakeDirectory,
    RemakeGroup,
    RemoveDirectories,
    RemoveGroup,
    RemovePackages,
    RestoreFile,
    RestoreOverride,
    RestoreSecrets,
    RestoreValues,
    Resume,
    Revive,
)
from wizard.errors import HostError, WizardError
from wizard.journal import State

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wizard.changes import Undo
    from wizard.root import Root


class Kind(StrEnum):
    """The kinds of things that can have been made; what names one is a path, a group, a service."""

    MEMBER = "member"  # "postfix sasl"
    GROUP = "group"
    OVERRIDE = "override"
    PATH = "path"  # a file, a link, a directory
    SECRETS = "secrets"  # moved from that path
    RUNNING = "running"
    AT_BOOT = "at boot"


Thing = tuple[Kind, str]


@dataclass(frozen=True, slots=True)
class Made:
    """``things`` that were made here. ``brought``: the packages that were installed here.

    ``first``: the files that were changed here, as they were before the first change; None: not there.
    ``before``: the same before each change, the oldest first.
    """

    things: frozenset[Thing] = frozenset()
    brought: frozenset[str] = frozenset()
    first: Mapping[str, bytes | None] = field(default_factory=dict, repr=False)
    before: Mapping[str, Sequence[bytes]] = field(default_factory=dict, repr=False)

    def has(self, kind: Kind, name: str) -> bool:
        """Whether that thing was made here."""
        return (kind, name) in self.things

    def installed(self, *packages: str) -> bool:
        """Whether one of ``packages`` was installed here."""
        return not self.brought.isdisjoint(packages)


def made(root: Root) -> Made:
    """Return what the changes in force have made; nothing where only root may know."""
    ways: list[Undo] = []
    with suppress(WizardError):
        for checkpoint in journal.checkpoints(root):
            if checkpoint.state.in_force:
                ways += [way for change in checkpoint.ways_back() for way in change]
    return total(ways)


def total(ways: Iterable[Undo]) -> Made:
    """Return what changes with these ways back, the oldest first, have made in all."""
    things: set[Thing] = set()
    brought: set[str] = set()
    first: dict[str, bytes | None] = {}
    before: dict[str, list[bytes]] = {}
    for way in ways:
        things = (things | set(_made(way))) - set(_taken_away(way))
        if isinstance(way, RemovePackages):
            brought.update(way.brought)
        if isinstance(way, RestoreFile) and way.link is None:
            first.setdefault(way.path, way.content)
            before.setdefault(way.path, []).append(way.content or b"")
    return Made(frozenset(things), frozenset(brought), first, before)


def _made(way: Undo) -> Iterator[Thing]:
    """Yield what ``way`` would take away."""
    match way:
        case LeaveGroup(user, group):
            yield (Kind.MEMBER, f"{user} {group}")
        case RemoveGroup(name):
            yield (Kind.GROUP, name)
        case RestoreOverride(path, ""):
            yield (Kind.OVERRIDE, path)
        case RemoveDirectories(paths):
            yield from [(Kind.PATH, path) for path in paths]
        case RestoreFile(path, None, None, made=directories):
            yield from [(Kind.PATH, name) for name in (path, *directories)]
        case RestoreSecrets(path, None):
            yield (Kind.SECRETS, path)
        case Revive(service, False) if not isinstance(way, Resume):
            yield (Kind.RUNNING, service)
        case Disable(service):
            yield (Kind.AT_BOOT, service)


def _taken_away(way: Undo) -> Iterator[Thing]:
    """Yield what ``way`` would bring back."""
    match way:
        case RejoinGroup(user, group):
            yield (Kind.MEMBER, f"{user} {group}")
        case RemakeGroup(name):
            yield (Kind.GROUP, name)
        case RestoreOverride(path, owner) if owner:
            yield (Kind.OVERRIDE, path)
        case RemakeDirectory(path):
            yield (Kind.PATH, path)
        case RestoreFile(path, link=link) if link is not None:
            yield (Kind.PATH, path)
        case MoveSecrets(path):
            yield (Kind.SECRETS, path)
        case Resume(service):
            yield (Kind.RUNNING, service)
        case Enable(service):
            yield (Kind.AT_BOOT, service)


def in_slapd(root: Root) -> tuple[RestoreValues, ...]:
    """Return what was changed in this host's slapd and is in force: each attribute's values before and after.

    Only root can know.
    """
    found: dict[tuple[str, str], RestoreValues] = {}
    try:
        known = journal.checkpoints(root)
    except HostError:
        return ()
    for checkpoint in known:
        if checkpoint.state.in_force or checkpoint.state is State.APPLYING:
            for way in (way for ways in checkpoint.ways_back() for way in ways):
                if isinstance(way, RestoreValues):
                    key = (way.entry, way.attribute)
                    before = found[key].before if key in found else way.before
                    found[key] = RestoreValues(*key, before, way.after)
    return tuple(way for way in found.values() if way.before != way.after)
