"""The process that applies a plan or takes one back: the host ends as reviewed or as it was.

Started by :mod:`wizard.applying` only, which gives it its work on standard input and the lock, held open.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from wizard import arming, drift, journal, lock, services
from wizard.changes import KINDS, InstallPackages, WriteFile, codec
from wizard.changes.serving import RUNNING
from wizard.doing_words import doing
from wizard.errors import WizardError, unforeseen
from wizard.events import Teller
from wizard.journal import State
from wizard.root import Root
from wizard.secret import Secret, keep_memory_private
from wizard.takingback import take_back

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wizard.changes import Change
    from wizard.journal import Checkpoint

_DONE, _FAILED = 0, 1
_GO_ON = (
    "mend that, then postfix-auth rollback goes on; docs/recovery.md says what to do where it can't be mended"
)


class TestsFailedError(WizardError):
    """Everything was applied, but the server does not do what the policy says."""


def test(root: Root, user: str, password: str, teller: Teller, began: float) -> None:
    """Test the server that runs, after changes that ``began`` then.

    Raises:
        TestsFailedError: names the tests that failed.
        WizardError: when it can't be tested, or does not run any more.

    """
    # what only the tests need is loaded once the files are written
    from wizard import engine, verify  # noqa: PLC0415

    results = verify.run(
        engine.observe(root),
        user=user,
        password=Secret(password) if password else None,
        on_checks=teller.checks,
        on_result=teller.result,
    )
    failed = [result.id for result in results if not result.ok]
    if failed:
        services.expect_running("postfix", began)
        raise TestsFailedError(f"{len(failed)} of {len(results)} tests failed: {', '.join(failed)}")


def hold_on() -> None:
    """Let nothing that ends a terminal end this process, and no memory with a password reach a disk."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    keep_memory_private()
    os.umask(0o022)


class Applier:
    """Works on one checkpoint of one tree, and tells those who follow it or ``others`` what it does."""

    def __init__(self, checkpoint: Checkpoint, root: Root, *others: Checkpoint) -> None:
        self.checkpoint, self.root = checkpoint, root
        self._files = tuple(one.events for one in (checkpoint, *others))
        self._teller = Teller(self._write)

    def _write(self, line: bytes) -> None:
        for file in self._files:
            journal.append(file, line)

    def tell(self, kind: str, text: str = "", number: int = 0, total: int = 0) -> None:
        """Tell those who follow. Where that can't be written down, what is under way goes on all the same."""
        with suppress(WizardError):
            self._teller.tell(kind, text, number, total)

    # there

    def apply(self, changes: Sequence[Change], work: dict[str, codec.Json]) -> int:
        """Make ``changes`` and test them; take them back if that fails. Return the exit code."""
        seconds = int(str(work["confirm"]))
        try:
            self._look_ahead(changes)
            self.checkpoint = self.checkpoint.at(State.APPLYING, time.time() + seconds if seconds else 0)
        except WizardError as error:
            self.checkpoint.release()
            self.tell("failed", str(error))
            return error.exit_code
        try:
            if seconds:
                arming.arm(self.root)
            began = time.time()
            self._make(changes)
            drift.seal(self.checkpoint, self.root, changes)
            if work["test"]:
                test(self.root, str(work["user"]), str(work["password"]), self._teller, began)
            self._settle(seconds)
        except Exception as error:  # whatever it is, the host must not stay half-way
            self.checkpoint.release()
            self.tell("failed", str(error) if isinstance(error, WizardError) else unforeseen(error))
            self.roll_back()
            return _FAILED
        return _DONE

    def _settle(self, seconds: int) -> None:
        """Keep what was applied, or let the keeper wait so many ``seconds`` for a confirmation."""
        self.checkpoint.release()
        if not seconds:
            self.checkpoint = self.checkpoint.at(State.KEPT)
            self.tell("done", "everything is applied")
            return
        self.checkpoint = self.checkpoint.at(State.APPLIED, time.time() + seconds)
        self.tell(
            "pending", f"everything is applied, and taken back in {seconds} s unless you confirm", seconds
        )

    def _look_ahead(self, changes: Sequence[Change]) -> None:
        installs = any(isinstance(change, InstallPackages) for change in changes)
        for change in changes:
            # a file that a package of this plan brings is looked at when it is there
            brought = installs and isinstance(change, WriteFile) and not self.root.path(change.path).exists()
            if not brought:
                change.check(self.root)

    def _make(self, changes: Sequence[Change]) -> None:
        # a reboot in the middle starts services with the new files, whether or not their own step is reached
        for change in changes:
            if isinstance(change, RUNNING):
                self.checkpoint.record(change.capture(self.root))
        for number, change in enumerate(changes, 1):
            self.tell("step", doing(change.kind, change.target), number, len(changes))
            if not isinstance(change, RUNNING):
                self.checkpoint.record(change.capture(self.root))
            if gap := change.apply(self.root):
                self.tell("gap", gap)

    # and back

    def roll_back(self) -> int:
        """Take back whatever was made so far. Return the exit code."""
        self.checkpoint.release()
        # from now on the way leads back only, for whoever comes after a crash too
        self._note(State.ROLLING_BACK)
        self.tell("rolling-back", "taking everything back")
        found = take_back(self.checkpoint, self.root)
        for note in found.notes:
            self.tell("note", note)
        if found.problems:
            self._note(State.STUCK, (*found.notes, *found.problems))
            self.tell(
                "failed", "not everything could be taken back:\n" + "\n".join((*found.problems, _GO_ON))
            )
            return _FAILED
        if not self._note(State.ROLLED_BACK, found.notes):
            self.tell("failed", "everything is as it was, but that can't be noted; later run rollback again")
            return _FAILED
        self.checkpoint.forget()
        arming.disarm()
        self.tell("rolled-back", "everything is as it was before")
        return _DONE

    def _note(self, state: State, notes: tuple[str, ...] = ()) -> bool:
        """Note how far the way back is; a disk that does not take the note must not end it."""
        deadline = self.checkpoint.deadline if state is State.ROLLING_BACK else 0
        try:
            self.checkpoint = self.checkpoint.at(state, deadline, notes)
        except WizardError:
            return False
        return True


def _roll_back(last: Applier, newer: Sequence[str]) -> int:
    """Take the changes ``newer`` back and then that of ``last``; the first that fails ends it."""
    for identity in newer:
        last.tell("note", f"first {identity}, which came later:")
        one = Applier(journal.named(last.root, identity), last.root, last.checkpoint)
        code = one.roll_back()
        Applier(one.checkpoint, one.root).tell("finished", number=code)
        if code != _DONE:
            last.tell("failed", f"so {last.checkpoint.id} is not taken back")
            return code
    return last.roll_back()


def main() -> int:
    """Do the work that standard input describes."""
    hold_on()
    work: dict[str, codec.Json] = json.loads(sys.stdin.buffer.read())
    root = Root(Path(str(work["root"])))
    lock.sign(int(str(work["lock"])))
    applier = Applier(journal.named(root, str(work["checkpoint"])), root)
    packed, newer = work.get("changes"), work.get("newer")
    if isinstance(packed, list):
        code = applier.apply([codec.unpack(KINDS, record) for record in packed], work)
    else:
        code = _roll_back(applier, [str(identity) for identity in newer] if isinstance(newer, list) else [])
    applier.tell("finished", number=code)
    return code


if __name__ == "__main__":
    sys.exit(main())
