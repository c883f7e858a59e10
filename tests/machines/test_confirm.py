"""Confirm or revert: what nobody has confirmed in time is taken back, whatever has happened in between."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.machines.images import Kind
from tests.machines.machine import LAUNCHER, Machine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.machines.conftest import Boot

pytestmark = pytest.mark.either_release

_FILE = "/root/policy.toml"
_POLICY = """
[backend]
type = "auxprop-sasldb"
[tls]
source = "self-signed"
names = ["mail.example.net"]
[submission]
"""
_UNIT = "/etc/systemd/system/postfix-auth-keeper.service"
_SEEN = """
cd / && find etc/postfix etc/systemd etc/sasldb2 -printf '%p %l %u:%g %m\\n' | sort
find etc/postfix etc/systemd -type f | sort | xargs md5sum; getent group sasl; cat etc/sasldb2 | md5sum
"""


@pytest.fixture(params=["systemd", "no init"])
def host(request: pytest.FixtureRequest, boot: Boot) -> Machine:
    machine = boot(Kind.MAIL, init=request.param == "systemd")
    machine.write_file(_FILE, _POLICY)
    return machine


def _apply(host: Machine, seconds: int) -> None:
    if not host.exists("/run/systemd/system"):
        host.run("postfix start")
    done = host.run([LAUNCHER, "apply", "-p", _FILE, "--yes", "--confirm", str(seconds)])
    assert f"taken back in {seconds} s unless you confirm" in done.stdout


def _state(host: Machine) -> str:
    found = json.loads(host.run([LAUNCHER, "history", "--json"]).stdout)
    return str(found["checkpoints"][-1]["state"])


def _until(host: Machine, state: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while (now := _state(host)) != state:
        assert time.monotonic() < deadline, now
        time.sleep(0.2)


def _taken_back(host: Machine, before: str) -> None:
    _until(host, "rolled back")
    host.wait_for_port(25)
    assert host.run(_SEEN).stdout == before
    assert not host.run("ss -Hltn 'sport = :587'").stdout
    assert not host.exists(_UNIT)


def test_confirmed_it_is_kept(host: Machine) -> None:
    _apply(host, 6)
    assert _state(host) == "applied"
    refused = host.run([LAUNCHER, "apply", "-p", _FILE, "--yes"], check=False)
    assert refused.status == 3
    assert "waits: postfix-auth confirm keeps it" in refused.stderr
    assert "is kept" in host.run([LAUNCHER, "confirm"]).stdout
    time.sleep(7)
    assert _state(host) == "kept"
    assert host.run("ss -Hltn 'sport = :587'").stdout
    assert not host.exists(_UNIT)
    assert host.run([LAUNCHER, "confirm"], check=False).status == 2


def test_unconfirmed_it_is_taken_back(host: Machine) -> None:
    before = host.run(_SEEN).stdout
    _apply(host, 5)
    # what somebody does meanwhile is theirs
    host.run("echo '# hand made' >>/etc/postfix/master.cf; sed -i '3s/PLAIN //' /etc/postfix/sasl/smtpd.conf")
    _until(host, "rolled back")
    assert host.read_file("/etc/postfix/master.cf").endswith("\n# hand made\n")
    saved = "/etc/postfix/sasl/smtpd.conf.postfix-auth-saved"
    assert f"is kept in {saved}" in host.run([LAUNCHER, "history"]).stdout
    assert "mech_list: SCRAM-SHA-256 LOGIN" in host.read_file(saved)
    host.run(f"rm {saved}; sed -i '/^# hand made$/d' /etc/postfix/master.cf")
    _taken_back(host, before)


def test_no_on_the_terminal_takes_it_back_at_once(host: Machine) -> None:
    before = host.run(_SEEN).stdout
    host.run("postfix status || postfix start")
    with host.interactive([LAUNCHER, "apply", "-p", _FILE, "--yes", "--confirm", "600"]) as terminal:
        terminal.send("y\r")  # before the question it answers nothing
        terminal.expect("Keep these settings", timeout=30)
        terminal.send("n\r")
        assert terminal.wait(30) == 1
    _taken_back(host, before)


def test_a_lost_line_is_no_confirmation(host: Machine) -> None:
    before = host.run(_SEEN).stdout
    host.run("postfix status || postfix start")
    with host.interactive([LAUNCHER, "apply", "-p", _FILE, "--yes", "--confirm", "4"]) as terminal:
        terminal.expect("Keep these settings", timeout=30)
        terminal.hang_up()
    _taken_back(host, before)


def test_killed_in_the_middle_it_is_taken_back(host: Machine) -> None:
    before = host.run(_SEEN).stdout
    host.run("postfix status || postfix start")
    in_the_middle = (
        "until grep -q net.pem /etc/postfix/main.cf; do :; done; pkill -KILL -f '[w]izard.applier'"
    )
    died = host.run(f"({in_the_middle}) & {LAUNCHER} apply -p {_FILE} --yes --confirm 60", check=False)
    assert died.status == 1
    _taken_back(host, before)


@pytest.mark.parametrize("comes", [("confirm",), ("apply", "-p", _FILE, "--yes")])
def test_without_its_keeper_it_is_taken_back_once_somebody_comes(boot: Boot, comes: Sequence[str]) -> None:
    host = boot(Kind.MAIL, init=False)
    host.write_file(_FILE, _POLICY)
    before = host.run(_SEEN).stdout
    _apply(host, 2)
    host.run("pkill -KILL -f '[w]izard.keeper'; sleep 2.5")
    assert _state(host) == "applied"
    assert host.run([LAUNCHER, *comes], check=False).status in (2, 3)
    _taken_back(host, before)


def test_a_killed_program_is_no_confirmation(machine: Machine) -> None:
    machine.write_file(_FILE, _POLICY)
    before = machine.run(_SEEN).stdout
    _apply(machine, 4)
    machine.run("pkill -KILL -f '[w]izard.keeper'")
    _taken_back(machine, before)


@pytest.mark.parametrize("seconds", [1, 8])
def test_a_reboot_is_no_confirmation(machine: Machine, seconds: int) -> None:
    machine.write_file(_FILE, _POLICY)
    before = machine.run(_SEEN).stdout
    _apply(machine, seconds)
    machine.kill()
    machine.boot()
    _taken_back(machine, before)
