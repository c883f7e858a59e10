"""Which steps there are, in their order, for what the admin came for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.answers import Intent
from screens.host import HostStep

if TYPE_CHECKING:
    from screens.widgets.step import Step

_SUBMISSION: tuple[type[Step], ...] = (HostStep,)
_SMARTHOST: tuple[type[Step], ...] = (HostStep,)


def steps(intent: Intent) -> tuple[type[Step], ...]:
    """Return the steps for ``intent``."""
    return _SMARTHOST if intent is Intent.SMARTHOST else _SUBMISSION
