"""From the first page to the last, by keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import recipes
from recipes.user_names import Called, Names
from screens import answers, looking, previewing
from screens.answers import Answers, Intent
from screens.previewing import Previewer
from screens.submission import SubmissionStep
from screens.widgets.field import Field
from wizard import accounthints, journal
from wizard.changes import JoinGroup, WriteFile
from wizard.errors import HostError, PolicyError
from wizard.events import Event
from wizard.journal import State
from wizard.plan import Plan
from wizard.policy import (
    Authorization,
    AuxpropSasldb,
    Mechanisms,
    Policy,
    SaslauthdPam,
    SmarthostTls,
    Submission,
    Tls,
    TlsSource,
)

if TYPE_CHECKING:
    from screens.answers import Situation
    from tests.terminal.site import Driver, Site


async def to_review(at: Driver, said: str = "1 change") -> None:
    await at.see("Set up authenticated submission")
    for page in ("Back end", "Mechanisms", "TLS", "Submission", "Smarthost", "Accounts", "Review"):
        await at.press("enter")
        await at.see(f"of 10 {page}")
    await at.see(said)


def test_the_proposal_is_a_whole_policy_by_enter_alone(site: Site) -> None:
    async def script(at: Driver) -> None:
        await to_review(at)

    site.drive(script)
    wanted = site.planned[-1]
    assert wanted.backend == SaslauthdPam()
    assert wanted.mechanisms == Mechanisms()
    assert wanted.submission == Submission()
    assert wanted.tls
    assert wanted.tls.names == ("mail.example.net",)
    assert wanted.smarthost is None
    assert not site.started


def test_nothing_starts_before_the_last_yes(site: Site) -> None:
    async def script(at: Driver) -> None:
        await to_review(at)
        await at.press("a")
        await at.see("Apply this now?")
        await at.press("n")
        await at.see("1 change,")
        assert not site.started
        await at.press("a")
        await at.see("Apply this now?")
        await at.press("y")
        await at.see("of 10 Tests")

    site.drive(script)
    assert len(site.started) == 1
    assert "because" not in str(site.started[0].reviewed)
    assert "-old" in site.started[0].reviewed[0]


def test_only_looking_can_not_apply(site: Site) -> None:
    async def script(at: Driver) -> None:
        await at.see("Only look")
        await at.press("down", "down", "space")
        await _to_review_from_here(at)
        await at.see("Only looking, nothing will be applied")
        await at.press("a")
        assert "Apply this now?" not in at.text

    site.drive(script)
    assert not site.started


async def _to_review_from_here(at: Driver) -> None:
    while "of 10 Review" not in at.text:
        await at.press("ctrl+n")
    await at.see("1 change,")


def test_looking_first_forgets_no_answer(site: Site) -> None:
    async def script(at: Driver) -> None:
        await at.see("Only look")
        await at.press("down", "down", "enter")
        await at.see("of 10 Back end")
        await at.press("down", "enter")
        await at.see("of 10 Mechanisms")
        await at.press("escape", "escape")
        await at.see("of 10 Host", "(•) Only look")
        await at.press("up", "space", "up", "space", "ctrl+n")
        await at.see("of 10 Back end")
        assert at.answers.intent is Intent.SUBMISSION
        assert at.answers.policy.backend == AuxpropSasldb()

    site.drive(script)


def test_what_is_to_be_known_leaves_room_for_the_choices(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    found = looking.look(site.root)
    texts = tuple(f"thing {number} is odd, {'and says so at length ' * 4}" for number in range(5))
    crowded = replace(found, overview=replace(found.overview, attention=texts))
    monkeypatch.setattr(looking, "look", lambda _: crowded)

    async def script(at: Driver) -> None:
        await at.see("▲ thing 1", "and 3 more: d shows all", "(•) Set up", "( ) Only look")
        await at.press("d")
        await at.see("To know about this host", "▲ thing 4")
        await at.press("escape", "end", "space", "enter")
        await at.see("of 10 Back end")
        await at.press("escape")
        await at.see("(•) Only look")

    site.drive(script)


def test_the_reason_and_the_diff_stand_below_each_change(site: Site) -> None:
    async def script(at: Driver) -> None:
        await to_review(at)
        await at.see("why: because of the policy", "-old", "something to know")

    site.drive(script)


def test_back_and_forth_keeps_what_was_answered(site: Site) -> None:
    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        await at.press("enter")
        await at.see("of 10 Back end")
        await at.press("down", "enter")
        await at.see("SCRAM-SHA-256")
        await at.press("escape")
        await at.see("(•) Accounts of their own")
        await at.press("ctrl+n", "ctrl+b")
        await at.see("(•) Accounts of their own")
        assert at.answers.policy.backend == AuxpropSasldb()

    site.drive(script)


async def to_submission(at: Driver, *chosen: str) -> None:
    await at.see("Set up authenticated submission")
    await at.press("enter")
    await at.see("of 10 Back end")
    await at.press(*chosen, "enter")
    for page in ("Mechanisms", "TLS"):
        await at.see(f"of 10 {page}")
        await at.press("enter")
    await at.see("of 10 Submission")


def test_a_realm_is_asked_for_where_names_have_one(site: Site) -> None:
    async def script(at: Driver) -> None:
        await to_submission(at, "down")
        realm = at.app.screen.query_one("#realm", Field)
        realm.take_focus()
        await at.type("example.org")
        assert at.answers.policy.authorization == Authorization("example.org")

    site.drive(script)


def test_no_realm_is_asked_for_where_names_have_none(site: Site) -> None:
    async def script(at: Driver) -> None:
        await to_submission(at)
        assert not at.app.screen.query("#realm")
        await at.press("enter")
        await at.see("of 10 Smarthost")
        assert at.answers.policy.authorization is None

    site.drive(script)


def test_what_is_set_by_the_submission_page_includes_the_realm(site: Site) -> None:
    kept = Policy(submission=Submission())
    answers = Answers(kept, replace(kept, authorization=Authorization("example.org")))
    found = Previewer(looking.look(site.root)).preview(answers, SubmissionStep.sections)
    assert any("example.org" in line for line in found.lines)


def test_what_is_set_by_a_page_that_the_later_ones_need(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def plan(situation: Situation, policy: Policy, answers: Answers) -> Plan:
        if policy.submission and not policy.tls:
            raise PolicyError("tls.source", "needs a certificate")
        group = JoinGroup("postfix", "sasl", reason="")
        sections = {"smtpd.conf": policy.backend, "main.cf": policy.tls, "master.cf": policy.submission}
        written = tuple(
            WriteFile(f"/etc/{name}", None, f"{name} = x\n".encode(), reason="")
            for name, there in sections.items()
            if there
        )
        return Plan(policy, policy, (group, *written), ())

    monkeypatch.setattr(previewing, "planned", plan)
    situation = looking.look(site.root)
    proposed = answers.start(situation, Intent.SUBMISSION)
    previewer = Previewer(situation)
    assert previewer.preview(proposed, ("tls",)).lines == ("main.cf  + main.cf = x",)
    assert previewer.preview(proposed, SubmissionStep.sections).lines == ("master.cf  + master.cf = x",)


def test_another_back_end_begins_with_its_own_mechanisms(site: Site) -> None:
    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        await at.press("enter")
        await at.see("of 10 Back end")
        await at.press("enter")
        await at.see("[x] PLAIN")
        await at.press("down", "space")
        assert at.answers.policy.mechanisms == Mechanisms(offer=("PLAIN",))
        await at.press("escape")
        await at.see("of 10 Back end")
        await at.press("down", "space")
        assert at.answers.policy.mechanisms == Mechanisms()

    site.drive(script)


def test_what_is_impossible_says_why(site: Site) -> None:
    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        await at.press("enter")
        await at.see("Postfix asks there whether a login is right")
        await at.press("pagedown")
        await at.see("Not possible here", "getpwent does not look: nobody could log in")
        await at.press("pageup")
        await at.see("Postfix asks there whether a login is right")
        await at.press("enter")
        await at.see("Not possible here", "SCRAM-SHA-256", "saslauthd")
        await at.press("tab", "down", "space")
        assert at.answers.policy.mechanisms == Mechanisms()

    site.drive(script)


def test_a_field_that_is_right_again_is_planned_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(situation: Situation, policy: Policy, answers: Answers) -> Plan:
        raise PolicyError("smarthost.host", "can't be reached")

    async def script(at: Driver) -> None:
        await _to_smarthost(at)
        await at.type("relay.example.net")
        await at.see("Will set")
        await at.press("tab", "end", "0", "0", "0")
        await at.see("must be a number from 1 to 65535")
        await at.press("backspace", "backspace", "backspace")
        await at.see("Will set", "example.conf")
        monkeypatch.setattr("screens.previewing.planned", refuse)
        await at.press("home", "1", "backspace")
        await at.see("✗ can't be reached", "see Host")
        await at.press("home", "9", "9")
        await at.see("must be a number from 1 to 65535")
        await at.press("backspace", "backspace")
        await at.see("✗ can't be reached", "see Host")

    site.drive(script)


def test_a_problem_without_a_field_is_said_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(situation: Situation, policy: Policy, answers: Answers) -> Plan:
        raise PolicyError("smarthost.password_file", f"must be given{' and given' * length}")

    length = 0
    monkeypatch.setattr("screens.previewing.planned", refuse)

    async def script(at: Driver) -> None:
        nonlocal length
        await at.see("Set up authenticated submission")
        await at.press("enter")
        text = await at.see("✗ Password file, on the page Smarthost: must be given")
        assert text.count("must be given") == 1
        length = 50
        await at.press("enter")
        await at.see("of 10 Mechanisms", "... pagedown shows all of it")
        await at.press("pagedown")
        assert at.text.count("must be given") == 2

    site.drive(script)


async def _to_smarthost(at: Driver) -> None:
    await at.see("Send through a smarthost")
    await at.press("down", "enter")
    await at.see("of 5 Smarthost")


def test_a_wrong_text_is_said_by_its_field_at_once(site: Site) -> None:
    async def script(at: Driver) -> None:
        await _to_smarthost(at)
        await at.type("relay_")
        await at.see("must be a host name")
        await at.press("backspace")
        assert "must be a host name" not in at.text
        await at.press("tab")
        await at.type("99999")
        await at.see("must be a number from 1 to 65535")
        await at.press("ctrl+n")
        assert "of 5 Smarthost" in at.text

    site.drive(script)


def test_a_step_with_something_missing_is_not_left(site: Site) -> None:
    async def script(at: Driver) -> None:
        await _to_smarthost(at)
        await at.press("enter")
        await at.see("must not be empty")
        await at.type("relay.example.net")
        await at.press("tab", "tab")
        await at.type("joe")
        await at.press("enter")
        await at.see("this user needs one")
        # the cursor is where something is missing
        await at.type("s3cret")
        await at.press("enter")
        await at.see("of 5 Review", "1 change,")

    site.drive(script)
    smarthost = site.planned[-1].smarthost
    assert smarthost
    assert (smarthost.host, smarthost.user, smarthost.tls) == (
        "relay.example.net",
        "joe",
        SmarthostTls.SECURE,
    )
    assert site.planned[-1] == Policy(smarthost=smarthost)


def test_a_typed_password_is_in_no_policy_and_on_no_screen(site: Site) -> None:
    seen: list[str] = []
    given: list[Answers] = []

    async def script(at: Driver) -> None:
        await _to_smarthost(at)
        await at.type("relay.example.net")
        await at.press("tab", "tab")
        await at.type("joe")
        await at.press("tab")
        await at.type("s3cret")
        seen.append(at.text)
        await at.press("enter")
        await at.see("of 5 Review", "1 change,")
        seen.append(at.text)
        given.append(at.answers)

    site.drive(script)
    assert "••••••" in seen[0]
    assert not any("s3cret" in text for text in seen)
    assert "s3cret" not in repr(given[0])
    assert given[0].relay_password
    assert given[0].relay_password.reveal() == "s3cret"


def test_what_the_engine_refuses_is_said_by_its_field(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(situation: Situation, policy: Policy, answers: Answers) -> Plan:
        raise PolicyError("tls.certificate", "no such file")

    monkeypatch.setattr("screens.previewing.planned", refuse)

    for name in "xy":
        site.root.path(f"/{name}").touch()

    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        await at.press("enter", "ctrl+n", "ctrl+n")
        await at.see("of 10 TLS")
        await at.press("up", "space", "tab")
        await at.type("/x")
        await at.press("tab")
        await at.type("/y")
        await at.see("no such file", "not possible like this")

    site.drive(script)


def test_each_change_of_answer_says_what_it_would_set(site: Site) -> None:
    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        await at.press("enter")
        await at.see("Will set", "example.conf")

    site.drive(script)


def test_a_certificate_that_is_not_there_is_said_at_once(site: Site) -> None:
    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        await at.press("enter", "ctrl+n", "ctrl+n")
        await at.see("of 10 TLS")
        await at.press("up", "space", "tab")
        await at.type("/x")
        await at.see("there is no such file")

    site.drive(script)


def test_files_in_force_are_kept_and_nothing_is_asked_of_them(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Tls(TlsSource.FILES, "/etc/x.pem", "/etc/x.key")
    found = looking.look(site.root)
    overview = replace(found.overview, certificate="mail.example.net, self-signed")
    in_force = replace(found.in_force, policy=Policy(tls=files))
    monkeypatch.setattr(looking, "look", lambda _: replace(found, overview=overview, in_force=in_force))

    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        await at.press("enter", "ctrl+n", "ctrl+n")
        await at.see("of 10 TLS", "(•) Keep               mail.example.net, self-signed")
        await at.press("enter")
        await at.see("of 10 Submission")
        assert at.answers.policy.tls == files
        assert at.answers.asked.tls is None

    site.drive(script)


def test_accounts_are_taken_one_after_the_other(site: Site) -> None:
    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        await at.press("enter")
        await at.see("of 10 Back end")
        await at.press("down", "space")
        while "of 10 Accounts" not in at.text:
            await at.press("ctrl+n")
        for name in ("ann", "bob"):
            await at.type(name)
            await at.press("tab")
            await at.type("pw")
            await at.press("enter")
            await at.see("must not be empty")
            await at.type("px")
            await at.press("enter")
            await at.see("is another one than above")
            await at.press("backspace", "w", "enter")
            await at.see(f"[x] {name}")
        await at.press("enter")
        await at.see("of 10 Review")
        assert [account.name for account in at.answers.accounts] == ["ann", "bob"]

    site.drive(script)


def test_who_could_not_log_in_is_told_at_the_field(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    way = "usermod -aG mail_login joe"
    monkeypatch.setattr(accounthints, "shut_out", lambda _host, _backend, name: way if name else "")

    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        await at.press("enter")
        while "of 10 Accounts" not in at.text:
            await at.press("ctrl+n")
        await at.type("joe")
        await at.press("enter")
        await at.see(way)
        assert "of 10 Accounts" in at.text

    site.drive(script)


def test_a_failure_leads_back_to_the_answers(site: Site) -> None:
    site.handle.exit_code = 1
    site.handle.events = [Event("failed", "the disk is full"), Event("rolled-back", "as it was before")]
    site.handle.release.set()

    async def script(at: Driver) -> None:
        await to_review(at)
        await at.press("a", "y")
        await at.see("the disk is full", "as it was before", "Esc: back to your answers")
        await at.press("enter")
        assert "of 10 Tests" in at.text
        await at.press("escape")
        await at.see("of 10 Review")

    site.drive(script)


def test_a_failure_is_the_exit_code(site: Site) -> None:
    site.handle.exit_code = 1
    site.handle.release.set()

    async def script(at: Driver) -> None:
        await to_review(at)
        await at.press("a", "y")
        await at.see("Esc: back to your answers")
        await at.press("ctrl+q")

    assert site.drive(script) == 1


def test_what_is_left_half_way_is_offered_to_be_taken_back(site: Site) -> None:
    site.handle.exit_code = 1
    site.handle.events = [Event("failed", "the process has ended before its work was done")]
    site.handle.becomes(State.APPLYING)
    site.handle.release.set()
    checkpoint = journal.create(site.root, "a change", "")

    async def script(at: Driver) -> None:
        await to_review(at)
        await at.press("a", "y")
        await at.see("ended before its work was done", "Esc: take it back")
        checkpoint.at(State.APPLYING)
        await at.press("escape")
        await at.see("A change was interrupted half-way", "y take it back")

    site.drive(script)


def test_after_success_comes_the_card(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.handle.events = [Event("step", "/etc/example.conf", 1, 1)]
    known = Names("the login name on this host, without @", Called.BARE, "example.net", cut=True)
    monkeypatch.setattr(recipes, "names", lambda _: known)

    async def script(at: Driver) -> None:
        await to_review(at)
        await at.press("a", "y")
        await at.see("1 of 1: /etc/example.conf")
        await at.press("escape")  # not while it runs
        assert "of 10 Tests" in at.text
        site.handle.release.set()
        await at.see("Done.")
        await at.press("enter")
        await at.see("Outgoing mail server   mail.example.net", "587, STARTTLS", "without @")
        shown = await at.see("User name              joe", "Undo any time")
        card, beside = shown.split("For you, not for them")
        assert "self-signed: accept it once" in card
        assert "joe@anything gets in too" not in card
        assert "joe@anything gets in too" in beside

    assert site.drive(script) is None


def test_a_host_that_can_not_be_looked_at_is_no_dead_end(site: Site) -> None:
    release = site.root.path("/etc/os-release")
    text = release.read_text()
    release.unlink()

    async def script(at: Driver) -> None:
        await at.see("Nothing was changed", "r look again")
        release.write_text(text)
        await at.press("r")
        await at.see("Set up authenticated submission")
        await at.press("ctrl+q")

    assert site.drive(script) == 0


def test_leaving_a_host_that_can_not_be_looked_at_says_so_to_scripts(site: Site) -> None:
    site.root.path("/etc/os-release").unlink()

    async def script(at: Driver) -> None:
        await at.see("Nothing was changed", "^Q quit")
        await at.press("ctrl+q")

    assert site.drive(script) == HostError.exit_code


def test_a_plan_that_can_not_be_made_says_why_in_the_review(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(situation: Situation, policy: Policy, answers: Answers) -> Plan:
        raise HostError("/etc/postfix/master.cf, line 3: no service")

    monkeypatch.setattr("screens.previewing.planned", refuse)

    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        while "of 10 Review" not in at.text:
            await at.press("ctrl+n")
        await at.see("line 3: no service", "esc goes back")
        await at.press("a")
        assert "Apply this now?" not in at.text

    site.drive(script)


def test_leaving_asks_once_there_are_answers(site: Site) -> None:
    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        await at.press("enter")
        await at.see("of 10 Back end")
        await at.press("ctrl+c")
        await at.see("Leave the wizard?")
        await at.press("n")
        await at.see("of 10 Back end")
        await at.press("ctrl+q")
        await at.see("Leave the wizard?")
        await at.press("y")

    assert site.drive(script) == 0


def test_help_quotes_the_documentation(site: Site) -> None:
    async def script(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        await at.press("enter")
        await at.see("of 10 Back end")
        await at.press("f1")
        await at.see("In the documentation: SASL_README", "In a policy file: backend.type")
        await at.press("x")
        await at.see("of 10 Back end")

    site.drive(script)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 35), (200, 60)])
def test_every_size_shows_every_page(site: Site, size: tuple[int, int]) -> None:
    async def script(at: Driver) -> None:
        await at.see("Only look")
        while "Review" not in at.text.splitlines()[0]:
            await at.press("ctrl+n")
        await at.see("1 change,")
        assert ("✓ Mechanisms" in at.text) is (size[0] >= 100)  # the list of steps
        await at.see("F1 help")

    site.drive(script, size)


def test_smarthost_alone_has_fewer_steps(site: Site) -> None:
    async def script(at: Driver) -> None:
        await _to_smarthost(at)
        assert at.answers.intent is Intent.SMARTHOST

    site.drive(script)
