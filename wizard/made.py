"""What was changed here and can't be told from the host itself: the journal knows who it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard import journal
from wizard.changes import RestoreValues
from wizard.errors import HostError
from wizard.journal import State

if TYPE_CHECKING:
    from wizard.root import Root


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
