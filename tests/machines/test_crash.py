"""Killed at any durable step of an apply or a rollback, the host ends as it was or as it was reviewed.

strace(1) kills the process that applies at the Nth call of one kind: each time it has brought something to
the disk, given a file its name, its owner or its mode, removed one, or started a program.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tests.machines.images import HOME, VENV, Debian, Kind
from tests.machines.machine import LAUNCHER, Machine
from tests.machines.thorough import THOROUGH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.machines.conftest import Boot

_FEW = 26  # points of an apply, and of a rollback, on each release
_FILE = "/root/policy.toml"
_POLICY = """
[backend]
type = "saslauthd-shadow"
[tls]
source = "self-signed"
names = ["mail.example.net"]
[submission]
[smarthost]
host = "relay.example.net"
user = "user"
password_file = "/root/password"
"""
_CALLS = (
    *("fsync", "rename", "unlink", "fchown", "chown", "fchmod", "chmod"),
    *("mkdir", "rmdir", "symlink", "link", "vfork"),
)
#: Runs one apply or rollback with the process that does it under strace. Arguments: what, strace's options.
_DRIVER = """
import subprocess, sys, time
from pathlib import Path
from wizard import applying, engine, journal, policyfile
from wizard.root import Root
what, *options = sys.argv[1:]
start = subprocess.Popen
applying.subprocess.Popen = lambda argv, **more: start(["strace", "-qq", *options, *argv], **more)
root = Root()
if what == "apply":
    plan = engine.plan(policyfile.load(Path("/root/policy.toml")), engine.observe(root))
    handle = applying.start(plan, root, test=False)
else:
    handle = applying.roll_back(journal.find(root), root)
while not handle.finished:
    time.sleep(0.02)
events = handle.poll()
print(handle.exit_code)
"""
_SEEN = r"""
cd / && find etc var/spool/postfix/var var/spool/postfix/etc var/spool/postfix/sasl* \
    \( -name 'group*' -o -name 'gshadow*' -o -name '*.lock' -o -name '.pwd.lock' \) -prune \
    -o -printf '%p %y %l %u:%g %m\n' 2>/dev/null | grep -v 'saslauthd/' | sort
find etc -xdev -type f ! -name 'group*' ! -name 'gshadow*' -print0 | sort -z | xargs -0 md5sum
getent group; dpkg-statoverride --list
find / -xdev -name '*postfix-auth-*' ! -path '/var/lib/*' ! -path '/opt/*'
"""


def _run(machine: Machine, what: str, *options: str) -> str:
    done = machine.run([f"{VENV}/bin/python", "-c", _DRIVER, what, *options], check=False, env=_ENVIRONMENT)
    return done.stdout.strip()


_ENVIRONMENT = {"PYTHONPATH": "/opt/postfix-auth", "PYTHONPYCACHEPREFIX": f"{HOME}/pycache"}


def _points(machine: Machine, what: str) -> Iterator[tuple[str, int]]:
    """Yield each kind of call with each of its numbers, as a whole run makes them, Python's cache apart."""
    assert _run(machine, what, "-o", "/run/calls", "-e", f"trace={','.join(_CALLS)}") == "0"
    made = re.findall(r"^(\w+)\(", machine.read_file("/run/calls"), re.MULTILINE)
    for call in dict.fromkeys(made):
        for number in range(1, made.count(call) + 1):
            yield call, number


def _kill_at(call: str, number: int) -> tuple[str, ...]:
    return ("-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}")


def _states(machine: Machine) -> list[str]:
    found = json.loads(machine.run([LAUNCHER, "history", "--json"]).stdout)
    return [checkpoint["state"] for checkpoint in found["checkpoints"]]


def test_killed_at_every_durable_step(machine: Machine, debian: Debian) -> None:
    half = list(Debian).index(debian)
    machine.write_file(_FILE, _POLICY)
    machine.write_file("/root/password", "relay secret\n", mode=0o600)
    before = machine.run(_SEEN).stdout
    for what in ("apply", "rollback"):  # what Python compiles is no step of ours
        assert _run(machine, what, "-e", "trace=none") == "0"
    there = list(_points(machine, "apply"))
    reviewed = machine.run(_SEEN).stdout
    back = list(_points(machine, "rollback"))
    assert machine.run(_SEEN).stdout == before
    every = len(there) + len(back)
    there, back = _share(there, half), _share(back, half)
    for point in there:
        _run(machine, "apply", *_kill_at(*point))
        if _states(machine)[-1:] == ["kept"]:
            assert _without_new(machine.run(_SEEN).stdout) == _without_new(reviewed), point
        _recover(machine, before, f"apply killed at {point}")
    for point in back:
        assert _run(machine, "apply", "-e", "trace=none") == "0", point
        _run(machine, "rollback", *_kill_at(*point))
        _recover(machine, before, f"rollback killed at {point}")
    machine.wait_for_port(25)
    print(f"{len(there)} points of an apply and {len(back)} of a rollback survived, of {every}")  # noqa: T201
    assert len(there) + len(back) >= 50  # on each of two releases, and no point on both


def _share(points: list[tuple[str, int]], half: int) -> list[tuple[str, int]]:
    """Return the points that one of two releases takes: all of its half, or as many as there is time for."""
    mine = points[half::2]
    few = len(mine) if THOROUGH else min(_FEW, len(mine))
    return [mine[at * len(mine) // few] for at in range(few)]


def _without_new(seen: str) -> str:
    """Leave out what is new each time: the certificate and its key, the built table."""
    return re.sub(r"\w+  etc/postfix/(tls/.*|sasl_passwd.db)\n", "", seen)


def _recover(machine: Machine, before: str, what: str) -> None:
    machine.run([LAUNCHER, "rollback", "--yes"], check=False)
    now = machine.run(_SEEN).stdout
    assert now == before, f"{what}: {_difference(before, now)}"
    assert not {"applying", "rolling back", "stuck", "kept"}.intersection(_states(machine)), what
    assert machine.run(["postfix", "status"], check=False).status == 0, what


def _difference(before: str, now: str) -> list[str]:
    return sorted(set(before.splitlines()) ^ set(now.splitlines()))


_RUNNING = "ps -eo args= | grep '[s]aslauthd' | sort -u; ss -Hltn | awk '{print $4}' | sort -u"


def test_the_power_fails(machine: Machine) -> None:
    """What boots in between runs with the new files; afterwards it runs with those of before again."""
    machine.write_file(_FILE, _POLICY)
    machine.write_file("/root/password", "relay secret\n", mode=0o600)
    for first in ("true", "systemctl enable --now saslauthd"):
        machine.run(first)
        before, running = machine.run(_SEEN).stdout, machine.run(_RUNNING).stdout
        starts = [point for point in _points(machine, "apply") if point[0] == "vfork"]
        _recover(machine, before, "applied")
        for point in (starts[0], starts[len(starts) // 2], *starts[-3:]):
            _run(machine, "apply", *_kill_at(*point))
            machine.kill()
            machine.boot()
            machine.wait_for_port(25)
            _recover(machine, before, f"power lost at {point}")
            assert machine.run(_RUNNING).stdout == running, point


#: What dpkg and apt know, and what debconf was told.
_PACKAGES = "dpkg-query -Wf '${Package} ${Status}\\n'; apt-mark showauto; debconf-show postfix; dpkg --audit"
#: Applies, and kills who does as soon as a program runs that $1 describes; that one goes on.
_KILL_AT = rf"""
setsid {LAUNCHER} apply -p {_FILE} --yes --no-test >/root/said 2>&1 &
until pgrep -f "$1" >/run/seen; do :; done
kill -9 $(pgrep -f '[w]izard.applier')
"""
_UNPACKING = "[d]pkg-deb .*--fsys-tarfile"
_INSTALLING = ("[a]pt-get .*--no-remove install", "[d]pkg .*--unpack", "[d]pkg .*--configure")


def test_killed_while_packages_are_installed(boot: Boot) -> None:
    machine = boot(Kind.READY, internet=True)
    machine.write_file(_FILE, _POLICY)
    machine.write_file("/root/password", "relay secret\n", mode=0o600)
    machine.run("apt-get -q update", timeout=200)
    before = machine.run(_PACKAGES).stdout
    for program in _INSTALLING:
        machine.run(["bash", "-c", _KILL_AT, "bash", program], timeout=200)
        done = machine.run([LAUNCHER, "rollback", "--yes"], check=False, timeout=300)
        assert (done.status, _states(machine)[-1]) == (0, "rolled back"), (program, done)
        now = machine.run(_PACKAGES).stdout
        assert now == before, (program, _difference(before, now))
    # half a package, which dpkg neither configures nor removes without more ado
    with machine.interactive([LAUNCHER, "apply", "-p", _FILE, "--yes", "--no-test"]):
        machine.run(
            ["bash", "-c", 'until pgrep -f "$1" >/run/seen; do :; done', "bash", _UNPACKING], timeout=100
        )
        machine.kill()
    machine.boot()
    machine.run([LAUNCHER, "rollback", "--yes"], timeout=300)
    now = machine.run(_PACKAGES).stdout
    assert now == before, _difference(before, now)


def test_packages_of_others_stay(boot: Boot) -> None:
    machine = boot(Kind.READY, internet=True)
    machine.write_file(_FILE, _POLICY)
    machine.write_file("/root/password", "relay secret\n", mode=0o600)
    machine.run("apt-get -q update", timeout=200)
    machine.run([LAUNCHER, "apply", "-p", _FILE, "--yes", "--no-test"], timeout=200)
    install = "apt-get -q -y install --no-install-recommends"
    machine.run(f"{install} lua5.4 postfix-sqlite", timeout=200)
    refused = machine.run([LAUNCHER, "rollback", "--yes"], check=False, timeout=200)
    assert "postfix would go, and with it postfix-sqlite; remove that first" in refused.stderr, refused
    machine.run("apt-get -q -y purge postfix-sqlite", timeout=200)
    machine.run([LAUNCHER, "rollback", "--yes"], timeout=200)
    there = machine.run("dpkg-query -Wf '${Package} ${Status}\\n'").stdout
    assert "lua5.4 install ok installed" in there
    assert not re.search(r"^(postfix|sasl2-bin) ", there, re.MULTILINE), there
