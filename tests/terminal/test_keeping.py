"""What is applied waits for the admin's yes, and is put back without one."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from screens import doing, looking, previewing
from screens.answers import Answers, NewAccount
from tests.terminal.site import Handle, plan_of, result
from tests.terminal.test_wizard import to_review
from wizard.errors import HostError
from wizard.events import Event
from wizard.journal import State
from wizard.policy import AuxpropSasldb, Policy, SaslauthdPam
from wizard.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from screens.answers import Situation
    from tests.terminal.site import Driver, Site
    from wizard.root import Root

_SECONDS = 600.0


@pytest.fixture
def waiting(site: Site) -> Site:
    """Return a site at which the change is applied at once, tested, and waits."""
    site.handle.events = [Event("step", "/etc/example.conf", 1, 1), Event("test", result=result())]
    site.handle.waits(_SECONDS)
    site.handle.release.set()
    return site


async def _apply(at: Driver) -> None:
    await to_review(at)
    await at.press("a", "y")
    await at.see("All 1 tests passed", "Keep these settings? Otherwise all is put back in ")


def test_it_counts_down(waiting: Site) -> None:
    async def script(at: Driver) -> None:
        await _apply(at)
        for _ in range(2):
            left = int(re.findall(r"put back in (\d+) s", at.text)[0])
            await at.see(f"put back in {left - 1} s")

    waiting.drive(script)


def test_k_keeps_and_stays(waiting: Site) -> None:
    async def script(at: Driver) -> None:
        await _apply(at)
        await at.press("k")
        await at.see("Done.", "Enter: what to tell your users")
        assert "Keep these settings" not in at.text
        assert not waiting.handle.standing.waits
        await at.press("enter")
        await at.see("of 10 Card")

    waiting.drive(script)


def test_enter_keeps_and_goes_on(waiting: Site) -> None:
    async def script(at: Driver) -> None:
        await _apply(at)
        await at.see("enter keep and go on")
        await at.press("enter")
        await at.see("of 10 Card")
        assert not waiting.handle.standing.waits

    waiting.drive(script)


@pytest.fixture
def made(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, State]]:
    """Ask for the accounts ann and bob; return who is made, and what has become of the change by then."""
    asked = tuple(NewAccount(name, Secret("pw")) for name in ("ann", "bob"))
    made: list[tuple[str, State]] = []

    def make(_: Situation, wanted: tuple[NewAccount, ...]) -> Iterator[str]:
        for new in wanted:
            made.append((new.name, site.handle.standing.state))
            yield new.name

    monkeypatch.setattr(doing, "to_make", lambda _: asked)
    monkeypatch.setattr(doing, "make_accounts", make)
    return made


_BOTH = [("ann", State.KEPT), ("bob", State.KEPT)]


def test_accounts_are_made_for_what_is_kept(waiting: Site, made: list[tuple[str, State]]) -> None:
    async def script(at: Driver) -> None:
        await _apply(at)
        await at.see("2 accounts will be made when you keep it.")
        assert not made
        await at.press("k")
        await at.see("Done. 2 accounts made.")

    waiting.drive(script)
    assert made == _BOTH


def test_accounts_are_made_for_what_others_keep(waiting: Site, made: list[tuple[str, State]]) -> None:
    async def script(at: Driver) -> None:
        await _apply(at)
        waiting.handle.becomes(State.KEPT)
        await at.see("Done. 2 accounts made.")

    waiting.drive(script)
    assert made == _BOTH


def test_accounts_are_made_where_nothing_else_is_to_be_done(
    site: Site, monkeypatch: pytest.MonkeyPatch, made: list[tuple[str, State]]
) -> None:
    monkeypatch.setattr(previewing, "planned", lambda _, policy, __: replace(plan_of(policy), changes=()))
    monkeypatch.setattr(doing, "test", lambda *_: None)

    async def script(at: Driver) -> None:
        await to_review(at, "Nothing to change: this host is as you want it. enter makes accounts: ann, bob")
        await at.press("enter")
        await at.see("Nothing is changed, but accounts are made: ann, bob.")
        await at.press("n", "enter")
        assert not made
        await at.press("y")
        await at.see("Done. 2 accounts made.")
        await at.press("r")
        await at.see("Done. 2 accounts made.")

    site.drive(script)
    assert [name for name, _ in made] == ["ann", "bob"]


def test_who_leaves_is_told_that_no_accounts_are_made(waiting: Site, made: list[tuple[str, State]]) -> None:
    async def script(at: Driver) -> None:
        await _apply(at)
        await at.press("ctrl+q")
        await at.see("2 accounts will be made only")
        await at.press("l")
        assert "Not made: ann, bob. postfix-auth user add NAME" in at.app.farewell[-1]

    waiting.drive(script)
    assert not made


def test_accounts_that_were_typed_for_another_back_end_are_not_made() -> None:
    typed = Answers(policy=Policy(backend=AuxpropSasldb()), accounts=(NewAccount("ann", Secret("pw")),))
    assert doing.to_make(typed) == typed.accounts
    assert not doing.to_make(replace(typed, policy=Policy(backend=SaslauthdPam())))


def test_an_account_that_can_not_be_made_is_said(
    waiting: Site, monkeypatch: pytest.MonkeyPatch, made: list[tuple[str, State]]
) -> None:
    def make(situation: Situation, wanted: tuple[NewAccount, ...]) -> Iterator[str]:
        yield "ann"
        raise HostError("no room for bob")

    monkeypatch.setattr(doing, "make_accounts", make)

    async def script(at: Driver) -> None:
        await _apply(at)
        await at.press("enter")
        await at.see("no room for bob", "Not made: bob. postfix-auth user add")
        assert "of 10 Tests" in at.text
        assert not waiting.handle.standing.waits
        await at.press("enter")
        await at.see("of 10 Card")

    waiting.drive(script)


def test_u_puts_it_back(waiting: Site) -> None:
    async def script(at: Driver) -> None:
        await _apply(at)
        await at.press("u")
        await at.see("Undo everything?")
        await at.press("n")
        await at.see("Keep these settings?")
        assert not waiting.undone
        await at.press("u", "y")
        await at.see("Everything is as it was before. Esc: begin anew")
        assert "Keep these settings?" not in at.text

    waiting.drive(script)
    assert waiting.undone == [waiting.handle]


def test_an_undo_that_is_refused_changes_nothing(waiting: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(situation: Situation, handle: Handle) -> Handle:
        raise HostError("/etc/example.conf was edited since")

    monkeypatch.setattr(doing, "undo", refuse)

    async def script(at: Driver) -> None:
        await _apply(at)
        await at.press("u", "y")
        await at.see("was edited since", "Keep these settings?")
        await at.press("k")
        await at.see("Done.")

    waiting.drive(script)


def test_without_a_yes_it_is_followed_back(waiting: Site) -> None:
    told = [Event("failed", "nobody has confirmed it in time"), Event("rolled-back", "all as before")]
    back = Handle(told, exit_code=1, standing=replace(waiting.handle.standing, state=State.ROLLED_BACK))
    back.release.set()
    waiting.handle.back = back

    async def script(at: Driver) -> None:
        await _apply(at)
        waiting.handle.becomes(State.ROLLING_BACK)
        await at.see("nobody has confirmed it in time", "all as before", "Esc: back to your answers")
        assert "Keep these settings" not in at.text
        assert "the greeting" not in at.text
        await at.press("escape")
        await at.see("of 10 Review")

    waiting.drive(script)


def test_a_yes_from_elsewhere_counts(waiting: Site) -> None:
    async def script(at: Driver) -> None:
        await _apply(at)
        waiting.handle.becomes(State.KEPT)
        await at.see("Done.")

    waiting.drive(script)


def test_a_yes_that_comes_too_late_says_so(waiting: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(situation: Situation) -> None:
        raise HostError("the time is over")

    monkeypatch.setattr(doing, "keep", refuse)

    async def script(at: Driver) -> None:
        await _apply(at)
        await at.press("enter")
        await at.see("the time is over")
        assert "of 10 Tests" in at.text

    waiting.drive(script)


def test_leaving_asks_what_shall_become_of_it(waiting: Site) -> None:
    async def script(at: Driver) -> None:
        await _apply(at)
        await at.press("ctrl+q")
        await at.see("Everything is applied, but not kept yet", "k keep", "u undo", "l leave")
        await at.press("x", "escape")
        await at.see("Keep these settings? Otherwise")
        await at.press("ctrl+q", "l")
        assert "postfix-auth confirm" in at.app.farewell[0]

    assert waiting.drive(script) == 0
    assert waiting.handle.standing.waits


def test_leaving_with_a_yes(waiting: Site) -> None:
    async def script(at: Driver) -> None:
        await _apply(at)
        await at.press("ctrl+q", "k")
        await at.see("Done.")
        assert "kept" in at.app.farewell[0]

    assert waiting.drive(script) == 0
    assert not waiting.handle.standing.waits


def test_leaving_with_an_undo_shows_it(waiting: Site) -> None:
    async def script(at: Driver) -> None:
        await _apply(at)
        await at.press("ctrl+q", "u")
        await at.see("Everything is as it was before")

    waiting.drive(script)
    assert waiting.undone


def test_leaving_while_it_is_applied_says_what_will_be(site: Site) -> None:
    async def script(at: Driver) -> None:
        await to_review(at)
        await at.press("a", "y")
        await at.see("Applying")
        await at.press("ctrl+q")
        assert "postfix-auth confirm" in at.app.farewell[1]
        site.handle.release.set()

    assert site.drive(script) == 0


def test_tests_that_fail_later_do_not_keep_by_enter(waiting: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def test(*args: object) -> None:
        tell = args[-1]
        assert callable(tell)
        tell(result(ok=False))

    monkeypatch.setattr(doing, "test", test)

    async def script(at: Driver) -> None:
        await _apply(at)
        await at.press("r")
        await at.see("1 of 1 tests failed", "Keep these settings?", "k keep all the same")
        assert "enter keep" not in at.text
        await at.press("enter")
        assert waiting.handle.standing.waits
        await at.press("k")
        await at.see("of 1 tests failed")
        assert not waiting.handle.standing.waits
        await at.press("u", "y")
        await at.see("Everything is as it was before")

    waiting.drive(script)


def test_what_waits_from_before_comes_first(waiting: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    look = looking.look

    def unsettled(root: Root) -> Situation:
        return replace(look(root), unsettled=waiting.handle.standing.waits)

    monkeypatch.setattr(looking, "look", unsettled)

    async def script(at: Driver) -> None:
        await at.see(":02 waits for your yes", "All 1 tests passed", "Keep these settings?")
        await at.press("escape")
        assert "waits for your yes" in at.text
        await at.press("k")
        await at.see("Done.")
        assert "waits for your yes" not in at.text
        await at.press("enter")
        await at.see("Set up authenticated submission")

    waiting.drive(script)
    assert not waiting.started


def test_an_undo_that_time_has_done_already_is_none_that_failed(waiting: Site) -> None:
    back = Handle([], exit_code=1, standing=replace(waiting.handle.standing, state=State.ROLLED_BACK))
    back.release.set()
    waiting.handle.back = back

    async def script(at: Driver) -> None:
        await _apply(at)
        await at.press("u")
        await at.see("Undo everything?")
        waiting.handle.becomes(State.ROLLED_BACK)
        await asyncio.sleep(2)
        await at.press("y")
        await at.see("✓ Everything is as it was before.")

    waiting.drive(script)
    assert not waiting.undone


def test_enter_keeps_from_the_log_too(waiting: Site) -> None:
    async def script(at: Driver) -> None:
        await _apply(at)
        await at.press("tab")
        assert at.app.focused
        assert at.app.focused.id == "log"
        await at.press("enter")
        await at.see("of 10 Card")

    waiting.drive(script)


def test_no_key_is_shown_that_means_nothing(waiting: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(situation: Situation, answers: Answers) -> Handle:
        raise HostError("this host has changed since the review")

    monkeypatch.setattr(doing, "start", refuse)

    async def script(at: Driver) -> None:
        await at.see("enter next   space choose")
        assert "esc back" not in at.text
        await to_review(at)
        await at.press("a", "y")
        await at.see("has changed since the review", "esc back   tab log")
        assert "d dialogue" not in at.text

    waiting.drive(script)
