"""Which steps there are, in their order, for what the admin came for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.account_list import AccountListStep
from screens.accounts import AccountsStep
from screens.answers import Intent
from screens.backend import BackendStep
from screens.card import CardStep
from screens.host import HostStep
from screens.mechanisms import MechanismsStep
from screens.review import ReviewStep
from screens.smarthost import SmarthostStep
from screens.submission import SubmissionStep
from screens.tls import TlsStep
from screens.trial import TrialStep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from screens.widgets.step import Step

_END: tuple[type[Step], ...] = (ReviewStep, TrialStep, CardStep)
_SUBMISSION: tuple[type[Step], ...] = (
    HostStep,
    BackendStep,
    MechanismsStep,
    TlsStep,
    SubmissionStep,
    SmarthostStep,
    AccountsStep,
    *_END,
)
_OTHERS: Mapping[Intent, tuple[type[Step], ...]] = {
    Intent.SMARTHOST: (HostStep, SmarthostStep, *_END),
    Intent.ACCOUNTS: (HostStep, AccountListStep),
}


def steps(intent: Intent) -> tuple[type[Step], ...]:
    """Return the steps for ``intent``."""
    return _OTHERS.get(intent, _SUBMISSION)
