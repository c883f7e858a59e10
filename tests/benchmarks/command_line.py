"""The command line beside Ansible, and beside what Python itself costs."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING

from tests.benchmarks import ansible
from tests.benchmarks.measure import Figure, in_turn, seconds
from tests.machines.images import VENV, Kind
from tests.machines.machine import LAUNCHER, Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.machines.images import Debian

_RUNS = 7
_APPLIES = 3
_POLICY = "/root/policy.toml"
_PASSWORD = "/root/relay.password"
_PYTHON = (f"{VENV}/bin/python", "-c", "pass")

#: Everything at once, so that about ten parameters of main.cf are pending, and master.cf and more besides.
_WANTED = f"""
[backend]
type = "auxprop-sasldb"
[mechanisms]
[tls]
source = "self-signed"
names = ["mail.example.net"]
[submission]
[smarthost]
host = "smtp.example.com"
user = "relay"
password_file = "{_PASSWORD}"
"""


def figures(debian: Debian) -> Iterator[Figure]:
    """Measure on a machine with Postfix and SASL as ``debian`` installs them."""
    with Machine(debian, Kind.MAIL) as machine:
        machine.write_file(_POLICY, _WANTED)
        machine.write_file(_PASSWORD, "secret\n", 0o600)
        yield from _plan(machine)
        yield from _others(machine)
    yield _apply(debian)


def _plan(machine: Machine) -> Iterator[Figure]:
    parameters = _pending(machine)
    ansible.install(machine, parameters)
    commands = ((LAUNCHER, "plan", "-p", _POLICY), ansible.USUAL, ansible.SPARED)
    ours, usual, spared = in_turn(_RUNS, *(partial(seconds, machine, *argv) for argv in commands))
    what = f"plan, {len(parameters)} parameters and more"
    yield Figure(what, "s", ours, ansible.NAME, usual, "20 times less")
    yield Figure(what, "s", ours, f"{ansible.NAME}, without facts", spared)


def _pending(machine: Machine) -> dict[str, str]:
    """Return the parameters of main.cf that the plan would set, with their values."""
    said = machine.run([LAUNCHER, "plan", "-p", _POLICY, "--json"]).stdout
    diffs = [c["diff"] for c in json.loads(said)["changes"] if c["target"] == "/etc/postfix/main.cf"]
    return dict(re.findall(r"^\+(\w+) *= *(.*)$", "\n".join(diffs), re.MULTILINE))


def _others(machine: Machine) -> Iterator[Figure]:
    for name in ("--version", "status", "policy"):
        measured = [partial(seconds, machine, *argv) for argv in ((LAUNCHER, name), _PYTHON)]
        ours, theirs = in_turn(_RUNS, *measured)
        yield Figure(name, "s", ours, "python -c pass", theirs)


def _apply(debian: Debian) -> Figure:
    """Measure from the start to the last test that is green; every run wants a fresh machine."""

    def once() -> float:
        with Machine(debian, Kind.MAIL) as machine:
            machine.write_file(_POLICY, _WANTED.partition("[smarthost]")[0])
            return seconds(machine, LAUNCHER, "apply", "-p", _POLICY, "--yes")

    (ours,) = in_turn(_APPLIES, once)
    return Figure("apply, and all tests green", "s", ours)
