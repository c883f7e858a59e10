"""The page of the back end: forms that ask only what is needed, a typed password, help that fits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from screens import previewing, typed_passwords
from screens.answers import Answers
from screens.labels import HELP
from screens.widgets.dialogs import HelpScreen
from screens.widgets.field import Entry
from screens.widgets.form import Form
from wizard import passwordfile
from wizard.errors import PolicyError
from wizard.policy import AuxpropSql, Policy, SaslauthdLdap, Smarthost
from wizard.secret import Secret

if TYPE_CHECKING:
    import pytest

    from screens.answers import Situation
    from tests.terminal.site import Driver, Site
    from wizard.plan import Plan

_SECRET = "s3cret"
_LDAP = SaslauthdLdap(("ldap://dir.example.net",), "dc=example", bind_dn="cn=reader")


async def _choose(at: Driver, title: str) -> None:
    await at.see("Set up authenticated submission")
    await at.press("enter")
    await at.see("of 10 Back end")
    for _ in range(12):
        if any(title in line and "(•)" in line for line in at.text.splitlines()):
            return
        await at.press("down", "space")
    raise AssertionError(at.text)


async def _fill_in(at: Driver, *texts: str) -> None:
    for text in texts:
        await at.press("tab")
        entry = at.app.focused
        assert isinstance(entry, Entry)
        entry.value = text
        await at.press("end")


def test_a_typed_password_is_in_no_policy_and_on_no_screen(site: Site) -> None:
    given: list[Answers] = []

    async def script(at: Driver) -> None:
        await _choose(at, "An LDAP directory, through saslauthd")
        await _fill_in(at, "ldap://dir.example.net")
        await at.press("tab")
        await _fill_in(at, "cn=reader", _SECRET, "", "dc=example")
        await at.see("Will set", "•" * len(_SECRET))
        given.append(at.answers)
        assert _SECRET not in at.text

    site.drive(script)
    assert given[0].backend_password == Secret(_SECRET)
    assert given[0].policy.backend == _LDAP
    assert _SECRET not in repr(given[0])


def test_either_the_password_or_a_file_with_it(site: Site) -> None:
    async def script(at: Driver) -> None:
        await _choose(at, "An LDAP directory, read by SASL")
        await _fill_in(at, "ldap://dir.example.net", "proxy", _SECRET, "/root/password")
        await at.press("enter")
        await at.see("of 10 Back end", "either type the password, or name a file with it")

    site.drive(script)


def test_a_database_in_a_file_is_asked_for_no_server(site: Site) -> None:
    async def script(at: Driver) -> None:
        await _choose(at, "An SQL database")
        form = at.app.screen.query_one(f"#form-{AuxpropSql.type}", Form)
        await at.press("tab", "tab")
        await at.type("db.example.net")
        assert form.values()["hosts"] == ("db.example.net",)
        await at.press("shift+tab", "down", "down", "space")
        await at.see("Database")
        for gone in ("Hosts", "Log in as", "Password", "Password file"):
            assert not any(line.startswith(f" {gone}  ") for line in at.text.splitlines()), at.text
        assert form.values()["hosts"] == ()

    site.drive(script)


def test_what_was_typed_before_is_not_asked_again_and_no_admins_file() -> None:
    kept = replace(_LDAP, password_file=passwordfile.kept("backend"))
    typed = Answers(Policy(backend=kept), Policy(backend=kept))
    assert typed.asked == Policy()
    changed = replace(typed, backend_password=Secret(_SECRET))
    assert changed.asked == Policy(backend=kept)


def test_the_file_of_a_typed_password_is_not_shown_and_not_lost(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = replace(_LDAP, password_file=passwordfile.kept("backend"))
    monkeypatch.setattr(
        "screens.answers.start", lambda *_: Answers(Policy(backend=kept), Policy(backend=kept))
    )

    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        await at.press("enter")
        await at.see("the one in force")
        assert "backend.password" not in at.text
        form = at.app.screen.query_one(f"#form-{SaslauthdLdap.type}", Form)
        assert form.values()["password_file"] == kept.password_file

    site.drive(script)


def test_typed_passwords_are_in_files_without_a_name_while_they_are_needed() -> None:
    policy = Policy(backend=_LDAP, smarthost=Smarthost("relay.example.net", user="joe"))
    passwords = {"backend": Secret(_SECRET), "smarthost": Secret("another")}
    with typed_passwords.with_files(policy, passwords) as complete:
        assert isinstance(complete.backend, SaslauthdLdap)
        assert complete.smarthost
        files = [Path(complete.backend.password_file), Path(complete.smarthost.password_file)]
        assert [passwordfile.read_password_file(file, "key").reveal() for file in files] == [
            _SECRET,
            "another",
        ]
        assert not any(file.resolve().exists() for file in files)
    assert not any(file.exists() for file in files)
    named = typed_passwords.named(policy, passwords)
    assert named.backend == replace(_LDAP, password_file="/etc/postfix-auth/backend.password")


def test_answers_that_can_not_be_applied_yet_can_be_saved(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(situation: Situation, policy: Policy, answers: Answers) -> Plan:
        raise PolicyError("backend.type", "no KDC answers")

    monkeypatch.setattr("screens.previewing.planned", refuse)
    monkeypatch.setattr("screens.saving.PROPOSAL", str(tmp_path / "saved.toml"))

    async def script(at: Driver) -> None:
        await _choose(at, "Kerberos 5")
        await at.see("✗ no KDC answers")
        while "of 10 Review" not in at.text:
            await at.press("ctrl+n")
        await at.see("no KDC answers", "s saves the answers as a policy")
        await at.press("s")
        await at.see("Save the policy as a file")
        await at.press("enter")
        await at.see("Saved")

    site.drive(script)
    assert 'type = "saslauthd-kerberos5"' in (tmp_path / "saved.toml").read_text()


def test_a_wrong_password_is_said_where_it_was_typed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(situation: Situation, policy: Policy, answers: Answers) -> Plan:
        raise PolicyError("backend.password_file", "is another one\n  a line to be typed elsewhere")

    monkeypatch.setattr("screens.previewing.planned", refuse)

    async def script(at: Driver) -> None:
        await _choose(at, "An LDAP directory, read by SASL")
        await _fill_in(at, "ldap://dir.example.net", "proxy", _SECRET)
        text = await at.see("✗ is another one", "see Password")
        lines = text.splitlines()
        password = next(at for at, line in enumerate(lines) if line.startswith(" Password  "))
        assert "✗ is another one" in lines[password + 1]
        assert "elsewhere" not in lines[password + 2]

    site.drive(script)


def test_every_help_fits_on_the_screen(site: Site) -> None:
    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        for topic, found in HELP.items():
            at.app.push_screen(HelpScreen(topic))
            await asyncio.sleep(0)
            text = await at.see(found.label, "any key goes back")
            in_policies = topic.startswith("backend.") and topic != "backend.password"
            assert ("In a policy file: backend." in text) is in_policies
            await at.press("x")

    site.drive(script)


def test_the_packages_stand_on_one_line_and_first() -> None:
    assert tuple(previewing._joined(("main.cf  + a = b", "packages  + x", "packages  + y"))) == (
        "packages  + x y",
        "main.cf  + a = b",
    )


def test_a_message_below_the_last_field_comes_into_view(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(situation: Situation, policy: Policy, answers: Answers) -> Plan:
        raise PolicyError(
            "backend.server", "can't be reached, for one reason or another that takes a second line"
        )

    monkeypatch.setattr("screens.previewing.planned", refuse)

    async def script(at: Driver) -> None:
        await _choose(at, "Another IMAP server")
        await _fill_in(at, "127.0.0.1", "99")
        await at.see("✗ can't be reached", "Port                  99")
        await at.type("999")
        await at.see("99999", "must be a number from 1 to 65535")

    site.drive(script)
