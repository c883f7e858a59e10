"""What was changed on this host and what leads back from it, kept durably before each change is made.

A checkpoint is a directory for root only, ``/var/lib/postfix-auth/checkpoints/ID``, with ``about.json``
(time, summary, the policy, how far it got), ``undo.jsonl`` (the ways back, one line a change, in the order of
the changes) and ``events.jsonl`` (what the process that applies has told so far). What it has left is in
:mod:`wizard.drift`.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from wizard.changes import UNDO_KINDS, codec, disk
from wizard.errors import HostError, PolicyError, WizardError
from wizard.numbers import number
from wizard.secret import keep_memory_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from wizard.changes import Undo
    from wizard.root import Root

#: Where the program keeps what it has done.
HOME = "/var/lib/postfix-auth"
_ABOUT, _UNDO, _EVENTS = "about.json", "undo.jsonl", "events.jsonl"
AFTER, GOALS = "after.json", "goals.json"  # see wizard.drift, wizard.takingback
_BALLAST, _ROOM = "ballast", 1 << 20  # bytes; what is told and noted on the way back fits many times


class State(StrEnum):
    """How far a checkpoint got."""

    PREPARED = "prepared"
    APPLYING = "applying"
    APPLIED = "applied"  # and taken back unless it is confirmed in time
    KEPT = "kept"
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"
    STUCK = "stuck"  # neither applied nor wholly rolled back

    @property
    def half_way(self) -> bool:
        """Whether the host may be neither as before nor as reviewed."""
        return self in (State.APPLYING, State.ROLLING_BACK, State.STUCK)

    @property
    def in_force(self) -> bool:
        """Whether the host is as reviewed."""
        return self in (State.APPLIED, State.KEPT)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What undoes an applied plan. ``time`` is UTC; ``policy``: the whole policy, as a file's text.

    ``deadline``: until when an applied one must be confirmed, in seconds since the epoch.
    ``notes``: what was met on the way back, for whoever looks later: what is kept where, what is left to do.
    ``number``: which one it is on this host, for clocks are set back; 0 in records of before there was any.
    """

    id: str
    time: str
    summary: str
    policy: str
    state: State
    directory: Path
    deadline: float = 0.0
    notes: tuple[str, ...] = ()
    number: int = 0

    @property
    def order(self) -> tuple[int, ...]:
        """What sorts checkpoints as they were made; ``-10`` of one second comes after ``-2``."""
        return (self.number, *(number(part) or 0 for part in self.id.split("-")))

    @property
    def events(self) -> Path:
        """Where the process at work tells what it does."""
        return self.directory / _EVENTS

    @property
    def waits(self) -> bool:
        """Whether it is taken back unless it is confirmed before the ``deadline``."""
        return self.state is State.APPLIED

    def at(self, state: State, deadline: float = 0.0, notes: tuple[str, ...] = ()) -> Checkpoint:
        """Note durably that it has come to ``state``; return it so."""
        moved = replace(self, state=state, deadline=deadline, notes=notes)
        about = {key: value for key, value in asdict(moved).items() if key != "directory"}
        disk.replace(self.directory / _ABOUT, json.dumps(about).encode(), ours())
        return moved

    def reserve(self) -> None:
        """Occupy room on the disk, so that the way back finds some when the disk is full by then."""
        ballast = self.directory / _BALLAST
        with disk.explained(ballast):
            fd = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, _ROOM)
            finally:
                os.close(fd)

    def release(self) -> None:
        """Give that room back."""
        with suppress(OSError):
            (self.directory / _BALLAST).unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove what leads back, with the passwords in it: nothing is left to be taken back."""
        for name in (_UNDO, AFTER, GOALS):
            with suppress(OSError):
                (self.directory / name).unlink(missing_ok=True)

    def record(self, ways: Sequence[Undo]) -> None:
        """Keep durably what leads back from the change that comes next."""
        line = json.dumps([codec.pack(way) for way in ways]).encode() + b"\n"
        append(self.directory / _UNDO, line)

    def ways_back(self) -> tuple[tuple[Undo, ...], ...]:
        """Return what leads back, for each change in the order in which they were made.

        Raises:
            WizardError: when the record is damaged.

        """
        keep_memory_private()  # passwords may be among what was there before
        content = disk.read(self.directory / _UNDO) or b""
        # a line without an end was being written when the machine stopped: its change was not begun
        lines = content.split(b"\n")[:-1]
        with damaged(self.directory / _UNDO):
            records = [json.loads(line) for line in lines]
            return tuple(tuple(codec.unpack(UNDO_KINDS, record) for record in change) for change in records)


def append(path: Path, line: bytes) -> None:
    """Add ``line`` to the private file at ``path``, and wait until it is on the disk."""
    with disk.explained(path):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(fd).st_size
            if os.write(fd, line) < len(line):
                # half a line would spoil the next one
                os.ftruncate(fd, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(fd)
        finally:
            os.close(fd)


def ours() -> disk.Look:
    """Return the owner and mode of what is kept here: for this user only, which is root."""
    return disk.Look(os.geteuid(), os.getegid(), 0o600)


def create(root: Root, summary: str, policy: str) -> Checkpoint:
    """Make a new checkpoint. Only for the holder of the lock.

    Raises:
        WizardError: when it can't be written.

    """
    now = datetime.now(UTC)
    home = _private(_checkpoints(root))
    _clear_away(home)
    stem = now.strftime("%Y%m%d-%H%M%S")
    names = (stem, *(f"{stem}-{number}" for number in range(2, 1000)))
    name = next(name for name in names if not (home / name).exists())
    directory = _private(home / name)
    last = max((one.number for one in _loaded(home)), default=0)
    time = now.isoformat(timespec="seconds")
    made = Checkpoint(name, time, summary, policy, State.PREPARED, directory, number=last + 1)
    try:
        made.reserve()
        # there before about.json, which brings their names to the disk
        append(made.events, b"")
        append(made.directory / _UNDO, b"")
        return made.at(State.PREPARED)
    except WizardError:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _clear_away(home: Path) -> None:
    """Remove the checkpoints that were never begun."""
    for directory in _directories(home):
        one = _load(directory)
        if one is None or one.state is State.PREPARED:
            shutil.rmtree(directory, ignore_errors=True)


def _directories(home: Path) -> list[Path]:
    if not home.exists():
        return []
    if not home.is_dir():
        raise HostError(f"{home} is no directory: move it away and try again")
    return [item for item in home.iterdir() if item.is_dir()]


def _loaded(home: Path) -> list[Checkpoint]:
    found = [one for directory in _directories(home) if (one := _load(directory))]
    return sorted(found, key=lambda one: one.order)


def _checkpoints(root: Root) -> Path:
    return root.path(f"{HOME}/checkpoints")


def _private(directory: Path) -> Path:
    disk.make_parents(directory)
    with disk.explained(directory):
        directory.mkdir(mode=0o700, exist_ok=True)
        disk.sync_directory(directory.parent)
    return directory


def checkpoints(root: Root) -> tuple[Checkpoint, ...]:
    """Return every checkpoint, the oldest first; those that were never begun are left out.

    Raises:
        HostError: when only root may see them, and this is not root; or there is no directory, but a file.

    """
    home = _checkpoints(root)
    try:
        found = _loaded(home)
    except PermissionError:
        raise HostError(f"{home} is for root only: run this as root") from None
    return tuple(one for one in found if one.state is not State.PREPARED)


def _load(directory: Path) -> Checkpoint | None:
    content = disk.read(directory / _ABOUT)
    if content is None:
        return None
    with damaged(directory / _ABOUT):
        about = json.loads(content)
        return Checkpoint(
            str(about["id"]),
            str(about["time"]),
            str(about["summary"]),
            str(about["policy"]),
            State(about["state"]),
            directory,
            float(about.get("deadline", 0)),
            tuple(str(note) for note in about.get("notes", ())),
            int(about.get("number", 0)),
        )


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """Turn what reading a record that was not written here leads to into a HostError for the admin."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
        raise HostError(f"{path} is damaged; restore it from a backup, or move {path.parent} away") from None


def named(root: Root, identity: str) -> Checkpoint:
    """Return the checkpoint ``identity``, however far it got; WizardError if there is none."""
    found = _load(_checkpoints(root) / identity)
    if found is None:
        raise WizardError(f"there is no checkpoint {identity}")
    return found


def find(root: Root, identity: str = "") -> Checkpoint:
    """Return the checkpoint ``identity``; empty: one that is half-way or pending, or else the last in force.

    Raises:
        PolicyError: when there is none.

    """
    known = checkpoints(root)
    if identity:
        wanted = [one for one in known if one.id == identity]
    else:
        wanted = [one for one in known if one.state.half_way or one.state is State.APPLIED]
        wanted = wanted or [one for one in known if one.state is State.KEPT]
    if not wanted:
        what = f"there is no change {identity}" if identity else "there is nothing to take back"
        raise PolicyError("ID" if identity else "", f"{what}; postfix-auth history lists past changes")
    if wanted[-1].state is State.ROLLED_BACK:
        raise PolicyError("ID", f"{identity} is taken back already")
    return wanted[-1]


def pending(root: Root) -> Checkpoint | None:
    """Return the checkpoint that waits for a confirmation, None if none does."""
    return next((one for one in checkpoints(root) if one.state is State.APPLIED), None)


def newest_down_to(root: Root, identity: str) -> tuple[Checkpoint, ...]:
    """Return what has to be taken back, in that order, to undo the change ``identity`` (empty: the last).

    Raises:
        PolicyError: when there is no such change, or it is taken back already.

    """
    wanted = find(root, identity)
    if not identity:
        return (wanted,)
    later = [
        one
        for one in checkpoints(root)
        if one.order > wanted.order and (one.state.in_force or one.state.half_way)
    ]
    return (*reversed(later), wanted)


def last_policy(root: Root) -> str:
    """Return the text of the policy that was applied last and is in force; empty if there is none."""
    with suppress(HostError):
        applied = [one.policy for one in checkpoints(root) if one.state.in_force]
        return applied[-1] if applied else ""
    return ""


def read_events(path: Path, offset: int) -> tuple[bytes, int]:
    """Return the whole lines that were written after ``offset``, and where the next ones begin."""
    with path.open("rb") as file:
        file.seek(offset)
        new = file.read()
    whole = new[: new.rfind(b"\n") + 1]
    return whole, offset + len(whole)
