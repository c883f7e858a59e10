"""What the wizard proposes where mechanisms go past the back end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from screens import looking
from screens.answers import Intent, start
from wizard.engine import InForce
from wizard.policy import Mechanisms, Policy, SaslauthdPam

if TYPE_CHECKING:
    from tests.terminal.site import Site


def test_what_goes_past_the_back_end_is_not_proposed_again(site: Site) -> None:
    policy = Policy(backend=SaslauthdPam(), mechanisms=Mechanisms(("PLAIN", "CRAM-MD5")))
    found = replace(looking.look(site.root), in_force=InForce(policy, ()))
    assert start(found, Intent.SUBMISSION).policy.mechanisms == policy.mechanisms
    trapped = replace(found, in_force=InForce(policy, (), past="CRAM-MD5 never asks saslauthd"))
    answers = start(trapped, Intent.SUBMISSION)
    assert answers.policy.mechanisms == answers.asked.mechanisms == Mechanisms(("PLAIN",))
