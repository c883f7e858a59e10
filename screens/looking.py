"""Asks the engine what this host is. It is slow to load and to ask: for a worker, after the first picture."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from screens.answers import Situation
from wizard.errors import WizardError

if TYPE_CHECKING:
    from screens.answers import Answers
    from wizard.applying import Handle
    from wizard.card import Card
    from wizard.root import Root

_HALF_WAY = "half-way: start again to take it back"

__all__ = ["WizardError", "card", "look"]


def interrupted(root: Root) -> Handle | None:
    """Return the change that was left half-way here; None: there is none, or only root may know."""
    from wizard import applying  # noqa: PLC0415 - as below

    return None if _no_root(root) else applying.interrupted(root)


def look(root: Root) -> Situation:
    """Return what is found below ``root``.

    Raises:
        WizardError: when the host is none that can be handled.

    """
    from wizard import applying, engine  # noqa: PLC0415 - slow to import, and the first picture comes before
    from wizard.overview import overview  # noqa: PLC0415

    host = engine.observe(root)
    no_apply = _no_root(root) or (_HALF_WAY if applying.interrupted(root) else "")
    unsettled = not no_apply and bool(applying.unfinished(root) or applying.waiting(root))
    return Situation(host, overview(host), engine.in_force(host), no_apply, unsettled, engine.drift(root))


def card(root: Root, answers: Answers) -> Card:
    """Return what to tell the users, from the ``answers`` and from the host as it is now.

    Raises:
        WizardError: when a file that says something about it can't be read.

    """
    from wizard import engine  # noqa: PLC0415 - as above
    from wizard.card import card as made  # noqa: PLC0415

    user = next((name for name in (answers.user, *(new.name for new in answers.accounts)) if name), "")
    return made(answers.policy, engine.observe(root), user)


def _no_root(root: Root) -> str:
    if root.live and os.geteuid() != 0:
        return "needs root: quit, and start again with sudo"
    return ""
