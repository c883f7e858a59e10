"""The wizard as an admin uses it: by keys alone, at 80x24, from a bare Debian to logins from outside."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.machines.images import Kind
from tests.machines.machine import LAUNCHER, Machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.machines.conftest import Boot
    from tests.machines.terminal import Terminal

_SERVER = "mail.example.net"
_INSTALLING = 120.0  # seconds at most, for packages and tests
_PASSED = r"\d+ tests passed"
_WAITS = r"Keep these settings\? Otherwise all is put back in \d+ s"
#: What a change of the wizard's leaves of itself on the host.
_POLICY = (
    '[backend]\ntype = "auxprop-sasldb"\n[tls]\nsource = "self-signed"\nnames = ["a.example"]\n[submission]\n'
)
_SEEN = """
cd / && find etc/postfix etc/systemd -printf '%p %l %u:%g %m\\n' | sort
find etc/postfix etc/systemd etc/default -type f | sort | xargs md5sum; getent group sasl
"""


def _swaks(client: Machine, mechanism: str, user: str, password: str, *port: str) -> str:
    argv = ["swaks", "--server", _SERVER, *port, "--to", "somebody@example.org", "--quit-after", "RCPT"]
    argv += ["--auth", mechanism, "--auth-user", user, "--auth-password", password]
    return client.run(argv, check=False).stdout


def _gsasl(client: Machine, mechanism: str, user: str, password: str) -> bool:
    argv = ["gsasl", "--smtp", "--connect", f"{_SERVER}:587", "--mechanism", mechanism, "--no-cb"]
    argv += ["--authentication-id", user, "--password", password, "--x509-ca-file="]
    return client.run(argv, check=False).status == 0


def _walk(terminal: Terminal, *pages: str) -> None:
    """Press enter on each page until the next one shows its name."""
    for page in pages:
        terminal.press("enter")
        terminal.expect(rf"of 10 {page}")


def _fill_in(terminal: Terminal, name: str, password: str) -> None:
    terminal.send(name)
    terminal.expect(name)
    terminal.press("tab")
    time.sleep(0.3)  # nobody types on before the cursor has moved
    terminal.send(password)
    terminal.expect("•" * len(password))


def _make(terminal: Terminal, name: str, password: str) -> None:
    """Have an account made, whose password is asked for twice."""
    _fill_in(terminal, name, password)
    terminal.press("tab")
    time.sleep(0.3)
    terminal.send(password)
    terminal.press("enter")
    terminal.expect(f"{name} +will be made")


def _apply(terminal: Terminal) -> str:
    terminal.expect(r"\d+ changes?,", timeout=60)
    terminal.press("a")
    terminal.expect("Apply this now")
    terminal.press("y")
    return terminal.expect(_PASSED + "|✗|FAILED", timeout=_INSTALLING)


@pytest.fixture
def outside(boot: Boot, join: Callable[..., tuple[str, ...]]) -> tuple[Machine, Machine]:
    """Return a fresh Debian, and a machine beside it that has mail clients."""
    server = boot(Kind.READY, internet=True)
    client = boot(Kind.CLIENTS, hostname="client.example.net")
    join(server, client)
    return server, client


def test_system_users_from_nothing(outside: tuple[Machine, Machine]) -> None:
    server, client = outside
    server.run("useradd -m alice && echo 'alice:wonder land' | chpasswd")
    with server.interactive([LAUNCHER]) as terminal:
        terminal.expect("Set up authenticated submission")
        _walk(terminal, "Back end", "Mechanisms", "TLS", "Submission", "Smarthost", "Accounts")
        _fill_in(terminal, "alice", "wonder land")
        _walk(terminal, "Review")
        assert "wonder" not in terminal.screen()
        assert " skipped" not in _apply(terminal)
        _walk(terminal, "Card")
        terminal.expect("587, STARTTLS")
        terminal.expect("User name +alice")
        terminal.press("enter")
        terminal.expect("Saved: /root/postfix-auth.toml")
        terminal.press("ctrl+q")
        assert terminal.wait() == 0
    assert b"wonder" not in terminal.transcript
    _alice_logs_in(client)
    server.reboot()
    server.wait_for_port(587)
    _alice_logs_in(client)
    again = server.run([LAUNCHER, "apply", "-p", "/root/postfix-auth.toml", "--yes"])
    assert "Nothing to do" in again.stdout


def _alice_logs_in(client: Machine) -> None:
    for mechanism in ("PLAIN", "LOGIN"):
        for port in (("--port", "587", "--tls"), ("--port", "465", "--tlsc")):
            said = _swaks(client, mechanism, "alice", "wonder land", *port)
            assert "235 2.7.0" in said
            assert "250 2.1.5 Ok" in said
            assert "535 5.7.8" in _swaks(client, mechanism, "alice", "wrong", *port)
    assert (
        "554 5.7.1"
        in client.run(
            ["swaks", "--server", _SERVER, "--port", "587", "--tls", "--to", "somebody@example.org"],
            check=False,
        ).stdout
    )


def test_accounts_in_sasldb_then_one_port_less(outside: tuple[Machine, Machine]) -> None:
    server, client = outside
    with server.interactive([LAUNCHER]) as terminal:
        terminal.expect("Set up authenticated submission")
        _walk(terminal, "Back end")
        terminal.press("down", "space")
        _walk(terminal, "Mechanisms", "TLS")
        terminal.expect(r"Will set  .*(pem|smtpd_tls_)", timeout=60)
        assert "usermod" not in terminal.screen()
        _walk(terminal, "Submission")
        terminal.expect(r"Will set  master\.cf", timeout=60)
        _walk(terminal, "Smarthost", "Accounts")
        _make(terminal, "bob", "builder")
        _walk(terminal, "Review")
        _apply(terminal)
        _walk(terminal, "Card")
        terminal.press("ctrl+q")
        assert terminal.wait() == 0
    for mechanism in ("SCRAM-SHA-256", "PLAIN", "LOGIN"):
        assert _gsasl(client, mechanism, f"bob@{_SERVER}", "builder")
        assert not _gsasl(client, mechanism, f"bob@{_SERVER}", "wrong")

    with server.interactive([LAUNCHER]) as terminal:
        terminal.expect("Change")
        _walk(terminal, "Back end", "Mechanisms", "TLS", "Submission")
        terminal.press("down", "space")
        terminal.expect(r"master\.cf")
        _walk(terminal, "Smarthost", "Accounts", "Review")
        screen = terminal.expect(r"2 changes, no interruption")
        assert "master.cf" in screen
        _apply(terminal)
        terminal.press("ctrl+q")
        terminal.expect("not kept yet")
        terminal.press("k")
        assert terminal.wait() == 0
    assert client.run(["nc", "-z", _SERVER, "465"], check=False).status != 0
    assert _gsasl(client, "SCRAM-SHA-256", f"bob@{_SERVER}", "builder")

    with server.interactive([LAUNCHER]) as terminal:
        terminal.expect("Change")
        _walk(terminal, "Back end", "Mechanisms", "TLS", "Submission", "Smarthost", "Accounts")
        _make(terminal, "ann", "archer")
        _walk(terminal, "Review")
        terminal.expect("Nothing to change", timeout=60)
        terminal.press("enter")
        terminal.expect("accounts are made: ann")
        terminal.press("y")
        terminal.expect("1 account made. All", timeout=60)
        terminal.press("ctrl+q")
        assert terminal.wait() == 0
    assert _gsasl(client, "SCRAM-SHA-256", f"ann@{_SERVER}", "archer")


#: Kills the process that applies once it has noted the way back from its third change.
_KILL_AFTER_THREE = """
mkdir -p /var/lib/postfix-auth/checkpoints && cd /var/lib/postfix-auth/checkpoints
until [ "$(cat */undo.jsonl 2>/dev/null | wc -l)" -ge 3 ]; do sleep 0.01; done
pkill -KILL -f '[w]izard.applier'
"""


def _to_review(terminal: Terminal) -> None:
    terminal.expect("Set up authenticated submission", timeout=30)
    _walk(terminal, "Back end", "Mechanisms", "TLS", "Submission", "Smarthost", "Accounts", "Review")
    terminal.expect(r"\d+ changes,", timeout=60)


def _applied(terminal: Terminal) -> None:
    _to_review(terminal)
    _apply(terminal)
    terminal.expect(_WAITS)


def _state(host: Machine) -> str:
    found = json.loads(host.run([LAUNCHER, "history", "--json"]).stdout)
    return str(found["checkpoints"][-1]["state"])


def _until(host: Machine, state: str) -> None:
    deadline = time.monotonic() + 30
    while (now := _state(host)) != state:
        assert time.monotonic() < deadline, now
        time.sleep(0.3)


def _hasten(host: Machine, seconds: int) -> None:
    """Let what waits do so for that many seconds from now on, not for two minutes."""
    about = "/var/lib/postfix-auth/checkpoints/*/about.json"
    host.run(f"""sed -i "s/\\"deadline\\": [0-9.]*/\\"deadline\\": $(($(date +%s) + {seconds}))/" {about}""")


def test_rehearsed_then_kept(machine: Machine) -> None:
    with machine.interactive([LAUNCHER]) as terminal:
        _to_review(terminal)
        before = machine.run(_SEEN).stdout
        terminal.press("r")
        terminal.expect("It works", timeout=_INSTALLING)
        terminal.expect("Nothing on this host has been changed")
        assert machine.run(_SEEN).stdout == before
        terminal.press("escape")
        terminal.expect("of 10 Review")
        _apply(terminal)
        terminal.expect(_WAITS)
        assert _state(machine) == "applied"
        time.sleep(1)
        terminal.screen()
        painted = len(terminal.transcript)
        time.sleep(5)
        terminal.screen()
        assert 0 < len(terminal.transcript) - painted < 5 * 60  # bytes: a number, once a second
        terminal.press("k")
        terminal.expect("Done")
        assert _state(machine) == "kept"
        _walk(terminal, "Card")
        terminal.press("ctrl+q")
        assert terminal.wait() == 0
    machine.wait_for_port(587)


def test_without_a_yes_it_is_put_back(machine: Machine) -> None:
    before = machine.run(_SEEN).stdout
    with machine.interactive([LAUNCHER]) as terminal:
        _applied(terminal)
        _hasten(machine, 3)
        terminal.expect("nobody has confirmed it in time", timeout=30)
        terminal.expect("everything is as it was before")
        assert machine.run(_SEEN).stdout == before
        terminal.press("escape")
        terminal.expect("of 10 Review")
        terminal.expect(r"\d+ changes,", timeout=30)


def test_a_lost_line_finds_it_again_or_it_is_put_back(machine: Machine) -> None:
    before = machine.run(_SEEN).stdout
    with machine.interactive([LAUNCHER]) as terminal:
        _applied(terminal)
        terminal.hang_up()
    with machine.interactive([LAUNCHER]) as terminal:
        terminal.expect(r"A change from \d\d:\d\d waits for your yes", timeout=30)
        terminal.expect(_PASSED)
        terminal.expect(_WAITS)
        terminal.hang_up()
    _hasten(machine, 2)
    _until(machine, "rolled back")
    assert machine.run(_SEEN).stdout == before


def test_undone_by_a_key(machine: Machine) -> None:
    before = machine.run(_SEEN).stdout
    with machine.interactive([LAUNCHER]) as terminal:
        _applied(terminal)
        terminal.press("u")
        terminal.expect("Undo everything")
        terminal.press("y")
        terminal.expect("Everything is as it was before", timeout=30)
    assert _state(machine) == "rolled back"
    assert machine.run(_SEEN).stdout == before


def test_killed_under_its_eyes_it_is_taken_back_by_the_keeper(machine: Machine) -> None:
    before = machine.run(_SEEN).stdout
    with machine.interactive([LAUNCHER]) as terminal:
        _to_review(terminal)
        terminal.press("a")
        terminal.expect("Apply this now")
        with machine.popen(["sh", "-c", _KILL_AFTER_THREE]):
            terminal.press("y")
            terminal.expect("Esc: take it back", timeout=30)
        _until(machine, "rolled back")
        terminal.press("escape")
        terminal.expect("Set up authenticated submission", timeout=30)
    assert machine.run(_SEEN).stdout == before


def test_killed_half_way_it_is_taken_back_first(machine: Machine) -> None:
    before = machine.run(_SEEN).stdout
    machine.write_file("/root/policy.toml", _POLICY)
    apply = f"{LAUNCHER} apply -p /root/policy.toml --yes"
    machine.run(f"({_KILL_AFTER_THREE}) & {apply}", check=False)
    assert _state(machine) == "applying"
    with machine.interactive([LAUNCHER]) as terminal:
        terminal.expect("A change was interrupted half-way", timeout=30)
        assert "Set up" not in terminal.screen()
        terminal.press("y")
        terminal.expect("Everything is as it was before", timeout=30)
        assert machine.run(_SEEN).stdout == before
        terminal.press("enter")
        terminal.expect("Set up authenticated submission", timeout=30)
    assert _state(machine) == "rolled back"
