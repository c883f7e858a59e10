"""Applying on a real host: it goes on when its terminal goes, takes back what fails, loses nobody's edits."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.machines.machine import LAUNCHER, Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.either_release

_POLICY = """
[backend]
type = "auxprop-sasldb"
[tls]
source = "self-signed"
names = ["mail.example.net"]
[submission]
"""
_FILE = "/root/policy.toml"
_APPLY = (LAUNCHER, "apply", "-p", _FILE, "--yes")
#: A configuration that Postfix reads, and that lets no smtpd live: the tests after applying must fail.
_DEADLY = "postconf -e smtpd_relay_restrictions=permit"
#: Owner, mode and content of all that an apply touches.
_SEEN = """
cd / && find etc/postfix etc/default etc/pam.d etc/systemd/system var/spool/postfix/etc/sasldb2 etc/sasldb2 \
    -printf '%p %l %u:%g %m\\n' 2>/dev/null | sort
find etc/postfix etc/default etc/pam.d etc/systemd/system etc/sasldb2 -type f | sort | xargs md5sum
getent group sasl; dpkg-statoverride --list
"""


@pytest.fixture
def host(machine: Machine) -> Machine:
    machine.write_file(_FILE, _POLICY)
    return machine


def _states(host: Machine) -> list[str]:
    found = json.loads(host.run([LAUNCHER, "history", "--json"]).stdout)
    return [checkpoint["state"] for checkpoint in found["checkpoints"]]


def _until(host: Machine, state: str) -> None:
    deadline = time.monotonic() + 30
    while _states(host)[-1:] != [state]:
        assert time.monotonic() < deadline, _states(host)
        time.sleep(0.1)


def _listens(host: Machine, port: int) -> bool:
    return bool(host.run(["ss", "-Hltn", f"sport = :{port}"]).stdout)


def test_what_is_done_twice_is_done_once(host: Machine) -> None:
    first = host.run(_APPLY)
    assert "everything is applied" in first.stdout
    before = host.run(_SEEN).stdout
    again = host.run(_APPLY)
    assert "Nothing to do" in again.stdout
    assert host.run(_SEEN).stdout == before
    assert _states(host) == ["kept"]


def test_what_only_main_cf_says_is_in_force_at_once(host: Machine) -> None:
    host.run(_APPLY)
    said = "import smtplib; s = smtplib.SMTP('127.0.0.1', 587); s.starttls(); s.ehlo(); print(s.ehlo_resp)"
    assert "AUTH=" not in host.run(["python3", "-c", said]).stdout
    host.write_file(_FILE, "[mechanisms]\noutlook_compatible = true\n")
    host.run(_APPLY)
    assert "AUTH=" in host.run(["python3", "-c", said]).stdout


def test_a_section_left_out_holds_whatever_another_one_says(host: Machine) -> None:
    def offered() -> str:
        host.wait_for_port(587)
        return host.run("swaks --server 127.0.0.1:587 --quit-after EHLO").stdout

    in_the_clear = "[submission]\nrequire_tls = false\n"
    host.run(_APPLY)
    host.write_file(_FILE, in_the_clear)
    host.run(_APPLY)
    assert "SCRAM-SHA-256" in offered()
    assert "PLAIN" not in offered(), "tls-only is in force"
    assert 'plaintext = "tls-only"' in host.run([LAUNCHER, "policy"]).stdout
    host.write_file(_FILE, '[mechanisms]\noffer = ["PLAIN", "LOGIN"]\n[submission]\n')
    assert "reload postfix" in host.run(_APPLY).stdout
    host.write_file(_FILE, in_the_clear)
    refused = host.run(_APPLY, check=False)
    assert (refused.status, "submission.require_tls: " in refused.stderr) == (2, True), refused


def test_a_port_that_is_closed_and_opened_again_is_as_it_was(host: Machine) -> None:
    host.run(_APPLY)
    host.run("postconf -P submissions/inet/smtpd_client_connection_count_limit=7")
    before = host.read_file("/etc/postfix/master.cf")
    for _ in range(2):
        host.write_file(_FILE, '[submission]\nservices = ["submission"]\n')
        host.run([*_APPLY, "--no-test"])
        assert not _listens(host, 465)
        host.write_file(_FILE, "[submission]\n")
        host.run(_APPLY)
        assert _listens(host, 465)
        assert host.read_file("/etc/postfix/master.cf") == before


def test_rollback_leaves_nothing(host: Machine) -> None:
    before = host.run(_SEEN).stdout
    host.run(_APPLY)
    assert _listens(host, 587)
    host.run([LAUNCHER, "rollback", "--yes"])
    assert host.run(_SEEN).stdout == before
    assert not _listens(host, 587)
    host.wait_for_port(25)
    assert _states(host) == ["rolled back"]


def test_a_failed_test_takes_everything_back(host: Machine) -> None:
    host.run(f"{_DEADLY} && postfix reload")
    before = host.run(_SEEN).stdout
    done = host.run(_APPLY, check=False)
    assert done.status == 1
    assert "tests failed: " in done.stderr
    assert "everything is as it was before" in done.stdout
    assert host.run(_SEEN).stdout == before
    assert host.run([*_APPLY, "--no-test"]).status == 0


def test_a_step_that_fails_takes_everything_back(host: Machine) -> None:
    host.run("chattr +i /etc/postfix/master.cf || mount --bind /etc/postfix/master.cf /etc/postfix/master.cf")
    before = host.run(_SEEN).stdout
    done = host.run(_APPLY, check=False)
    # an immutable file is seen before anything is changed, a mount over it only when it is written
    assert (done.status, _states(host)) in ((3, []), (1, ["rolled back"]))
    assert "/etc/postfix/master.cf" in done.stderr
    assert host.run(_SEEN).stdout == before


@pytest.mark.parametrize("end", ["hang up", "interrupt"])
def test_it_goes_on_without_its_terminal(host: Machine, end: str) -> None:
    with host.interactive(_APPLY) as terminal:
        terminal.expect(r"\[2/\d+\]")
        if end == "interrupt":
            terminal.press("ctrl+c")
            terminal.expect("this goes on without you")
            assert terminal.wait() == 1
        else:
            terminal.hang_up()
    _until(host, "kept")
    assert _listens(host, 587)


def test_two_at_once_do_not_meet(host: Machine) -> None:
    with _held(host):
        done = host.run(_APPLY, check=False)
        assert done.status == 3
        assert "another run of postfix-auth is at work (process 4711)" in done.stderr
    assert host.run(_APPLY).status == 0
    host.write_file("/root/password", "secret", mode=0o600)
    with _held(host):
        # nothing to do, but perhaps not for long
        for change in (_APPLY, (LAUNCHER, "user", "add", "joe", "--password-file", "/root/password")):
            done = host.run(change, check=False)
            assert (done.status, "process 4711" in done.stderr) == (3, True)
        assert "process 4711" in host.run([LAUNCHER, "status"]).stdout.partition("\n")[0]
        assert "process 4711" in host.run([LAUNCHER, "plan", "-p", _FILE]).stdout


def test_a_lock_that_nobody_holds_is_no_obstacle(host: Machine) -> None:
    host.run("mkdir -p /var/lib/postfix-auth; echo 1 >/var/lib/postfix-auth/lock")
    assert host.run(_APPLY).status == 0
    assert host.run([LAUNCHER, "rollback", "--yes"]).status == 0
    # who looks makes no lock
    host.run("rm /var/lib/postfix-auth/lock")
    host.run([LAUNCHER, "status"])
    assert not host.exists("/var/lib/postfix-auth/lock")


def test_looking_goes_on_while_another_is_at_work(host: Machine) -> None:
    with _held(host):
        _look(host)
    with host.interactive(_APPLY) as terminal:
        terminal.expect(r"\[2/\d+\]")
        # in the middle, for as long as it takes to look
        host.run("pkill -STOP -f '[w]izard.applier'")
        _look(host)
        assert "is at work" in host.run([LAUNCHER, "rollback", "--yes"], check=False).stderr
        host.run("pkill -CONT -f '[w]izard.applier'")
        assert terminal.wait(30) == 0


def _look(host: Machine) -> None:
    for look in (["status"], ["status", "--json"], ["plan", "-p", _FILE], ["policy"], ["history"]):
        assert host.run([LAUNCHER, *look]).status == 0


@contextmanager
def _held(host: Machine) -> Iterator[None]:
    """Hold the lock as a run with the process number 4711 would."""
    host.run(
        "mkdir -p /var/lib/postfix-auth; echo 4711 >/var/lib/postfix-auth/lock; "
        "setsid flock /var/lib/postfix-auth/lock sleep 1000 >/dev/null 2>&1 & sleep 0.2"
    )
    yield
    host.run("pkill -x flock; pkill -fx 'sleep 1000'", check=False)


def test_nobodys_edit_is_rolled_over(host: Machine) -> None:
    host.run(_APPLY)
    host.run("postconf -e message_size_limit=20480000; sed -i '3s/PLAIN //' /etc/postfix/sasl/smtpd.conf")
    done = host.run([LAUNCHER, "rollback", "--yes"], check=False)
    assert done.status == 3
    assert "  /etc/postfix/sasl/smtpd.conf, line 3\n" in done.stderr
    assert "main.cf" not in done.stderr
    assert _listens(host, 587)
    host.run("sed -i '3s/LOGIN/PLAIN LOGIN/' /etc/postfix/sasl/smtpd.conf; chmod 640 /etc/postfix/main.cf")
    assert "mode 0640; it was mode 0644" in host.run([LAUNCHER, "status"]).stdout
    host.run([LAUNCHER, "rollback", "--yes"])
    assert not _listens(host, 587)
    assert (
        host.run("postconf -h message_size_limit; stat -c %a /etc/postfix/main.cf").stdout
        == "20480000\n640\n"
    )


def test_a_change_after_the_review_stops_it(host: Machine) -> None:
    with host.interactive([LAUNCHER, "apply", "-p", _FILE]) as terminal:
        terminal.expect("Apply this")
        host.run("echo '# mine' >>/etc/postfix/main.cf")
        terminal.send("y\r")
        terminal.expect("main.cf was changed since the plan was made")
        assert terminal.wait() == 3
    assert not _listens(host, 587)
    assert _states(host) == []


def test_an_interrupted_one_comes_first(host: Machine) -> None:
    before = host.run(_SEEN).stdout
    with host.interactive(_APPLY) as terminal:
        terminal.expect(r"\[4/\d+\]")
        host.run("pkill -KILL -f '[w]izard.applier'")
        terminal.expect("the process that changes this host has ended")
        assert terminal.wait() == 1
    done = host.run(_APPLY, check=False)
    assert done.status == 3
    assert "postfix-auth rollback" in done.stderr
    assert "half-way" in host.run([LAUNCHER, "status"]).stdout.partition("\n")[0]
    assert "half-way" in host.run([LAUNCHER, "plan", "-p", _FILE]).stdout
    host.run([LAUNCHER, "rollback", "--yes"])
    assert host.run(_SEEN).stdout == before
    assert host.run(_APPLY).status == 0
