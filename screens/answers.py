"""What the admin has answered so far, as one value: what a step gets, changes and hands on."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from wizard.policy import Mechanisms, Policy, SaslauthdPam, Submission, Tls, TlsSource
from wizard.sasl import PLAINTEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wizard.engine import Drift, InForce
    from wizard.host import Host
    from wizard.overview import Overview
    from wizard.secret import Secret

#: The sections of a policy, in the order of their pages.
SECTIONS = tuple(section.name for section in fields(Policy))


class Intent(StrEnum):
    """What the admin came for."""

    SUBMISSION = "submission"
    SMARTHOST = "smarthost"
    ACCOUNTS = "accounts"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class Situation:
    """The host as it was found. ``no_apply`` says why nothing can be applied; empty if it can.

    ``unsettled``: a change is at work or waits for a yes, from before a line dropped or from elsewhere.
    ``drift``: the files that were edited by hand since a change in force has left them.
    """

    host: Host
    overview: Overview
    in_force: InForce
    no_apply: str = ""
    unsettled: bool = False
    drift: tuple[Drift, ...] = ()


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to be made once the back end is there."""

    name: str
    password: Secret = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answers:
    """Everything answered. ``found`` is the policy in force, ``policy`` what is wanted instead.

    ``user`` and ``password`` log in for the tests, ``accounts`` are made after applying.
    ``relay_password`` and ``backend_password``, with which this host itself logs in elsewhere, are kept here
    until the last yes, and ``reviewed`` are the diffs that got it.
    """

    found: Policy = field(default_factory=Policy)
    policy: Policy = field(default_factory=Policy)
    intent: Intent = Intent.SUBMISSION
    user: str = ""
    password: Secret | None = field(default=None, repr=False)
    accounts: tuple[NewAccount, ...] = ()
    relay_password: Secret | None = field(default=None, repr=False)
    backend_password: Secret | None = field(default=None, repr=False)
    reviewed: tuple[str, ...] = ()

    def having(self, **sections: object) -> Answers:
        """Return the answers with some sections of the policy replaced."""
        return replace(self, policy=_replaced(self.policy, sections))

    @property
    def passwords(self) -> Mapping[str, Secret]:
        """The passwords that were typed for this host itself, by the section they belong to."""
        typed = {"backend": self.backend_password, "smarthost": self.relay_password}
        return {section: password for section, password in typed.items() if password is not None}

    @property
    def asked(self) -> Policy:
        """The policy to plan: the sections that differ from what is in force; the others are left alone.

        A password that was typed is such a difference, though the policy does not tell it.
        """
        wanted = ("smarthost",) if self.intent is Intent.SMARTHOST else SECTIONS
        different = {
            name: getattr(self.policy, name)
            for name in wanted
            if getattr(self.policy, name) != getattr(self.found, name) or name in self.passwords
        }
        return _replaced(Policy(), different)

    def asked_without(self, sections: tuple[str, ...]) -> Policy:
        """Return the policy to plan if ``sections`` were left as they are."""
        return _replaced(self.asked, dict.fromkeys(sections))


def _replaced(policy: Policy, sections: dict[str, object]) -> Policy:
    make: Callable[..., Policy] = Policy
    return make(**{**{name: getattr(policy, name) for name in SECTIONS}, **sections})


def start(situation: Situation, intent: Intent) -> Answers:
    """Return what the wizard begins with: the policy in force, and a proposal where there is none."""
    found = situation.in_force.policy
    if intent is Intent.SMARTHOST:
        return Answers(found, found, intent)
    proposed = Policy(
        backend=found.backend or SaslauthdPam(),
        mechanisms=_served(situation.in_force),
        tls=found.tls or Tls(source=TlsSource.SELF_SIGNED, names=(situation.host.fqdn,)),
        submission=found.submission or Submission(),
        authorization=found.authorization,
        smarthost=found.smarthost,
    )
    return Answers(found, proposed, intent)


def _served(found: InForce) -> Mechanisms:
    """Return the mechanisms in force without those that go past the back end, which nobody shall keep."""
    mechanisms = found.policy.mechanisms or Mechanisms()
    if not found.past:
        return mechanisms
    return replace(mechanisms, offer=tuple(name for name in mechanisms.offer if name in PLAINTEXT))
