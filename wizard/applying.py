"""Starts the process that applies a plan or takes one back, and follows it.

It is a process of its own, in a session of its own: the terminal may go away, it goes on to the end. It gets
its work through a pipe, for that holds secrets, and tells what it does in a file that anybody who comes back
can read from the beginning.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wizard import arming, journal, lock, policyfile, takingback, unsettled
from wizard.changes import codec
from wizard.errors import HostError, PolicyError
from wizard.events import Event
from wizard.journal import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wizard.journal import Checkpoint
    from wizard.plan import Plan
    from wizard.root import Root
    from wizard.secret import Secret

_PROJECT = Path(__file__).resolve().parent.parent
_PASSED_ON = ("PYTHONPYCACHEPREFIX", "PYTHONNOUSERSITE", "http_proxy", "https_proxy", "no_proxy", "TZ")
_PATIENCE = 120.0  # seconds; packages may have to go
_DIED = (
    "the process that changes this host has ended before its work was done; "
    "postfix-auth rollback brings everything back as it was"
)
_REMEDY = "Nothing was changed. postfix-auth status shows what was edited: undo that, and try again."
_ASIDE = "Or rollback --set-aside: what was edited is then kept beside each file, as *.postfix-auth-saved."


@dataclass(slots=True)
class Handle:
    """Follows the process that works on ``checkpoint``; several may follow the same one.

    ``exit_code`` is what the command line ends with; None as long as it is at work.
    """

    checkpoint: Checkpoint
    root: Root
    exit_code: int | None = None
    _process: subprocess.Popen[bytes] | None = None
    _offset: int = 0
    _kinds: set[str] = field(default_factory=set)

    @property
    def finished(self) -> bool:
        """Whether the process has ended; one more :meth:`poll` then gets the rest of what it told."""
        if self._process is None:
            return not lock.held(self.root)
        return self._process.poll() is not None

    @property
    def succeeded(self) -> bool:
        """Whether all was done that was asked for."""
        return self.exit_code == 0

    @property
    def standing(self) -> Checkpoint:
        """The checkpoint as it is now: others may have kept it, or be taking it back."""
        return journal.named(self.root, self.checkpoint.id)

    def others(self) -> Handle:
        """Return a handle on what another process does with the same checkpoint from now on."""
        return replace(self, exit_code=None, _process=None)

    def poll(self) -> tuple[Event, ...]:
        """Return what has happened since the last call, without waiting for more."""
        ended = self.finished
        data, self._offset = journal.read_events(self.checkpoint.events, self._offset)
        events = [Event.of(line) for line in data.decode().split("\n")[:-1]]
        for event in events:
            if event.kind == "finished":
                self.exit_code = event.number
        if ended and self.exit_code is None:
            self.exit_code = 1
            events.append(Event("failed", _DIED))
        return tuple(events)


def start(
    plan: Plan,
    root: Root,
    *,
    user: str = "",
    password: Secret | None = None,
    test: bool = True,
    confirm: int = 0,
) -> Handle:
    """Start to apply ``plan``; ``user`` and ``password`` log in for the tests.

    ``confirm``: it is taken back unless :func:`keep` is called within so many seconds; 0: it is kept.

    Raises:
        HostError: when another run is at work, or the last one was interrupted and must be taken back first.
        WizardError: when no checkpoint can be written.

    """
    fd = lock.take(root)
    try:
        refuse_half_way(root)
        checkpoint = journal.create(root, plan.summary, policyfile.render(plan.whole))
        work: dict[str, codec.Json] = {
            "changes": [codec.pack(change) for change in plan.changes],
            "test": test and root.live,
            "user": user,
            "password": password.reveal() if password else "",
            "confirm": confirm,
        }
        return _spawn(checkpoint, root, fd, work)
    finally:
        os.close(fd)


def refuse_unsettled(root: Root) -> None:
    """Refuse to go on where another run is at work.

    Raises:
        HostError: when one is, or as for an earlier change that has to be taken back or confirmed first.

    """
    if at_work := lock.holder(root):
        raise HostError(at_work)
    refuse_half_way(root)


def refuse_half_way(root: Root) -> None:
    """Refuse to go on where an earlier change was interrupted, or waits.

    Raises:
        HostError: when one was, and has to be taken back or confirmed first.

    """
    told = unsettled.of_the_past(root)
    if not told:
        return
    pending = journal.pending(root)
    if pending and pending.deadline < time.time():
        arming.arm(root)
    raise HostError(told)


def roll_back(checkpoint: Checkpoint, root: Root, *newer: Checkpoint, set_aside: bool = False) -> Handle:
    """Start to take ``checkpoint`` back, after those that are ``newer``, the newest first.

    ``set_aside``: where others have changed since what these have changed, theirs is kept beside the file.

    Raises:
        HostError: when another run is at work, one is taken back already, there are others that came later,
            or somebody would lose what came after them. Nothing is then taken back.

    """
    fd = lock.take(root)
    try:
        wanted = tuple(journal.named(root, one.id) for one in (*newer, checkpoint))
        for one in wanted:
            if one.state is State.ROLLED_BACK:
                raise HostError(f"{one.id} is taken back already")
        if journal.newest_down_to(root, checkpoint.id) != wanted:
            raise HostError(f"others came after {checkpoint.id} since: look again at postfix-auth history")
        _refuse_conflicts(wanted, root, set_aside=set_aside)
        return _spawn(wanted[-1], root, fd, {"newer": [one.id for one in wanted[:-1]]})
    finally:
        os.close(fd)


def _refuse_conflicts(wanted: Sequence[Checkpoint], root: Root, *, set_aside: bool) -> None:
    found = takingback.conflicts(wanted, root, set_aside=set_aside)
    if not found:
        return
    remedies = (_REMEDY,) if takingback.conflicts(wanted, root, set_aside=True) else (_REMEDY, _ASIDE)
    first = f"{wanted[-1].id} can't be taken back without losing what came after it:"
    raise HostError("\n".join((first, *(f"  {text}" for text in found), *remedies)))


def keep(root: Root) -> Checkpoint:
    """Confirm the change that waits for it: it is kept. Return its checkpoint.

    Raises:
        PolicyError: when there is none.
        HostError: when it is being taken back already.

    """
    if journal.pending(root) is None:
        raise PolicyError("", "there is no change that waits for a confirmation")
    fd = lock.take(root)
    try:
        checkpoint = journal.pending(root)
        if checkpoint is None or checkpoint.deadline < time.time():
            arming.arm(root)  # on a host without an init it may have been killed, or gone with a reboot
            raise PolicyError("", "the time is over: the change is taken back")
        kept = checkpoint.at(State.KEPT)
        arming.disarm()
        return kept
    finally:
        os.close(fd)


def wait_until_taken_back(checkpoint: Checkpoint, root: Root) -> bool:
    """See to it that ``checkpoint``, whose time is over, is taken back; whether it is, to the last bit."""
    if not lock.held(root):
        arming.arm(root)
    end = time.monotonic() + _PATIENCE
    while (state := journal.named(root, checkpoint.id).state) in (State.APPLIED, State.ROLLING_BACK):
        if time.monotonic() > end:
            break
        time.sleep(0.1)
    return state is State.ROLLED_BACK


def unfinished(root: Root) -> Handle | None:
    """Return a handle on what is at work on this host right now, from its beginning; None: nothing is."""
    if not lock.held(root):
        return None
    busy = [one for one in journal.checkpoints(root) if one.state in (State.APPLYING, State.ROLLING_BACK)]
    return Handle(busy[-1], root) if busy else None


def waiting(root: Root) -> Handle | None:
    """Return a handle on the change that waits for its confirmation, from its beginning; None: none does."""
    pending = journal.pending(root)
    return Handle(pending, root) if pending else None


def interrupted(root: Root) -> Handle | None:
    """Return a handle on the change that a process that is no more left half-way; None: there is none."""
    if lock.held(root):
        return None
    half_way = (one for one in journal.checkpoints(root) if one.state.half_way)
    return next((Handle(one, root) for one in half_way), None)


def _spawn(checkpoint: Checkpoint, root: Root, fd: int, work: dict[str, codec.Json]) -> Handle:
    offset = checkpoint.events.stat().st_size
    work |= {"root": str(root.prefix), "checkpoint": checkpoint.id, "lock": fd}
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": "/root", "PYTHONPATH": str(_PROJECT)}
    with (checkpoint.directory / "stderr").open("ab") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "wizard.applier"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            cwd="/",
            env=environment,
            pass_fds=(fd,),
            start_new_session=True,
        )
    if process.stdin:
        with process.stdin as pipe:
            pipe.write(json.dumps(work).encode())
    return Handle(checkpoint, root, _process=process, _offset=offset)
