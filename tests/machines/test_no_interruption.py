"""A policy is changed on a serving host, and nobody who connects meanwhile is turned away."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.machines.machine import LAUNCHER, Machine
from tests.machines.room import end

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILE = "/root/policy.toml"
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
#: Connects to each port every few milliseconds and waits for the greeting of every tenth connection.
_KNOCKER = """
import json, select, socket, sys, time
ports, tried, refused, silent = [25, 587, 465], 0, [], []
print("knocking", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for port in ports:
        tried += 1
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                if port != 465 and tried % 10 == 0 and not connection.recv(100).startswith(b"220"):
                    silent.append(port)
        except OSError as error:
            refused.append([port, str(error)])
        time.sleep(0.002)
print(json.dumps({"tried": tried, "refused": refused, "silent": silent}), flush=True)
"""


def _apply(
    machine: Machine, *, backend: str = "auxprop-sasldb", outlook: bool = False, smtp: bool = False
) -> str:
    policy = _POLICY.format(backend=backend, outlook=str(outlook).lower(), smtp=str(smtp).lower())
    machine.write_file(_FILE, policy)
    return machine.run([LAUNCHER, "apply", "-p", _FILE, "--yes"]).stdout


@contextmanager
def _knocking(machine: Machine) -> Iterator[dict[str, list[object]]]:
    found: dict[str, list[object]] = {}
    with machine.popen(["python3", "-c", _KNOCKER]) as knocker:
        try:
            assert knocker.stdin
            assert knocker.stdout
            assert knocker.stdout.readline() == b"knocking\n"
            yield found
            knocker.stdin.close()
            found |= json.loads(knocker.stdout.readline())
        finally:
            end(knocker)


def test_where_a_reload_is_enough_nobody_is_refused(machine: Machine) -> None:
    _apply(machine)
    with _knocking(machine) as found:
        said = _apply(machine, outlook=True) + _apply(machine, smtp=True) + _apply(machine)
    assert "was away" not in said
    assert found["refused"] == []
    assert found["silent"] == []
    assert int(str(found["tried"])) > 300


def test_what_must_be_restarted_is_said_before_and_measured(machine: Machine) -> None:
    _apply(machine, backend="saslauthd-pam")
    machine.write_file(_FILE, _POLICY.format(backend="saslauthd-shadow", outlook="false", smtp="false"))
    assert "restart saslauthd" in machine.run([LAUNCHER, "plan", "-p", _FILE]).stdout
    with _knocking(machine) as found:
        said = machine.run([LAUNCHER, "apply", "-p", _FILE, "--yes"]).stdout
    assert "saslauthd was away for 0." in said
    # it is only the log-ins that wait: the ports stay open
    assert found["refused"] == []
    assert found["silent"] == []
