"""The page that shows what will be done, before anything is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from screens import previewing
from tests.terminal.site import plan_of
from tests.terminal.test_wizard import to_review
from wizard.changes import JoinGroup, MakeDirectory, StatOverride

if TYPE_CHECKING:
    import pytest

    from screens.answers import Answers, Situation
    from tests.terminal.site import Driver, Site
    from wizard.plan import Plan
    from wizard.policy import Policy

_PLACE = "/run/saslauthd"


def test_what_is_done_to_the_same_place_can_be_told_apart(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = (
        JoinGroup("postfix", "sasl", reason="because"),
        StatOverride(_PLACE, "root", "sasl", 0o710, reason="because"),
        MakeDirectory(_PLACE, "root", "sasl", 0o710, reason="because"),
    )

    def plan(situation: Situation, policy: Policy, answers: Answers) -> Plan:
        return replace(plan_of(policy), changes=changes)

    monkeypatch.setattr(previewing, "planned", plan)

    async def script(at: Driver) -> None:
        await to_review(at, changes=3)
        await at.see("join group sasl", "keep mode of run/saslauthd", "make run/saslauthd")

    site.drive(script)
