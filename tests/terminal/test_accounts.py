"""The page of accounts: the list, its keys, and what is asked of the engine for them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from screens import account_work, looking
from screens.account_work import Done, Keeper, Listed, Row
from screens.widgets.text import SIGNS
from wizard.accountverdict import Layer, Reply, Tried, Verdict
from wizard.engine import InForce
from wizard.errors import HostError, PolicyError
from wizard.policy import AuxpropSasldb, Policy, SaslauthdPam

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.terminal.site import Driver, Site
    from wizard.root import Root
    from wizard.secret import Secret

_REALM = "mail.example.net"
_HERE = SIGNS.here
_SENDS = Verdict(True, "Both layers accept it: this account can log in.")


@dataclass
class Accounts:
    """Stands in for the engine: who there is, what was asked for, and how trying an account goes."""

    keeper: Keeper = Keeper.SASLDB
    names: list[str] = field(default_factory=list)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    answers: list[Tried] = field(default_factory=list)
    verdict: Verdict | HostError = _SENDS
    go_on: threading.Event = field(default_factory=threading.Event)

    def listed(self, _: Root) -> Listed:
        rows = tuple(Row(name, name.removesuffix(f"@{_REALM}")) for name in sorted(self.names))
        return Listed(self.keeper, "Accounts in a file.", rows)

    def set_password(self, _: Root, name: str, password: Secret) -> Done:
        self.asked.append(("set", name, password.reveal()))
        full = name if "@" in name else f"{name}@{_REALM}"
        self.names = [*{*self.names, full}]
        return Done(full, f"{full}: the user name to type is {name}")

    def join(self, _: Root, name: str) -> Done:
        if name == "mallory":
            raise PolicyError("NAME", "there is no user mallory")
        self.asked.append(("join", name))
        self.names.append(name)
        return Done(name, f"{name} may log in")

    def remove(self, _: Root, name: str) -> Done:
        self.asked.append(("remove", name))
        self.names.remove(name)
        return Done(name, f"{name} can't log in any more")

    def check(self, _: Root, name: str, password: Secret, tell: Callable[[Tried], None]) -> Verdict:
        self.asked.append(("check", name, password.reveal()))
        for answer in self.answers:
            tell(answer)
            assert self.go_on.wait(10)
        if isinstance(self.verdict, HostError):
            raise self.verdict
        return self.verdict


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> Accounts:
    """A host on which accounts are in force already."""
    made = Accounts()
    look = looking.look

    def configured(root: Root) -> object:
        backend = AuxpropSasldb() if made.keeper is Keeper.SASLDB else SaslauthdPam()
        return replace(look(root), in_force=InForce(Policy(backend=backend), ()))

    monkeypatch.setattr(looking, "look", configured)
    for name in ("listed", "set_password", "join", "remove", "check"):
        monkeypatch.setattr(account_work, name, getattr(made, name))
    return made


async def _open(at: Driver) -> None:
    await at.see("( ) Accounts", "list, add, remove, check")
    await at.press("down", "enter")
    await at.see("2 of 2 Accounts")


def test_there_are_none_to_show_before_a_back_end_is_set_up(site: Site) -> None:
    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        assert "Accounts" not in at.text

    site.drive(script)


def test_listed_with_what_to_type(site: Site, accounts: Accounts) -> None:
    accounts.names = [f"bob@{_REALM}", "carol@example.org", "dave\x1b[2J@example.org"]

    async def script(at: Driver) -> None:
        await _open(at)
        await at.see("What the user types", "a add   p new password   x remove   c check")
        lines = [line.split() for line in at.text.splitlines()]
        assert [_HERE, f"bob@{_REALM}", "bob"] in lines
        assert ["carol@example.org", "carol@example.org"] in lines
        assert "\x1b" not in at.text
        await at.press("f1")
        await at.see("Who can log in now to send mail.")
        assert "policy file" not in at.text
        await at.press("escape", "escape")
        await at.see("What do you want to do on this host?")

    site.drive(script)


def test_made_with_a_password_typed_twice(site: Site, accounts: Accounts) -> None:
    async def script(at: Driver) -> None:
        await _open(at)
        await at.see("There are no accounts yet: a makes one.")
        await at.press("a")
        await at.see("Once more")
        await at.press("enter", "enter")
        await at.see("must not be empty")
        await at.type("bob")
        await at.press("enter")
        await at.type("builder")
        await at.press("enter")
        await at.type("bulider")
        await at.see("is another one than above")
        await at.press("enter")
        assert not accounts.asked
        await at.press(*["backspace"] * 7)
        await at.type("builder")
        assert "builder" not in at.text
        await at.press("enter")
        await at.see(f"✓ bob@{_REALM}: the user name to type is bob", f"{_HERE} bob@{_REALM}  bob")

    site.drive(script)
    assert accounts.asked == [("set", "bob", "builder")]


def test_typed_ahead_nothing_goes_astray(site: Site, accounts: Accounts) -> None:
    async def script(at: Driver) -> None:
        await _open(at)
        await at.see("There are no accounts yet")
        for key in ("a", *"bob", "enter", *"builder", "enter", *"builder", "enter"):
            at.app.simulate_key(key)
        await at.see(f"{_HERE} bob@{_REALM}")

    site.drive(script)
    assert accounts.asked == [("set", "bob", "builder")]


def test_a_new_password(site: Site, accounts: Accounts) -> None:
    accounts.names = ["carol@example.org", "dave@example.org"]

    async def script(at: Driver) -> None:
        await _open(at)
        await at.see(f"{_HERE} carol")
        await at.press("down", "p")
        await at.see("New password for dave@example.org")
        await at.type("s3cret")
        await at.press("tab")
        await at.type("s3cret")
        await at.press("enter")
        await at.see("✓ dave@example.org", f"{_HERE} dave@example.org")
        assert "s3cret" not in at.text

    site.drive(script)
    assert accounts.asked == [("set", "dave@example.org", "s3cret")]


def test_removed_after_a_yes(site: Site, accounts: Accounts) -> None:
    accounts.names = [f"{name}@example.org" for name in ("anna", "bob", "carol")]

    async def script(at: Driver) -> None:
        await _open(at)
        await at.see(f"{_HERE} anna")
        await at.press("down", "x")
        await at.see("Remove bob@example.org?", "y remove")
        await at.press("n")
        await at.press("delete")
        await at.see("Remove bob@example.org?")
        assert not accounts.asked
        await at.press("y")
        await at.see("✓ bob@example.org can't log in any more", f"{_HERE} carol@example.org")

    site.drive(script)
    assert accounts.asked == [("remove", "bob@example.org")]


def test_each_answer_is_shown_as_it_comes(site: Site, accounts: Accounts) -> None:
    accounts.names = [f"bob@{_REALM}"]
    accounts.answers = [
        Tried(Layer.BACK_END, "saslauthd", Reply.ACCEPTED, "OK"),
        Tried(Layer.POSTFIX, "submission, PLAIN", Reply.REFUSED, "454 \x1b[2J"),
    ]
    accounts.verdict = Verdict(False, "It fails at Postfix.")

    async def script(at: Driver) -> None:
        await _open(at)
        await at.see(f"{_HERE} bob")
        await at.press("c")
        await at.see(f"Check bob@{_REALM}")
        await at.type("builder")
        await at.press("enter")
        await at.see("# The back end itself", "✓ saslauthd: OK", "Asking ...")
        assert "Postfix" not in at.text
        accounts.go_on.set()
        await at.see("# Through Postfix", "✗ submission, PLAIN: 454", "✗ It fails at Postfix.")
        assert "builder" not in at.text
        assert "\x1b" not in at.text
        await at.press("escape")
        await at.see("What the user types")

    site.drive(script)
    assert accounts.asked == [("check", f"bob@{_REALM}", "builder")]


def test_the_page_can_be_left_while_somebody_is_still_asked(site: Site, accounts: Accounts) -> None:
    accounts.names = [f"bob@{_REALM}"]
    accounts.answers = [Tried(Layer.BACK_END, "saslauthd", Reply.ACCEPTED, "OK")]

    async def script(at: Driver) -> None:
        await _open(at)
        await at.see(f"{_HERE} bob")
        await at.press("enter")
        await at.type("builder")
        await at.press("enter")
        await at.see("✓ saslauthd: OK", "Asking ...")
        await at.press("escape")
        await at.see("What the user types")
        await at.press("escape")
        await at.see("What do you want to do on this host?")
        accounts.go_on.set()

    site.drive(script)


def test_members_of_a_group(site: Site, accounts: Accounts) -> None:
    accounts.keeper = Keeper.GROUP

    async def script(at: Driver) -> None:
        await _open(at)
        await at.see("Nobody may log in yet", "a add   x remove   c check")
        await at.press("home", "end", "x", "p")  # nothing there, and nothing to set
        await at.press("a")
        await at.see("Let a user send mail")
        await at.type("mallory")
        await at.press("enter")
        await at.see("✗ there is no user mallory")
        await at.press("a")
        await at.type("alice")
        await at.press("enter")
        await at.see("✓ alice may log in", f"{_HERE} alice    alice")
        await at.press("x")
        await at.see("The account on this")
        await at.press("y")
        await at.see("Nobody may log in yet")

    site.drive(script)
    assert accounts.asked == [("join", "alice"), ("remove", "alice")]


def test_where_others_keep_them_one_can_only_be_tried(site: Site, accounts: Accounts) -> None:
    accounts.keeper = Keeper.ELSEWHERE
    accounts.verdict = HostError("Postfix is not installed")

    async def script(at: Driver) -> None:
        await _open(at)
        await at.see("c tries one")
        await at.press("a", "p", "x")
        await at.see("c check   esc back")
        await at.press("c")
        await at.see("Check an account")
        await at.type("alice")
        await at.press("enter")
        await at.type("wonder land")
        await at.press("enter")
        await at.see("✗ Postfix is not installed")

    site.drive(script)
    assert accounts.asked == [("check", "alice", "wonder land")]


def test_many(site: Site, accounts: Accounts) -> None:
    accounts.names = [f"user{number:03}@{_REALM}" for number in range(300)]

    async def script(at: Driver) -> None:
        await _open(at)
        await at.see(f"{_HERE} user000")
        await at.press("end")
        await at.see(f"{_HERE} user299", "What the user types")
        await at.press("x", "y")
        await at.see(f"{_HERE} user298")

    site.drive(script)


def test_the_first_set_up_shows_who_is_there(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_work, "there_already", lambda *_: "There already: anna, bob\x1b[2J")

    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        for page in ("Back end", "Mechanisms", "TLS", "Submission", "Smarthost", "Accounts"):
            await at.press("enter")
            await at.see(f"of 10 {page}")
        await at.see("There already: anna, bob")
        assert "\x1b" not in at.text

    site.drive(script)
