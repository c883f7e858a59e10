"""How far applying and testing has come, and what is said about it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from screens.widgets.text import SIGNS

if TYPE_CHECKING:
    from collections.abc import Sequence


class Phase(StrEnum):
    """How far it has come."""

    RUNNING = "running"
    TESTING = "testing"  # once more: nothing is changed
    WAITING = "waiting"  # applied, and put back unless the admin keeps it
    KEPT = "kept"
    FAILED = "failed"  # and put back as it was
    UNDONE = "undone"


_DIALOGUE, _UNDO = "d dialogue", "u undo"
_KEYS = {
    Phase.RUNNING: (_DIALOGUE, "tab log", "F1 help", "^Q leave"),
    Phase.TESTING: (_DIALOGUE, "tab log", "F1 help", "^Q leave"),
    Phase.WAITING: ("enter keep and go on", "k keep", _UNDO, _DIALOGUE, "r run again", "F1 help"),
    Phase.KEPT: ("enter next", _DIALOGUE, "r run again", _UNDO, "tab log", "F1 help", "^Q leave"),
    Phase.FAILED: ("esc back", _DIALOGUE, "tab log", "F1 help", "^Q leave"),
    Phase.UNDONE: ("esc begin anew", "tab log", "F1 help", "^Q leave"),
}
_DOUBTFUL = ("k keep all the same", _UNDO, _DIALOGUE, "r run again", "tab log", "F1 help")

#: What stays on the terminal of who leaves meanwhile.
GOES_ON = ("This goes on without you; postfix-auth history shows how it ended.",)
WILL_WAIT = (
    "This goes on without you. When it is done it waits two minutes for your yes:",
    "postfix-auth confirm keeps it, otherwise all is put back as it was.",
)
KEPT = ("The new settings are kept. Undo any time: postfix-auth rollback",)
#: What there is to know where a change is kept that another wizard has applied.
MADE_ELSEWHERE = (
    "Accounts typed for it are made by the wizard they were typed in. If that is gone: postfix-auth user add"
)


def keys(phase: Phase, *, tested: int, failed: int, undoable: bool) -> str:
    """Return the keys that mean something in ``phase``.

    ``tested`` and ``failed``: how many tests were run, and how many failed. ``undoable``: something was
    changed from here.
    """
    offered = _DOUBTFUL if phase is Phase.WAITING and failed else _KEYS[phase]
    without = {_DIALOGUE} if not tested else set()
    without |= {_UNDO} if not undoable else set()
    return "   ".join(key for key in offered if key not in without)


def waits(when: str) -> str:
    """Return the title while a change of another wizard, made ``when``, waits."""
    return f"A change from {when[-5:]} waits for your yes"


def left_waiting(until: str) -> tuple[str, ...]:
    """Return what stays on the terminal of who leaves a change that waits ``until`` some time of the day."""
    return (f"At {until} all is put back as it was, unless you keep it: postfix-auth confirm",)


def not_made(names: Sequence[str]) -> tuple[str, ...]:
    """Return what to tell who asked for accounts with these ``names`` that are not made; nothing for none."""
    return (f"Not made: {', '.join(names)}. postfix-auth user add NAME makes an account.",) if names else ()


def counted(accounts: Sequence[str]) -> str:
    """Return how many ``accounts`` there are, in words."""
    return f"{len(accounts)} account{'' if len(accounts) == 1 else 's'}"


def rest(
    phase: Phase, problem: str, tally: str, accounts: tuple[Sequence[str], Sequence[str]], goal: str
) -> str:
    """Say where it has come to rest in ``phase``.

    ``problem``: what went wrong, or empty. ``tally``: how the tests went. ``accounts``: which are made, and
    which are not, of those that were asked for. ``goal``: where the key leads that goes on, or back.
    """
    if phase is Phase.UNDONE:
        return f"{SIGNS.good} Everything is as it was before. Esc: {goal}"
    if phase is Phase.FAILED:
        return f"{SIGNS.bad} {problem or 'It did not work.'}\nEsc: {goal}"
    made, unmade = accounts
    if phase is Phase.WAITING:
        good = f"{SIGNS.good} Applied. {tally}"
        also = f" {counted(unmade)} will be made when you keep it." if unmade else ""
    else:
        good = f"{SIGNS.good} Done.{f' {counted(made)} made.' if made else ''} {tally} Enter: {goal}"
        also = "".join(f"\n{SIGNS.attention} {line}" for line in not_made(unmade))
    return (f"{SIGNS.bad} {problem}" if problem else good) + also
