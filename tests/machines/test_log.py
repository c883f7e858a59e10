"""The log of a real mail server: found, followed through its rotation, each line given to who caused it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.machines.conftest import Boot
    from tests.machines.machine import Machine

ONE, OTHER = "127.0.77.5", "127.0.77.6"
CONFIGURE = """
printf 'pwcheck_method: saslauthd\\nmech_list: PLAIN LOGIN\\n' > /etc/postfix/sasl/smtpd.conf
postconf -e smtpd_sasl_auth_enable=yes
postfix reload
"""
SASLAUTHD = """
adduser -q postfix sasl
echo START=yes >> /etc/default/saslauthd
systemctl restart saslauthd
postconf -F smtp/inet/chroot=n
"""
# follows the log while strangers log in; argv: maillog_file, a command to run between, words to wait for
FOLLOW = """
import json, subprocess, sys, time
from wizard.explain import explain
from wizard.logtail import Attribution, Follower, discover
from wizard.root import Root

ONE, OTHER = "127.0.77.5", "127.0.77.6"
source = discover(Root(), sys.argv[1])
owner = Attribution((ONE, OTHER)).owner
lines = []

def log_in(address):
    return subprocess.Popen(
        ["swaks", "--server", "127.0.0.1", "--local-interface", address, "--quit-after", "AUTH",
         "--auth", "PLAIN", "--auth-user", "root", "--auth-password", "wrong", "--hide-all"]
    )

def seen(words):
    return sum(words in line["text"] for line in lines)

def take(wanted):
    until = time.monotonic() + 20
    while min(seen("disconnect from"), seen(sys.argv[3])) < wanted and time.monotonic() < until:
        for line in follower.poll():
            found = explain(line)
            lines.append({"program": line.program, "text": line.text, "owner": owner(line),
                          "late": abs(time.time() - line.time), "explained": found.id if found else ""})
        time.sleep(0.05)

with Follower(source, Root()) as follower:
    callers = [log_in(ONE), log_in(OTHER)]
    [caller.wait() for caller in callers]
    take(2)
    if sys.argv[2]:
        subprocess.run(sys.argv[2], shell=True, check=True)
    log_in(ONE).wait()
    take(3)
left = subprocess.run(["pgrep", "-x", "journalctl"], stdout=subprocess.DEVNULL).returncode == 0
print(json.dumps({"source": str(source), "lines": lines, "left": left}))
"""


@dataclass(frozen=True, slots=True)
class Said:
    """A line that the follower gave."""

    program: str
    text: str
    owner: str | None
    late: float
    explained: str


@dataclass(frozen=True, slots=True)
class Followed:
    """What came of following: where the log is, its lines, and whether a journalctl was left behind."""

    source: str
    lines: tuple[Said, ...]
    left: bool

    def of(self, owner: str | None) -> list[str]:
        """Return the lines that are ``owner``'s."""
        return [line.text for line in self.lines if line.owner == owner]


def follow(machine: Machine, maillog_file: str = "", between: str = "", until: str = "") -> Followed:
    told = json.loads(machine.python(FOLLOW, maillog_file, between, until).stdout)
    return Followed(told["source"], tuple(Said(**line) for line in told["lines"]), told["left"])


def attempts(lines: list[str]) -> int:
    return sum(line.startswith("connect from ") for line in lines)


def test_the_journal_is_followed_and_each_line_is_its_callers(machine: Machine) -> None:
    machine.run(CONFIGURE)
    found = follow(machine)
    assert found.source == "the journal"
    for address, times in ((ONE, 2), (OTHER, 1)):
        lines = found.of(address)
        assert attempts(lines) == times
        # this line names no client: it belongs to a caller only through its process
        why = "SASL authentication failure: cannot connect to saslauthd server: No such file or directory"
        assert sum(why in line for line in lines) == times
        assert all(f"[{address}]" in line for line in lines if "connect from" in line)
    assert "saslauthd-socket-missing" in {line.explained for line in found.lines}
    assert all(line.late < 30 for line in found.lines)
    assert not found.left


def test_maillog_file_is_followed_through_its_rotation(machine: Machine) -> None:
    machine.run(CONFIGURE + "postconf -e maillog_file=/var/log/postfix.log && postfix stop && postfix start")
    machine.wait_for_port(25)
    found = follow(machine, "/var/log/postfix.log", between="postfix logrotate")
    assert found.source == "/var/log/postfix.log"
    assert attempts(found.of(ONE)) == 2
    assert attempts(found.of(OTHER)) == 1
    assert machine.run("ls /var/log/postfix.log.*").stdout


def test_what_saslauthd_says_is_shown_beside_it(machine: Machine) -> None:
    machine.run(CONFIGURE + SASLAUTHD)
    machine.run("postconf -e maillog_file=/var/log/postfix.log && postfix stop && postfix start")
    machine.wait_for_port(25)
    found = follow(machine, "/var/log/postfix.log", until="auth failure:")
    assert attempts(found.of(ONE)) == 2
    refused = [line for line in found.lines if line.program == "saslauthd" and "auth failure" in line.text]
    assert len(refused) == 3
    assert {(line.owner, line.explained) for line in refused} == {(None, "pam-refused")}


def test_a_log_of_the_journal_is_explained(boot: Boot) -> None:
    machine = boot()
    machine.run(CONFIGURE)
    follow(machine)
    explain = "import sys; from wizard.explain import problems_in; print(*(f'{p.id} {p.count}' for p in problems_in(sys.stdin.buffer)), sep='\\n')"  # noqa: E501
    for form in ("short", "short-iso", "short-unix", "json"):
        log = machine.journal("-t", "postfix/smtpd", "-o", form)
        assert "saslauthd-socket-missing 3" in machine.python(explain, stdin=log).stdout.splitlines()
