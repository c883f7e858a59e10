"""The page that shows what will be done, before anything is."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from screens import doing, previewing
from tests.terminal.site import plan_of, result
from tests.terminal.test_wizard import to_review
from wizard.changes import JoinGroup, MakeDirectory, StatOverride
from wizard.errors import HostError
from wizard.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        await to_review(at, "3 changes")
        await at.see("join group sasl", "keep mode of run/saslauthd", "make run/saslauthd")

    site.drive(script)


def _rehearsing(monkeypatch: pytest.MonkeyPatch, *events: Event, end: HostError | None = None) -> None:
    def rehearse(plan: Plan, situation: Situation, answers: Answers) -> Iterator[Event]:
        yield from events
        if end:
            raise end

    monkeypatch.setattr(doing, "rehearse", rehearse)


_STEP = Event("step", "/etc/example.conf", 1, 1)


def test_r_rehearses_and_says_that_nothing_was_changed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    _rehearsing(monkeypatch, _STEP, Event("test", result=result()), Event("finished"))

    async def script(at: Driver) -> None:
        await to_review(at)
        await at.see("r rehearse")
        await at.press("r")
        await at.see(
            "It works. All 1 tests passed.", "Nothing on this host has been changed.", "✓ the greeting"
        )
        await at.press("escape")
        await at.see("of 10 Review", "a apply")

    site.drive(script)
    assert not site.started


def test_a_rehearsal_that_fails_says_why(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    events = (_STEP, Event("test", result=result(ok=False)), Event("failed", "1 of 1 tests failed: greeting"))
    _rehearsing(monkeypatch, *events, Event("finished", number=1))

    async def script(at: Driver) -> None:
        await to_review(at)
        await at.press("r")
        await at.see("It would not work: 1 of 1 tests failed", "Nothing on this host", "got      nothing")
        await at.press("enter")
        await at.see("of 10 Review")

    site.drive(script)


@pytest.mark.parametrize(
    ("events", "end"),
    [
        ((), HostError("there is no shadow")),
        ((Event("failed", "there is no shadow"), Event("finished", number=3)), None),
    ],
)
def test_where_no_rehearsal_is_possible_apply_is(
    site: Site, monkeypatch: pytest.MonkeyPatch, events: tuple[Event, ...], end: HostError | None
) -> None:
    _rehearsing(monkeypatch, *events, end=end)

    async def script(at: Driver) -> None:
        await to_review(at)
        await at.press("r")
        await at.see("No rehearsal here: there is no shadow", "Apply works all the same")
        await at.press("escape")
        await at.see("of 10 Review")

    site.drive(script)


def test_leaving_ends_the_shadow(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, ended = threading.Event(), threading.Event()

    def rehearse(plan: Plan, situation: Situation, answers: Answers) -> Iterator[Event]:
        try:
            yield _STEP
            assert go_on.wait(10)
            yield _STEP
            raise AssertionError("nobody asked for more")
        finally:
            ended.set()

    monkeypatch.setattr(doing, "rehearse", rehearse)

    async def script(at: Driver) -> None:
        await to_review(at)
        await at.press("r")
        await at.see("1 of 1: /etc/example.conf", "esc stop")
        await at.press("enter")  # stops nothing
        await at.press("escape")
        await at.see("Ending the rehearsal")
        go_on.set()
        await at.see("of 10 Review")
        assert ended.wait(10)

    site.drive(script)
