"""Takes a checkpoint back: every file, group and package, then the services, which read those files.

Tables come after their texts. Directories come last, for as long as a service runs its socket may lie in one
of them. What others have edited since is merged with what comes back; where both have changed the same lines
it is either refused beforehand or kept beside the file, and said.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard import drift, journal
from wizard.changes import (
    RemoveDirectories,
    RestoreFile,
    RestoreTable,
    RestoreText,
    RestoreValues,
    Revive,
    disk,
)
from wizard.errors import HostError, WizardError, unforeseen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wizard.changes import Undo
    from wizard.drift import Left
    from wizard.journal import Checkpoint
    from wizard.root import Root

_GOALS = journal.GOALS


@dataclass(frozen=True, slots=True)
class TakenBack:
    """How it went: the ``problems`` of what could not be taken back, and what else is to be known."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


# beforehand


def conflicts(wanted: Sequence[Checkpoint], root: Root, *, set_aside: bool = False) -> tuple[str, ...]:
    """Return what others would lose, in words, if ``wanted`` were taken back one after the other.

    ``set_aside``: what they have edited is kept beside the files, so it is not lost.

    Raises:
        HostError: when a record is damaged.

    """
    foreseen: dict[str, bytes | None] = {}
    values: set[tuple[str, str]] = set()
    found: list[str] = []
    for checkpoint in wanted:
        ways = _ways(checkpoint)
        edited = [*_replaced(checkpoint, root, ways, foreseen), *_overlaps(ways, root, foreseen)]
        if checkpoint.state.in_force:
            found += () if set_aside else edited
            for way in ways:
                # a newer one of these gives back what this one has left
                if not (isinstance(way, RestoreValues) and (way.entry, way.attribute) in values):
                    found += way.conflicts(root)
        values |= {(way.entry, way.attribute) for way in ways if isinstance(way, RestoreValues)}
    return tuple(found)


def _ways(checkpoint: Checkpoint) -> tuple[Undo, ...]:
    return tuple(way for change in reversed(checkpoint.ways_back()) for way in change)


def _overlaps(ways: Iterable[Undo], root: Root, foreseen: dict[str, bytes | None]) -> Iterator[str]:
    """Yield where texts can't be merged; ``foreseen``: what each file is when those before are followed."""
    for way in ways:
        if isinstance(way, RestoreText):
            try:
                now = foreseen[way.path] if way.path in foreseen else way.present(root)
            except HostError as error:
                yield str(error)
                continue
            back = way.back(now)
            yield from back.overlaps
            foreseen[way.path] = back.content
        elif isinstance(way, RestoreFile) and way.link is None:
            foreseen[way.path] = way.content


def _replaced(
    checkpoint: Checkpoint, root: Root, ways: Sequence[Undo], foreseen: dict[str, bytes | None]
) -> Iterator[str]:
    """Yield the files that are no texts of ours, such as a new certificate, and were edited since."""
    for path, was in drift.sealed(checkpoint).items():
        place = disk.inside(root, root.file(path))
        if any(isinstance(way, RestoreText) and way.path in (path, place) for way in ways):
            continue
        now = foreseen[place] if place in foreseen else disk.read(root.file(path))
        if drift.digest(now) != was.digest:
            yield f"{path} is gone" if now is None else f"{path} was edited since"


# and then


def take_back(checkpoint: Checkpoint, root: Root) -> TakenBack:
    """Follow every way back of ``checkpoint``, the last change first; what fails does not stop the rest.

    It can be done any number of times, and after a crash at any point.
    """
    try:
        ways = _ways(checkpoint)
        sealed = {disk.inside(root, root.file(path)): was for path, was in drift.sealed(checkpoint).items()}
        follower = _Follower(root, ways, sealed, _goals(checkpoint, root, ways))
    except WizardError as error:
        return TakenBack((str(error),))
    for way in _in_order(ways):
        follower.follow(way)
    return TakenBack(tuple(follower.problems), tuple(follower.notes))


def _in_order(ways: Sequence[Undo]) -> Iterator[Undo]:
    late = (RestoreTable, Revive, RemoveDirectories)
    yield from (way for way in ways if not isinstance(way, late))
    yield from (way for way in ways if isinstance(way, RestoreTable))
    yield from {way.service: way for way in ways if isinstance(way, Revive)}.values()
    yield from (way for way in ways if isinstance(way, RemoveDirectories))


def _goals(checkpoint: Checkpoint, root: Root, ways: Sequence[Undo]) -> dict[str, list[str]]:
    """Return digests of what each text becomes, way by way, kept before the first one is followed.

    So whoever goes on after a crash knows which ones have become so: to merge them again would do harm.
    """
    path = checkpoint.directory / _GOALS
    if (kept := disk.read(path)) is not None:
        with journal.damaged(path):
            return {
                str(name): [str(each) for each in goals] for name, goals in dict(json.loads(kept)).items()
            }
    goals: dict[str, list[str]] = {}
    foreseen: dict[str, bytes | None] = {}
    for way in (way for way in ways if isinstance(way, RestoreText)):
        _ = tuple(_overlaps((way,), root, foreseen))
        goals.setdefault(way.path, []).append(drift.digest(foreseen.get(way.path)))
    with suppress(WizardError):  # a disk that does not take it must not end the way back
        disk.replace(path, json.dumps(goals).encode(), journal.ours())
    return goals


class _Follower:
    """Follows ways back, one after the other, and keeps what is to be told of it."""

    def __init__(
        self, root: Root, ways: Iterable[Undo], sealed: Mapping[str, Left], goals: dict[str, list[str]]
    ) -> None:
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._root, self._sealed, self._goals = root, sealed, goals
        # the oldest change comes last
        self._texts = {way.path: way.content for way in ways if isinstance(way, RestoreText)}

    def follow(self, way: Undo) -> None:
        """Follow ``way``."""
        try:
            said = self._undo(way)
        except WizardError as error:
            self.problems.append(str(error))
        except Exception as error:  # whatever it is, the rest must be taken back
            self.problems.append(f"{way.kind}: {unforeseen(error)}")
        else:
            self.notes += [said] if said else []

    def _undo(self, way: Undo) -> str | None:
        match way:
            case RestoreText():
                return self._text(way)
            case RestoreTable():
                way.undo(self._root)
                self._rebuild(way)
                return None
            case RestoreFile():
                said = self._keep(way)
                way.undo(self._root)
                return said
            case _:
                return way.undo(self._root)

    def _text(self, way: RestoreText) -> str | None:
        now, goals = way.present(self._root), self._goals.get(way.path, [])
        settled = drift.digest(now) in goals
        del goals[:1]
        return (way.settled(now) if settled else way).undo(self._root)

    def _rebuild(self, table: RestoreTable) -> None:
        """Build a table anew whose text others have edited since: the one of before is for another text."""
        text = disk.read(self._root.path(table.text))
        if text is not None and text != self._texts.get(table.text, text):
            table.rebuild(self._root)

    def _keep(self, way: RestoreFile) -> str | None:
        """Keep what others have put in the place of a file of ours, such as their own certificate."""
        was = self._sealed.get(way.path)
        if was is None:
            return None
        found = self._root.file(way.path)
        now = disk.read(found)
        if now is None or now == way.content or drift.digest(now) == was.digest:
            return None
        return f"what was put in the place of {way.path} is kept in {disk.set_aside(found, now)}"
