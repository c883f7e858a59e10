"""The network tests against servers that lie, stumble, babble or fall silent."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from base64 import b64decode, b64encode
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wizard import certificates, checks, report, smtp
from wizard.check_caller import Account, Target
from wizard.check_certificate import judge
from wizard.secret import Secret
from wizard.smtp_wire import SmtpError, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from wizard.checks import Result

PASSWORD = "correct horse"
ALICE = Account("alice", Secret(PASSWORD))
PLAIN = ("PLAIN",)
#: What a server says to each verb; to what it does not know it says 502.
Script: TypeAlias = "Mapping[str, bytes]"
Behaviour: TypeAlias = "Callable[[socket.socket], None]"

POSTFIX = {
    "": b"220 mail.example.net ESMTP Postfix\r\n",
    "EHLO": b"250-mail.example.net\r\n250-AUTH PLAIN\r\n250 ENHANCEDSTATUSCODES\r\n",
    "MAIL": b"250 2.1.0 Ok\r\n",
    "RCPT": b"454 4.7.1 <postfix-auth-test@example.com>: Relay access denied\r\n",
    "RSET": b"250 2.0.0 Ok\r\n",
    "QUIT": b"221 2.0.0 Bye\r\n",
}


@contextmanager
def listening(behaviour: Behaviour) -> Iterator[Target]:
    """Serve each caller with ``behaviour`` and give the target to call."""

    def serve(caller: socket.socket) -> None:
        with caller, suppress(OSError):
            behaviour(caller)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield Target("submission", "127.0.0.1", server.getsockname()[1], tls="none", auth_before_tls=PLAIN)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


def by(script: Script, log_in: Callable[[str], bytes] = lambda _: b"535 5.7.8 Error: no\r\n") -> Behaviour:
    """Answer by ``script``; ``log_in`` gets what a client says with AUTH PLAIN, decoded."""

    def behave(caller: socket.socket) -> None:
        caller.sendall(script[""])
        for line in caller.makefile("rb"):
            verb, _, rest = line.decode("latin-1").strip().partition(" ")
            said = rest.removeprefix("PLAIN ")
            if verb == "AUTH" and said != rest:
                caller.sendall(log_in(b64decode(said).decode()))
            else:
                caller.sendall(script.get(verb, b"502 5.5.2 Error\r\n"))

    return behave


def knows_alice(said: str) -> bytes:
    return b"235 2.7.0 Ok\r\n" if said == f"\0alice\0{PASSWORD}" else b"535 5.7.8 Error: no\r\n"


def results(
    target: Target, account: Account | None = ALICE, *, timeout: float = 5.0, stranger: str = ""
) -> dict[str, Result]:
    wanted = checks.derive([target], account, stranger_source=stranger)
    return {result.id.partition(".")[2]: result for result in checks.run(wanted, timeout=timeout)}


def skipped(found: Mapping[str, Result]) -> set[str]:
    return {name for name, result in found.items() if result.skipped}


def failed(found: Mapping[str, Result]) -> set[str]:
    return {name for name, result in found.items() if not result.ok}


EVERY = {"greeting", "tls", "offer.clear", "auth.clear", "plain.right", "plain.wrong"} | {
    "relay.stranger",
    "relay.user",
}


def relaying(said: str) -> Behaviour:
    """Be a server that is as it should be, but answers RCPT with ``said``."""
    return by({**POSTFIX, "RCPT": said.encode() + b"\r\n"}, knows_alice)


def test_a_sound_server_passes_everything_but_refuses_to_relay_for_users_here() -> None:
    with listening(by(POSTFIX, knows_alice)) as target:
        found = results(target)
    assert failed(found) == {"relay.user"}
    assert "permit_sasl_authenticated" in found["relay.user"].explanation
    assert not any(result.skipped for result in found.values())


@pytest.mark.parametrize(
    ("said", "stranger", "user"),
    [
        ("250 2.1.5 Ok", "bad", "ok"),
        ("554 5.7.1 <x@example.com>: Relay access denied", "ok", "bad"),
        ("450 4.1.2 <x@example.com>: Recipient address rejected: Domain not found", "skipped", "skipped"),
        ("451 4.3.5 <x@example.com>: Recipient address rejected: Server configuration error", "bad", "bad"),
        ("553 5.7.1 <>: Sender address rejected: not owned by user alice", "ok", "skipped"),
    ],
)
def test_what_a_server_says_about_relaying_is_understood(said: str, stranger: str, user: str) -> None:
    with listening(relaying(said)) as target:
        found = results(target)
    seen = [
        "skipped" if result.skipped else "ok" if result.ok else "bad"
        for result in (found["relay.stranger"], found["relay.user"])
    ]
    assert seen == [stranger, user]


def test_the_command_line_says_a_reason_once() -> None:
    with listening(by(POSTFIX, lambda _: b"454 4.7.0 Temporary\r\n")) as target:
        found = results(replace(target, silent="The directory is down."))
    telling = report.Telling()
    told = [line for name in ("plain.right", "plain.wrong") for line in telling.result(found[name])]
    assert sum("The directory is down." in line for line in told) == 1
    assert told[-1] == "    why       as in submission: PLAIN, right password"


def test_the_command_line_says_what_the_log_knows_once_and_shows_each_ones_lines() -> None:
    with listening(by(POSTFIX, lambda _: b"454 4.7.0 Temporary\r\n")) as target:
        found = results(target)
    causes, log = ("The directory is down. Start it.",), ("smtpd[7]: warning: \x1b[31m", "smtpd[7]: more")
    telling = report.Telling()
    first, second = (
        list(telling.result(replace(found[name], causes=causes, log=log)))
        for name in ("plain.right", "plain.wrong")
    )
    assert first[-3:] == [
        "    log says  The directory is down. Start it.",
        "    log       smtpd[7]: warning: ?[31m",
        "              smtpd[7]: more",
    ]
    assert second[-3] == "    why       as in submission: PLAIN, right password"
    last = list(telling.result(replace(found["plain.wrong"], explanation="Another.", causes=causes)))
    assert last[-2:] == ["    why       Another.", "    log says  as in submission: PLAIN, right password"]


def test_a_key_that_does_not_fit_is_named_where_tls_fails() -> None:
    ehlo = b"250-mail.example.net\r\n250 STARTTLS\r\n"
    refusing = {**POSTFIX, "EHLO": ehlo, "STARTTLS": b"454 4.7.0 TLS not available due to local problem\r\n"}
    with listening(by(refusing)) as target:
        found = results(replace(target, tls="may", auth_after_tls=("PLAIN",), unfit="mail.key does not fit"))
    assert found["tls"].explanation.endswith("can't start it. mail.key does not fit.")


def test_an_open_relay_is_called_one() -> None:
    with listening(relaying("250 2.1.5 Ok")) as target:
        found = results(target)
    assert failed(found) == {"relay.stranger"}
    assert "open relay" in found["relay.stranger"].explanation


def test_a_server_that_lets_everybody_in_is_found_out() -> None:
    with listening(by(POSTFIX, lambda _: b"235 2.7.0 Ok\r\n")) as target:
        found = results(target)
    assert not found["plain.wrong"].ok
    assert "ANY password" in found["plain.wrong"].explanation


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (b"454 4.7.0 Temporary authentication failure: generic failure\r\n", "The directory is down."),
        (b"535 5.7.8 Error: authentication failed: no mechanism available\r\n", "plugin"),
        (b"503 5.5.1 Error: authentication not enabled\r\n", "smtpd_sasl_auth_enable"),
    ],
)
def test_a_refused_log_in_is_explained(said: bytes, word: str) -> None:
    with listening(by(POSTFIX, lambda _: said)) as target:
        found = results(replace(target, silent="The directory is down."))
    assert {"plain.right", "plain.wrong"} <= failed(found)
    assert skipped(found) == {"relay.user"}
    assert word in found["plain.right"].explanation


def test_offers_are_compared_both_ways() -> None:
    ehlo = b"250-x\r\n250 AUTH PLAIN CRAM-MD5\r\n"
    with listening(by({**POSTFIX, "EHLO": ehlo}, knows_alice)) as target:
        missing = results(replace(target, auth_before_tls=("PLAIN", "CRAM-MD5", "LOGIN")))["offer.clear"]
        surplus = results(replace(target, auth_before_tls=("CRAM-MD5",)))["offer.clear"]
    assert not missing.ok
    assert "Not offered: LOGIN." in missing.explanation
    assert not surplus.ok
    assert "unencrypted" in surplus.explanation


def test_auth_that_works_although_it_is_not_offered_is_found() -> None:
    script = {**POSTFIX, "EHLO": b"250 x\r\n", "AUTH": b"334 \r\n"}
    with listening(by(script)) as target:
        found = results(replace(target, auth_before_tls=()))
    assert failed(found) == {"auth.clear"}
    assert "smtpd_tls_auth_only" in found["auth.clear"].explanation


# hostile servers


def silence(caller: socket.socket) -> None:
    caller.recv(1)


def dripping(caller: socket.socket) -> None:
    for _ in range(200):
        caller.sendall(b"2")
        time.sleep(0.05)


def dripping_lines(caller: socket.socket) -> None:
    for _ in range(100):
        caller.sendall(b"220-wait\r\n")
        time.sleep(0.1)


def endless_line(caller: socket.socket) -> None:
    while True:
        caller.sendall(b"220 " + b"x" * 65536)


def endless_reply(caller: socket.socket) -> None:
    while True:
        caller.sendall(b"220-again and again\r\n" * 100)


@pytest.mark.parametrize(
    ("behaviour", "observed"),
    [
        (silence, "no answer in time"),
        (dripping, "no answer in time"),
        (dripping_lines, "no answer in time"),
        (endless_line, "a line without end"),
        (endless_reply, "a reply without end"),
        (lambda caller: caller.close(), "closed by the server"),
        (lambda caller: caller.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"), "not an SMTP server's answer"),
        (lambda caller: caller.sendall(b"\x16\x03\x01\x00\r\n"), "not an SMTP server's answer"),
        (lambda caller: caller.sendall(b"220-one\r\n250 other\r\n"), "not an SMTP server's answer"),
        (lambda caller: caller.sendall(b"999 what\r\n"), "not an SMTP server's answer"),
        (lambda caller: caller.sendall(b"421 4.3.2 Too many\r\n"), "421 4.3.2 Too many"),
    ],
)
def test_no_server_holds_up_or_confuses_the_tests(behaviour: Behaviour, observed: str) -> None:
    began = time.monotonic()
    with listening(behaviour) as target:
        found = results(target, timeout=0.3)
    assert failed(found) == {"greeting"}
    assert observed in found["greeting"].observed
    assert found["greeting"].explanation
    assert skipped(found) == EVERY - {"greeting"}
    assert time.monotonic() - began < 4


def test_a_server_may_fall_silent_or_hang_up_in_the_middle_of_a_log_in() -> None:
    def hang(said: str) -> bytes:
        if "alice" not in said:
            raise ConnectionError
        time.sleep(1)
        return b""

    with listening(by(POSTFIX, hang)) as target:
        found = results(target, timeout=0.3)
    assert failed(found) == {"plain.right"}
    assert "saslauthd hangs" in found["plain.right"].explanation
    assert skipped(found) == {"plain.wrong", "relay.user"}


def test_nobody_listens() -> None:
    with listening(silence) as target:
        pass
    found = results(target)
    assert failed(found) == {"greeting"}
    assert "Nothing listens" in found["greeting"].explanation


@pytest.mark.parametrize("trouble", [Trouble.REFUSED, Trouble.UNANSWERED, Trouble.UNREACHABLE])
def test_where_somebody_listens_a_packet_filter_keeps_us_away(
    trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unconnected(*_: object, **__: object) -> None:
        raise SmtpError(trouble, "connecting")

    monkeypatch.setattr(smtp, "Wire", unconnected)
    with listening(silence) as target:
        found = results(target)["greeting"]
        assert found.explanation.startswith("Something listens there, but a packet filter")
    found = results(target)["greeting"]
    assert not found.explanation.startswith("Something listens there")
    assert ("packet filter" in found.explanation) == (trouble is Trouble.UNANSWERED)


def test_control_characters_never_get_through() -> None:
    nasty = b"\x1b]0;owned\x07\x1b[2J\xe2\x80\xae\xff\x00"
    script = {
        **POSTFIX,
        "": b"220 " + nasty + b"\r\n",
        "EHLO": b"250-" + nasty + b"\r\n250 AUTH " + nasty + b"\r\n",
    }
    with listening(by(script, lambda _: b"535 " + nasty + b"\r\n")) as target:
        found = results(target)
    for result in found.values():
        texts = [result.observed, result.explanation, *(said for _, said in result.dialogue)]
        assert all(text.isprintable() for text in texts)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=60))
def test_no_bytes_make_a_test_raise(greeting: bytes, ehlo: bytes, auth: bytes) -> None:
    script = {
        **POSTFIX,
        "": b"220 " + greeting + b"\r\n",
        "EHLO": b"250 " + ehlo + b"\r\n",
        "AUTH": auth + b"\r\n",
    }
    with listening(by(script, lambda _: b"334 " + auth + b"\r\n")) as target:
        found = results(replace(target, auth_before_tls=("PLAIN", "SCRAM-SHA-256")), timeout=0.2)
    assert all(result.observed.isprintable() for result in found.values())


def test_words_before_tls_do_not_count_as_said_under_it() -> None:
    script = {
        **POSTFIX,
        "EHLO": b"250-x\r\n250 STARTTLS\r\n",
        "STARTTLS": b"220 2.0.0 Ready\r\n235 2.7.0 Ok\r\n",
    }
    with listening(by(script)) as target:
        found = results(replace(target, tls="may", auth_before_tls=(), auth_after_tls=PLAIN))
    assert "spoke before TLS" in found["tls"].observed
    assert found["plain.right"].skipped


# secrets


@pytest.mark.parametrize("echo", [PASSWORD, b64encode(f"\0alice\0{PASSWORD}".encode()).decode()])
def test_a_server_that_repeats_the_password_does_not_make_us_show_it(echo: str) -> None:
    def log_in(said: str) -> bytes:
        return f"535 5.7.8 I heard {echo if PASSWORD in said else said[-4:]}\r\n".encode()

    with listening(by(POSTFIX, log_in)) as target:
        wanted = checks.derive([target], ALICE)
        found = checks.run(wanted)
    shown = json.dumps(checks.as_json(found)) + repr(found) + repr(wanted)
    assert "I heard" in shown
    assert PASSWORD not in shown
    assert echo not in shown


@pytest.mark.parametrize(
    ("disposable", "tried"), [(True, {"alice"}), (False, {"alice", "postfix-auth-test"})]
)
def test_wrong_passwords_lock_no_real_user_out(disposable: bool, tried: set[str]) -> None:
    wrong: list[str] = []

    def log_in(said: str) -> bytes:
        _, user, password = said.split("\0")
        if password != PASSWORD:
            wrong.append(user)
        return knows_alice(said)

    with listening(by(POSTFIX, log_in)) as target:
        results(target, replace(ALICE, disposable=disposable))
    assert wrong == sorted(tried)[-1:]


# what is tested, and from where


def test_without_an_account_what_needs_one_is_skipped() -> None:
    with listening(by(POSTFIX)) as target:
        found = results(target, None)
    assert skipped(found) == {"plain.right", "relay.user"}
    assert not failed(found)


def test_a_password_is_not_said_in_clear_to_another_host() -> None:
    far = Target("smtp", "192.0.2.1", 25, tls="none", auth_before_tls=("PLAIN",))
    [right] = [check for check in checks.derive([far], ALICE) if check.id == "smtp.plain.right"]
    [result] = checks.run([right])
    assert "unencrypted" in result.skipped
    assert result.dialogue == ()


def test_where_networks_are_trusted_only_an_address_outside_them_tells() -> None:
    with listening(relaying("250 2.1.5 Ok")) as target:
        trusting = replace(target, trusts_networks=True)
        without = results(trusting)["relay.stranger"]
        with_one = results(trusting, stranger="127.0.0.99")["relay.stranger"]
    assert "mynetworks" in without.skipped
    assert not with_one.ok
    assert with_one.source_address == "127.0.0.99"


def test_where_strangers_are_trusted_any_address_tells() -> None:
    with listening(relaying("250 2.1.5 Ok")) as target:
        open_ = replace(target, trusts_networks=True, open_to="0.0.0.0/1")
        found = results(open_, stranger="127.0.0.99")["relay.stranger"]
    assert not found.ok
    assert found.source_address != "127.0.0.99"
    assert "mynetworks takes in 0.0.0.0/1" in found.explanation


def test_mechanisms_nobody_speaks_are_skipped() -> None:
    with listening(by({**POSTFIX, "EHLO": b"250-x\r\n250 AUTH GSSAPI\r\n"})) as target:
        found = results(replace(target, auth_before_tls=("GSSAPI",)))
    assert found["gssapi.right"].skipped
    assert found["gssapi.wrong"].skipped
    assert found["relay.user"].skipped
    assert not failed(found)


def test_each_test_calls_from_an_address_of_its_own_and_the_slow_ones_come_last() -> None:
    seen: list[tuple[str, str]] = []

    def behave(caller: socket.socket) -> None:
        def log_in(said: str) -> bytes:
            seen.append((caller.getpeername()[0], said.split("\0")[1]))
            return knows_alice(said)

        by(POSTFIX, log_in)(caller)

    told: list[Result] = []
    with listening(behave) as target:
        wanted = checks.derive([target], ALICE)
        found = checks.run(wanted, on_result=told.append)
    assert [result.check for result in found] == list(wanted)
    assert sorted(told, key=found.index) == list(found)
    assert told[-1].id == "submission.plain.wrong"
    addresses = [result.source_address for result in found]
    assert len(set(addresses)) == len(found)
    assert all(address.startswith("127.0.77.") for address in addresses)
    assert {address for address, _ in seen} <= set(addresses)
    assert seen[-1] == (told[-1].source_address, "postfix-auth-test")


def test_json_has_what_is_promised() -> None:
    with listening(by(POSTFIX, knows_alice)) as target:
        made = checks.as_json(checks.run(checks.derive([target], None)))
    assert made["ok"] is True
    tests = made["tests"]
    assert isinstance(tests, list)
    keys = {"id", "service", "ok", "expected", "observed", "explanation", "skipped", "log"}
    assert all(set(test) == keys for test in tests)
    assert len({test["id"] for test in tests}) == len(tests)


# TLS and certificates


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    made = certificates.self_signed(["mail.example.net"])
    (tmp_path / "both.pem").write_bytes(made.certificate_pem + made.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    return context


def over_tls(context: ssl.SSLContext) -> Behaviour:
    def behave(caller: socket.socket) -> None:
        with context.wrap_socket(caller, server_side=True) as secured:
            by(POSTFIX, knows_alice)(secured)

    return behave


def test_tls_from_the_start(context: ssl.SSLContext) -> None:
    with listening(over_tls(context)) as target:
        secured = replace(target, wrapper=True, auth_before_tls=(), auth_after_tls=PLAIN)
        sound = results(replace(secured, names=("mail.example.net",)))
        other = results(replace(secured, names=("mail.example.org",)))
        foreign = results(replace(secured, fingerprint="00" * 32))
        in_clear = results(target, timeout=0.3)
    assert failed(sound) == {"relay.user"}
    assert "mail.example.net" in sound["certificate"].observed
    assert failed(other) == {"relay.user", "certificate"}
    assert "not for mail.example.org" in other["certificate"].observed
    assert failed(foreign) == {"relay.user", "certificate"}
    assert "without a reload" in foreign["certificate"].explanation
    assert "TLS from the start" in in_clear["greeting"].explanation


def test_no_tls_where_tls_is_expected() -> None:
    with listening(by(POSTFIX, knows_alice)) as target:
        wrapped = results(replace(target, wrapper=True, auth_before_tls=(), auth_after_tls=PLAIN))
        started = results(replace(target, tls="encrypt", auth_before_tls=(), auth_after_tls=PLAIN))
    assert "smtpd_tls_wrappermode" in wrapped["greeting"].explanation
    assert failed(started) == {"tls", "offer.clear"}
    assert "STARTTLS is not offered" in started["tls"].observed
    assert "STARTTLS" in started["plain.right"].skipped


def test_mail_before_tls_is_refused_where_tls_is_a_must() -> None:
    script = {**POSTFIX, "EHLO": b"250-x\r\n250 STARTTLS\r\n"}
    with listening(by(script)) as target:
        found = results(replace(target, tls="encrypt", auth_before_tls=(), auth_after_tls=PLAIN))
    assert "MAIL before TLS: 250" in found["tls"].observed
    assert "smtpd_tls_security_level=encrypt" in found["tls"].explanation


def test_certificates_are_judged_by_their_dates() -> None:
    made = certificates.load(certificates.self_signed(["mail.example.net"]).certificate_pem, "here")[0]
    target = Target("submission", "127.0.0.1", 587, names=("mail.example.net",), fingerprint=made.fingerprint)
    assert judge(made, target, datetime.now(UTC)).ok
    late = judge(made, target, made.not_after + timedelta(seconds=1))
    assert not late.ok
    assert "expired" in late.observed
    early = judge(made, target, made.not_before - timedelta(seconds=1))
    assert not early.ok
    assert "not valid before" in early.observed


def test_the_tests_need_neither_augeas_nor_a_screen() -> None:
    code = "import sys, wizard.checks; print({'augeas', 'textual', 'recipes'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
