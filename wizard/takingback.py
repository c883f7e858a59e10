"""Takes a checkpoint back: every file, group and package, then the services, which read those files.

Directories come last, for as long as a service runs its socket may lie in one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.changes import RemoveDirectories, Revive
from wizard.errors import WizardError, unforeseen

if TYPE_CHECKING:
    from wizard.changes import Undo
    from wizard.journal import Checkpoint
    from wizard.root import Root


def take_back(checkpoint: Checkpoint, root: Root) -> tuple[str, ...]:
    """Follow every way back of ``checkpoint``, the last change first; what fails does not stop the rest.

    It can be done any number of times, and after a crash at any point. Returns what failed, in words.
    """
    try:
        ways = [way for change in reversed(checkpoint.ways_back()) for way in change]
    except WizardError as error:
        return (str(error),)
    services = {way.service: way for way in ways if isinstance(way, Revive)}
    emptied = [way for way in ways if isinstance(way, RemoveDirectories)]
    others = [way for way in ways if not isinstance(way, Revive | RemoveDirectories)]
    return tuple(
        problem for way in (*others, *services.values(), *emptied) if (problem := _follow(way, root))
    )


def _follow(way: Undo, root: Root) -> str:
    try:
        way.undo(root)
    except WizardError as error:
        return str(error)
    except Exception as error:  # whatever it is, the rest must be taken back
        return f"{way.kind}: {unforeseen(error)}"
    return ""
