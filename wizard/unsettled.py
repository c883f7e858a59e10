"""Whether an earlier change is still under way on this host, was left half-way, or waits to be confirmed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wizard import journal, lock
from wizard.errors import HostError
from wizard.journal import State

if TYPE_CHECKING:
    from wizard.root import Root


def found(root: Root) -> str:
    """Return it in words, with what to do; empty: nothing is, or only root may know."""
    if at_work := lock.holder(root):
        return at_work
    try:
        return of_the_past(root)
    except HostError:
        return ""


def of_the_past(root: Root) -> str:
    """Return which change was left half-way or waits; only where no run is at work.

    Raises:
        HostError: when only root may know, or the record of a change is damaged.

    """
    for one in journal.checkpoints(root):
        if one.state is State.STUCK:
            return (
                f"the change {one.id} could not be taken back: postfix-auth rollback tries again, and says "
                "what stands in the way (docs/recovery.md)"
            )
        if one.state.half_way:
            return f"the change {one.id} was interrupted half-way: take it back with postfix-auth rollback"
        if one.waits and one.deadline < time.time():
            return f"nobody has confirmed the change {one.id}: it is being taken back; try again soon"
        if one.waits:
            return f"the change {one.id} waits: postfix-auth confirm keeps it, or take it back with rollback"
    return ""
