"""A policy is changed on a serving host, and nobody who connects meanwhile is turned away."""

from __future__ import annotations

import re

from tests.machines.knocking import knocking
from tests.machines.machine import LAUNCHER, Machine

_FILE = "/root/policy.toml"
_CONF = "/etc/postfix/sasl/smtpd.conf"
_POLICY = """
[backend]
type = "{backend}"
[mechanisms]
offer = ["PLAIN", "LOGIN"]
outlook_compatible = {outlook}
[tls]
source = "self-signed"
names = ["mail.example.net"]
[submission]
auth_on_smtp = {smtp}
"""


def _apply(
    machine: Machine, *, backend: str = "auxprop-sasldb", outlook: bool = False, smtp: bool = False
) -> str:
    policy = _POLICY.format(backend=backend, outlook=str(outlook).lower(), smtp=str(smtp).lower())
    machine.write_file(_FILE, policy)
    return machine.run([LAUNCHER, "apply", "-p", _FILE, "--yes"]).stdout


def test_where_a_reload_is_enough_nobody_is_refused(machine: Machine) -> None:
    _apply(machine)
    with knocking(machine) as found:
        said = _apply(machine, outlook=True) + _apply(machine, smtp=True) + _apply(machine)
        for _ in range(2):
            said += machine.run([LAUNCHER, "rollback", "--yes"]).stdout
    assert "was away" not in said
    assert found.refused == 0
    assert found.silent == 0
    assert found.tried > 300


def test_what_must_be_restarted_is_said_before_and_measured(machine: Machine) -> None:
    _apply(machine, backend="saslauthd-pam")
    machine.write_file(_FILE, _POLICY.format(backend="saslauthd-shadow", outlook="false", smtp="false"))
    assert "restart saslauthd" in machine.run([LAUNCHER, "plan", "-p", _FILE]).stdout
    with knocking(machine) as found:
        said = machine.run([LAUNCHER, "apply", "-p", _FILE, "--yes"]).stdout
    assert re.search(r"saslauthd was away for \d\.", said)
    # it is only the log-ins that wait: the ports stay open
    assert found.refused == 0
    assert found.silent == 0
    # what a reload can't bring back either: an smtpd that master does not try for a minute
    machine.run(f"sed -i 's/^mech_list.*/mech_list: PLAIN,LOGIN/' {_CONF} && postfix reload")
    machine.run(
        "for _ in 1 2; do sleep 1 | timeout 5 openssl s_client -starttls smtp -connect 127.0.0.1:587; done",
        check=False,
    )
    said = machine.run([LAUNCHER, "apply", "-p", _FILE, "--yes"]).stdout
    assert "postfix was away for" in said
    assert "a reload did not bring it back" in said
