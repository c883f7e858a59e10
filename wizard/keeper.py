"""Waits for the confirmation of a change, and takes the change back when the time is over.

It is there before the first step of such a change (:mod:`wizard.arming`), and takes it back too if whoever
makes it is killed.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from wizard import journal, lock
from wizard.applier import Applier
from wizard.arming import disarm
from wizard.errors import HostError
from wizard.journal import State
from wizard.root import Root

if TYPE_CHECKING:
    from wizard.journal import Checkpoint

_GLANCE = 0.5  # seconds between two looks whether it was confirmed


def main() -> int:
    """Wait; then take back what nobody has confirmed, or what was left half-way. Return the exit code."""
    root = Root()
    while (guarded := _guarded(root)) is not None:
        left = guarded.deadline - time.time() if guarded.waits else 0
        if left > 0:
            time.sleep(min(_GLANCE, left))
            continue
        with suppress(HostError):  # somebody is at work: look again
            return _take_back(root)
        time.sleep(_GLANCE)
    disarm()
    return 0


def _guarded(root: Root) -> Checkpoint | None:
    """Return the change that must be confirmed: it waits for that, or somebody is or was at work on it."""
    states = (State.APPLYING, State.APPLIED, State.ROLLING_BACK)
    return next((one for one in journal.checkpoints(root) if one.deadline and one.state in states), None)


def _take_back(root: Root) -> int:
    fd = lock.take(root)
    try:
        lock.sign(fd)
        checkpoint = _guarded(root)
        if checkpoint is None:
            return 0
        if checkpoint.waits and checkpoint.deadline > time.time():
            raise HostError("it has come to its end, and waits")
        applier = Applier(checkpoint, root)
        late = "nobody has confirmed it in time"
        applier.tell("failed", late if checkpoint.waits else "it was interrupted half-way")
        code = applier.roll_back()
        applier.tell("finished", number=1)
        return code
    finally:
        os.close(fd)


if __name__ == "__main__":
    sys.exit(main())
