"""Passwords are in the files meant for them, from the first moment only for who may, nowhere else."""

from __future__ import annotations

import re
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest

from tests.machines.machine import LAUNCHER
from tests.machines.watching import files_with, patterns, trace, traced, watched, written_to

if TYPE_CHECKING:
    from tests.machines.inside import Result
    from tests.machines.machine import Machine

pytestmark = pytest.mark.either_release

_ALL = tuple(f"CANARY-{token_hex(8)}" for _ in range(5))
RELAY, NEW_RELAY, BY_FILE, BY_PIPE, BY_KEYS = _ALL
_POLICY, _RELAY_FILE, _USER_FILE = "/root/policy.toml", "/root/relay.password", "/root/user.password"
_APPLY = (LAUNCHER, "apply", "-p", _POLICY, "--yes")
_LOGIN = ("--user", "mary", "--password-file", _USER_FILE)
_TABLE = {"/etc/postfix/sasl_passwd", "/etc/postfix/sasl_passwd.db"}
_SASLDB = "/var/spool/postfix/etc/sasldb2"  # Debian's smtpd is chrooted
_TEXT = f"""
[backend]
type = "auxprop-sasldb"
[mechanisms]
offer = ["SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5"]
[tls]
source = "self-signed"
names = ["mail.example.net"]
[submission]
[smarthost]
host = "relay.example.net"
user = "joe"
password_file = "{_RELAY_FILE}"
"""
#: A configuration that Postfix reads, and that lets no smtpd live: the tests after applying must fail.
_DEADLY = "postconf -e smtpd_relay_restrictions=permit && postfix reload"


class Teller:
    """Runs commands, each of which must end as expected, and keeps all that they say."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.said = ""

    def run(self, *argv: str, status: int = 0, stdin: str = "") -> Result:
        freely = ["sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh"]  # with core dumps, if nobody objects
        done = self.machine.run([*freely, *argv], stdin=stdin, check=False, timeout=120)
        assert done.status == status, (argv, done)
        self.said += done.stdout + done.stderr
        return done

    def ours(self, *arguments: str, status: int = 0, stdin: str = "") -> Result:
        return self.run(LAUNCHER, *arguments, status=status, stdin=stdin)


def _undo(machine: Machine) -> list[str]:
    """Return the files that lead back to another password for the relay, or from the one there is."""
    return sorted(path for path in files_with(machine, RELAY) if path.endswith("/undo.jsonl"))


def _nowhere_else(machine: Machine, said: str, *files: str) -> None:
    """Look for all canaries: they are in these ``files``, for root and the group sasl only, nowhere else."""
    assert files_with(machine, *_ALL) == set(files)
    looks = machine.run(["stat", "-c", "%U %G %a", *files]).stdout.splitlines()
    assert set(looks) <= {"root root 600", "root sasl 660"}
    told = said + machine.journal("-a", "-o", "verbose")
    assert not [pattern for pattern in patterns(*_ALL) if pattern in told]


def test_every_command_keeps_them(machine: Machine) -> None:
    machine.write_file(_POLICY, _TEXT)
    machine.write_file(_RELAY_FILE, f"{RELAY}\n", mode=0o600)
    machine.write_file(_USER_FILE, f"{BY_FILE}\n", mode=0o600)
    tell = Teller(machine)
    with watched(machine, *_ALL):
        for plan in (["plan"], ["plan", "--json"], ["rehearse"], ["rehearse", "--json"]):
            tell.ours(*plan, "-p", _POLICY)
        assert files_with(machine, *_ALL) == {_RELAY_FILE, _USER_FILE}
        tell.run(*_APPLY)
        tell.ours("user", "add", "mary", "--password-file", _USER_FILE)
        tell.ours("user", "add", "pat", stdin=f"{BY_PIPE}\n")
        with machine.interactive([LAUNCHER, "user", "add", "kim"]) as terminal:
            terminal.expect("Password")
            terminal.send(f"{BY_KEYS}\r")
            terminal.expect("Once more")
            terminal.send(f"{BY_KEYS}\r")
            assert terminal.wait() == 0
        tell.said += terminal.transcript.decode()
        for look in ("status", "policy", "history", "test"):
            tell.ours(look, *(_LOGIN if look == "test" else ()))
        for look in ("status", "history", "test", "plan", "rehearse"):
            policy = ("-p", _POLICY) if look in ("plan", "rehearse") else ()
            tell.ours(look, "--json", *(_LOGIN if look in ("test", "rehearse") else ()), *policy)
        undo = _undo(machine)
        assert len(undo) == 1
        _nowhere_else(machine, tell.said, _RELAY_FILE, _USER_FILE, *_TABLE, _SASLDB, *undo)

        machine.write_file(_RELAY_FILE, f"{NEW_RELAY}\n", mode=0o600)
        machine.run(_DEADLY)
        failed = tell.run(*_APPLY, *_LOGIN, status=1)
        assert "everything is as it was before" in failed.stdout
        machine.run("postconf -X smtpd_relay_restrictions && postfix reload")
    # what undoes it is for root only, and gone once it is undone
    assert _undo(machine) == undo
    assert machine.run("stat -c '%U %a' /var/lib/postfix-auth/checkpoints").stdout == "root 700\n"
    assert files_with(machine, NEW_RELAY) == {_RELAY_FILE}
    _nowhere_else(machine, tell.said, _RELAY_FILE, _USER_FILE, *_TABLE, _SASLDB, *undo)


def test_what_is_refused_is_not_repeated(machine: Machine) -> None:
    machine.write_file(_POLICY, _TEXT)
    tell = Teller(machine)
    for content in (
        f"{RELAY}\n{RELAY}\n",
        f"{RELAY}\0\n",
        f"{RELAY}\n".encode() + b"\xff\n",
        f"{RELAY}\n" * 99,
    ):
        machine.write_file(_RELAY_FILE, content, mode=0o600)
        tell.ours("plan", "-p", _POLICY, status=2)
        tell.ours("test", "--user", "joe", "--password-file", _RELAY_FILE, status=2)
    machine.write_file(_RELAY_FILE, f"{RELAY}\n", mode=0o644)
    tell.run(*_APPLY, status=2)
    # a password where a policy should be
    machine.write_file(_RELAY_FILE, f"{RELAY}\n", mode=0o600)
    tell.ours("plan", "-p", _RELAY_FILE, status=2)
    assert RELAY not in tell.said
    assert files_with(machine, RELAY) == {_RELAY_FILE}


def test_each_process_gives_them_to_the_right_one_only(machine: Machine) -> None:
    machine.write_file(_POLICY, _TEXT)
    machine.write_file(_RELAY_FILE, f"{RELAY}\n", mode=0o600)
    machine.write_file(_USER_FILE, f"{BY_FILE}\n", mode=0o600)
    machine.run(traced(*_APPLY), timeout=120)
    lines = trace(machine)
    table = "/etc/postfix/.sasl_passwd.postfix-auth-*"
    # what leads back knows what was written, so that only that is undone
    assert written_to(lines, RELAY) == {"pipe:*", table, f"{table}.db", *_undo(machine)}
    _dressed_before_written(lines)
    machine.run(traced(LAUNCHER, "user", "add", "mary", "--password-file", _USER_FILE), timeout=120)
    assert written_to(trace(machine), BY_FILE) == {"pipe:*", _SASLDB}
    machine.run(traced(LAUNCHER, "test", *_LOGIN), timeout=120)
    assert written_to(trace(machine), BY_FILE) == set()


def _dressed_before_written(lines: list[str]) -> None:
    """Look that the files with the password were for root only since they were made, whoever made them."""
    masks: dict[str, int] = {}
    made = []
    for line in lines:
        process = line.split(None, 1)[0]
        if found := re.search(r"umask\((0\d*)\)", line):
            masks[process] = int(found[1], 8)
        if "/.sasl_passwd.postfix-auth-" in line and "O_CREAT" in line:
            mode = int(re.search(r", (0\d+)\)", line)[1], 8) & ~masks.get(process, 0o022)  # type: ignore[index]
            made.append((mode & 0o077, "O_EXCL" in line))
    # the text, and the table that postmap makes beside it
    assert len(made) == 2
    assert {others for others, _ in made} == {0}
    assert made[0][1]


def test_the_wizard_keeps_what_was_typed(machine: Machine) -> None:
    with (
        watched(machine, RELAY, BY_KEYS),
        machine.interactive(["sh", "-c", f"ulimit -c unlimited; exec {LAUNCHER}"]) as terminal,
    ):
        terminal.expect("Set up authenticated submission")
        terminal.press("enter")
        terminal.expect("of 10 Back end")
        terminal.press("down", "space")
        for page in ("Mechanisms", "TLS", "Submission", "Smarthost"):
            terminal.press("enter")
            terminal.expect(f"of 10 {page}")
        terminal.press("down", "space")
        terminal.expect("Relay host|smarthost")
        terminal.press("tab")
        for text in ("relay.example.net", "587", "joe", RELAY):
            if text != "587":
                terminal.send(text)
                terminal.expect(text if text != RELAY else "•" * len(text))
            terminal.press("tab")
        terminal.press("enter")
        terminal.expect("of 10 Accounts")
        for text in ("kim", BY_KEYS, BY_KEYS):
            terminal.send(text)
            terminal.expect(text if text != BY_KEYS else "•" * len(text))
            terminal.press("tab")
        terminal.press("enter")
        terminal.expect("will be made")
        limits = machine.run("cat /proc/$(pgrep -f '[w]izard.cli')/limits").stdout
        assert re.search(r"Max core file size +0 ", limits)
        terminal.press("enter")
        terminal.expect("of 10 Review")
        terminal.expect(r"\d+ changes?,", timeout=60)
        assert files_with(machine, RELAY, BY_KEYS) == set()
        terminal.press("a")
        terminal.expect("Apply this now")
        terminal.press("y")
        terminal.expect(r"All \d+ tests passed", timeout=120)
        terminal.press("enter")
        terminal.expect("of 10 Card")
        terminal.press("enter")
        terminal.expect("Saved: ")
        terminal.press("ctrl+q")
        assert terminal.wait() == 0
    kept = "/etc/postfix-auth/smarthost.password"
    _nowhere_else(
        machine, terminal.transcript.decode(errors="replace"), kept, *_TABLE, _SASLDB, *_undo(machine)
    )
