"""The page that shows what will be done, before anything is."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from screens import doing, previewing
from tests.terminal.site import plan_of, result
from tests.terminal.test_wizard import to_review
from wizard.changes import JoinGroup, MakeDirectory, StatOverride, WriteFile
from wizard.errors import HostError
from wizard.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


_MAIN_CF = "".join(
    f"parameter_{number} = {'value ' * 30 if number == 3 else number}\n" for number in range(29)
)


def _a_set_up(monkeypatch: pytest.MonkeyPatch, *warnings: str) -> None:
    groups = tuple(JoinGroup("postfix", f"group{number}", reason="because") for number in range(12))
    write = WriteFile("/etc/postfix/main.cf", None, _MAIN_CF.encode(), reason="there is none\nand more\n" * 4)

    def plan(situation: Situation, policy: Policy, answers: Answers) -> Plan:
        return replace(plan_of(policy), changes=(write, *groups), warnings=warnings)

    monkeypatch.setattr(previewing, "planned", plan)


def test_the_diff_has_room_beside_all_there_is_to_know(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    _a_set_up(monkeypatch, *(f"warning {number} is long {'and long ' * 20}" for number in range(3)))

    async def script(at: Driver) -> None:
        await to_review(at, "13 changes")
        await at.see("▲ 3 warnings, w shows them: warning 0", "why: there is none", "+parameter_2 = 2")
        await at.press("w")
        await at.see("! warning 2 is long")
        await at.press("escape")
        await at.see("13 changes")

    site.drive(script)


def test_one_change_or_all_can_be_read_over_the_whole_screen(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    _a_set_up(monkeypatch, "something to know")

    async def script(at: Driver) -> None:
        await to_review(at, "13 changes")
        await at.press("v")
        await at.see("Change 1: /etc/postfix/main.cf", "# why: and more", "+parameter_1 = 1")
        await at.press("pagedown")
        await at.see("+parameter_9 = 9")
        await at.press("escape", "down", "v")
        await at.see("Change 2: group group0", "usermod -aG group0 postfix")
        await at.press("escape", "d")
        await at.see("13 changes", "! something to know", "# postfix/main.cf", "+parameter_0 = 0")
        await at.press("end")
        await at.see("+ usermod -aG group11 postfix")
        await at.press("escape")
        await at.see("of 10 Review", "a apply", "v view it", "d view all")

    assert site.drive(script) is None


def test_what_was_saved_is_said_beside_the_sum_and_the_next_name_is_free(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("screens.saving.PROPOSAL", str(tmp_path / "saved.toml"))

    async def script(at: Driver) -> None:
        await to_review(at)
        for _ in range(2):
            await at.press("s")
            await at.see("Save the policy as a file")
            await at.press("enter")
            await at.see("Saved", "1 change,", "something to know")

    site.drive(script)
    assert {path.name for path in tmp_path.glob("*.toml")} == {"saved.toml", "saved-2.toml"}


def test_only_keys_that_can_do_something_are_shown(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def plan(situation: Situation, policy: Policy, answers: Answers) -> Plan:
        return replace(plan_of(policy), changes=())

    async def looking(at: Driver) -> None:
        await at.see("Only look")
        await at.press("down", "down", "space")
        while "of 10 Review" not in at.text:
            await at.press("ctrl+n")
        await at.see("1 change,", "r rehearse")
        assert "a apply" not in at.text

    async def done(at: Driver) -> None:
        await to_review_without_changes(at)
        await at.see("Nothing to do", "enter test")
        assert "a apply" not in at.text
        assert "r rehearse" not in at.text

    async def to_review_without_changes(at: Driver) -> None:
        await at.see("Only look")
        while "of 10 Review" not in at.text:
            await at.press("ctrl+n")

    site.drive(looking)
    monkeypatch.setattr(previewing, "planned", plan)
    site.drive(done)
