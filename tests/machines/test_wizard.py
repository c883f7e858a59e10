"""The wizard as an admin uses it: by keys alone, at 80x24, from a bare Debian to logins from outside."""

from __future__ import annotations

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
_GREEN = r"All \d+ tests passed"


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


def _apply(terminal: Terminal) -> str:
    terminal.expect(r"\d+ changes?,", timeout=60)
    terminal.press("a")
    terminal.expect("Apply this now")
    terminal.press("y")
    return terminal.expect(_GREEN + "|✗|FAILED", timeout=_INSTALLING)


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
        assert "587, STARTTLS" in terminal.screen()
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
        _walk(terminal, "Mechanisms", "TLS", "Submission", "Smarthost", "Accounts")
        _fill_in(terminal, "bob", "builder")
        terminal.press("enter")
        terminal.expect("bob")
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
        assert terminal.wait() == 0
    assert client.run(["nc", "-z", _SERVER, "465"], check=False).status != 0
    assert _gsasl(client, "SCRAM-SHA-256", f"bob@{_SERVER}", "builder")
