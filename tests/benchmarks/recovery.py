"""What it costs to be careful: a rehearsal beside its tests, a policy change beside a restart."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from tests.benchmarks.measure import Figure, in_turn, seconds
from tests.machines.images import Kind
from tests.machines.knocking import knocking
from tests.machines.machine import LAUNCHER, Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.machines.images import Debian

_RUNS = 3
_POLICY, _CHANGED = "/root/policy.toml", "/root/changed.toml"
_WANTED = """
[tls]
source = "self-signed"
names = ["mail.example.net"]
[submission]
[mechanisms]
offer = ["PLAIN", "LOGIN"]
outlook_compatible = {outlook}
[backend]
type = "{backend}"
"""


def figures(debian: Debian) -> Iterator[Figure]:
    """Measure on a machine that serves mail as the program has set it up."""
    with Machine(debian, Kind.MAIL) as machine:
        machine.write_file(_POLICY, _WANTED.format(outlook="false", backend="auxprop-sasldb"))
        machine.write_file(_CHANGED, _WANTED.format(outlook="true", backend="auxprop-sasldb"))
        machine.run([LAUNCHER, "apply", "-p", _POLICY, "--yes"])
        yield _rehearsal(machine)
        yield _refused(machine)
        yield _gap(machine)


def _rehearsal(machine: Machine) -> Figure:
    rehearse, test = in_turn(
        _RUNS,
        partial(seconds, machine, LAUNCHER, "rehearse", "-p", _CHANGED),
        partial(seconds, machine, LAUNCHER, "test"),
    )
    return Figure("rehearse, beyond its tests", "s", rehearse - test, "the tests alone", test, "under 3 s")


def _refused(machine: Machine) -> Figure:
    with knocking(machine) as changing:
        machine.run([LAUNCHER, "apply", "-p", _CHANGED, "--yes"])
    with knocking(machine) as restarting:
        machine.run("systemctl restart postfix")
    what = f"connections refused while a policy is changed, of {changing.tried}"
    peer = f"systemctl restart postfix, of {restarting.tried}"
    return Figure(what, "", changing.refused, peer, restarting.refused, "none")


def _gap(machine: Machine) -> Figure:
    """Let saslauthd be restarted, which a new mechanism of its own takes."""
    for backend in ("saslauthd-pam", "saslauthd-shadow"):
        machine.write_file(_POLICY, _WANTED.format(outlook="true", backend=backend))
        said = machine.run([LAUNCHER, "apply", "-p", _POLICY, "--yes"]).stdout
    away = re.search(r"was away for ([0-9.]+) s", said)
    began = "date +%s.%N; systemctl restart saslauthd; date +%s.%N"
    start, stop = map(float, machine.run(began).stdout.split())
    return Figure(
        "saslauthd away, when it must be restarted", "s", float(away[1] if away else 0),
        "systemctl restart saslauthd", stop - start,
    )  # fmt: skip
