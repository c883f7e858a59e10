"""The log of a real mail server: found, followed through its rotation, each line given to who caused it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.machines.machine import LAUNCHER

if TYPE_CHECKING:
    from tests.machines.machine import Machine

pytestmark = pytest.mark.either_release

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
EXPLAIN = """
import sys
from wizard.explain import problems_in
for problem in problems_in(sys.stdin.buffer):
    print(problem.id, problem.count)
"""
# begins with what CONFIGURE left; a service that died is tried at once only after a stop and a start
HELPERS = """
cp -a /var/tmp/postfix /var/tmp/pam.d /etc
again() { postfix stop; systemctl reset-failed; systemctl restart postfix; sleep 0.5; }
call() { swaks -s 127.0.0.1 --local-interface 127.0.77.5 --to b@example.org --timeout 2 --hide-all "$@"; }
log_in() { call --quit-after AUTH --auth-user root --auth-password wrong --auth "$@"; }
conf() { printf '%s\\n' "$@" > /etc/postfix/sasl/smtpd.conf; again; }
send() { postconf -e "$@"; again; echo hi | sendmail b@example.org; sleep 2; postsuper -d ALL; }
relay() { postconf -e "$1"; shift; again; call "$@"; }
"""
# what breaks it, by the problems that must be found then
FAULTS = {
    "smtpd-conf-unreadable sasl-init-failed service-throttled": "conf mech_list=PLAIN; call; sleep 1.5",
    "plugins-missing no-mechanisms process-died": "conf 'mech_list: NOSUCH'; call; sleep 1.5",
    "pwcheck-unknown login-no-mechanism": "conf 'pwcheck_method: pam' 'mech_list: PLAIN'; log_in PLAIN",
    "everybody-let-in": "conf 'pwcheck_method: alwaystrue' 'mech_list: PLAIN'; log_in PLAIN",
    "auxprop-missing": """
        conf 'pwcheck_method: auxprop' 'auxprop_plugin: nosuch' 'mech_list: PLAIN'; log_in PLAIN""",
    "sasldb-forbidden login-generic-failure": """
        postconf -F smtp/inet/chroot=n; chown root:root /etc/sasldb2; chmod 600 /etc/sasldb2
        conf 'pwcheck_method: auxprop' 'auxprop_plugin: sasldb' 'mech_list: PLAIN'; log_in PLAIN""",
    "sasl-type-unknown": "relay smtpd_sasl_type=courier",
    "dovecot-socket-missing no-mechanisms": "relay smtpd_sasl_type=dovecot",
    "mechanism-filter": "relay smtpd_sasl_mechanism_filter=gssapi",
    "mechanisms-not-applicable": "relay smtpd_sasl_security_options=noplaintext",
    "tls-level-invalid": "relay smtpd_tls_security_level=must",
    "relay-denied": "relay mynetworks=192.0.2.0/24",
    "tls-key-unusable tls-library-key-mismatch": """
        cd /etc/ssl
        for n in a b; do openssl req -x509 -nodes -subj /CN=x -keyout $n.key -out $n.pem; done
        postconf -e smtpd_tls_cert_file=/etc/ssl/a.pem smtpd_tls_key_file=/etc/ssl/b.key
        relay smtpd_tls_security_level=may --tls""",
    "pam-module-missing": """
        echo START=yes >> /etc/default/saslauthd; adduser -q postfix sasl
        echo 'auth required pam_nosuch.so' > /etc/pam.d/smtp; systemctl restart saslauthd
        postconf -F smtp/inet/chroot=n; again; log_in PLAIN""",
    "smarthost-no-table": "send relayhost=[127.0.0.1]:25 smtp_sasl_auth_enable=yes",
    "table-not-indexed smarthost-local-data": """
        postconf -Me '2525/inet=2525 inet n - n - - smtpd'
        postconf -e smtp_sasl_auth_enable=yes smtp_sasl_password_maps=hash:/etc/postfix/nosuch
        send relayhost=[127.0.0.1]:2525""",
    "smarthost-tls-not-offered": """
        postconf -Me '2525/inet=2525 inet n - n - - smtpd -o smtpd_tls_security_level=none'
        send relayhost=[127.0.0.1]:2525 smtp_tls_security_level=encrypt""",
    "port-taken": """
        postfix stop; python3 -c 'import socket, time; s = socket.create_server(("", 25)); time.sleep(5)' &
        sleep 1; systemctl restart postfix; sleep 1; wait""",
}


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


def test_a_log_of_the_journal_is_explained(machine: Machine) -> None:
    machine.run(CONFIGURE)
    follow(machine)
    for form in ("short", "short-iso", "short-unix", "json"):
        assert problems(machine, "-t", "postfix/smtpd", "-o", form)["saslauthd-socket-missing"] == 3


def test_a_log_that_is_not_there_is_said_to_be_in_the_journal(machine: Machine) -> None:
    for file, why in (("/var/log/mail.log", "No such file"), ("/etc", "Is a directory")):
        done = machine.run([LAUNCHER, "explain", file], check=False)
        assert (done.status, done.stdout) == (2, "")
        assert done.stderr.startswith(f"postfix-auth: FILE: {file}: {why}")
        assert "journalctl -S -1h | postfix-auth explain" in done.stderr


def test_what_breaks_is_explained(machine: Machine) -> None:
    machine.run(CONFIGURE + "cp -a /etc/postfix /etc/pam.d /var/tmp")
    problems(machine, "--cursor-file=/var/tmp/cursor")
    wrong = {}
    for expected, fault in FAULTS.items():
        machine.run(HELPERS + fault, check=False)
        machine.run("journalctl --sync")
        found = problems(machine, "--cursor-file=/var/tmp/cursor")
        if not set(expected.split()) <= set(found) or "unexplained" in found:
            wrong[expected] = found
    assert not wrong


def problems(machine: Machine, *journal: str) -> dict[str, int]:
    """Return how often each problem is in the machine's journal."""
    told = machine.python(EXPLAIN, stdin=machine.journal("--no-pager", *journal)).stdout
    return {name: int(count) for name, count in (line.split() for line in told.splitlines())}
