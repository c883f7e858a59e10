"""Looks for canary passwords on a machine: in processes, what they write, every file, the journal."""

from __future__ import annotations

import base64
import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.machines.room import end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.machines.machine import Machine

_TRACE = "/root/trace"
_CALLS = (
    "execve,execveat,openat,umask,write,pwrite64,writev,pwritev,sendto,sendmsg,fchown,fchmod,memfd_create"
)

#: Looks at every process again and again until its input ends; then prints what it saw. Given: the patterns.
_WATCHER = """
import json, os, select, sys
patterns = [pattern.encode() for pattern in json.loads(sys.stdin.readline())]
print("watching", flush=True)
seen, dumps, rounds = set(), {}, 0
while not select.select([sys.stdin], [], [], 0)[0]:
    rounds += 1
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = open(f"/proc/{pid}/cmdline", "rb").read()
            around = open(f"/proc/{pid}/environ", "rb").read()
            if b"wizard.applier" in command or b"wizard.shadow" in command:
                dumps[pid] = open(f"/proc/{pid}/limits").read().split("core file size")[1].split()[0]
        except OSError:
            continue
        if any(pattern in command + around for pattern in patterns):
            seen.add(command.replace(b"\\0", b" ").decode(errors="replace"))
print(json.dumps({"rounds": rounds, "seen": sorted(seen), "dumps": dumps}))
"""


def patterns(*canaries: str) -> list[str]:
    """Return how ``canaries`` (of letters, digits and ``-``) look in clear and in base 64."""
    found = list(canaries)
    for canary in canaries:
        for shift in range(3):
            encoded = base64.b64encode(b"." * shift + canary.encode()).decode().rstrip("=")
            # the first and the last characters also depend on what is around
            found.append(encoded[(0, 2, 3)[shift] : -1])
    return found


@contextmanager
def watched(machine: Machine, *canaries: str) -> Iterator[None]:
    """Look at every process's arguments and environment meanwhile; none may show one of the ``canaries``.

    Whoever applies must also have switched core dumps off.
    """
    with machine.popen(["python3", "-c", _WATCHER]) as watcher:
        assert watcher.stdin and watcher.stdout
        try:
            watcher.stdin.write(json.dumps(patterns(*canaries)).encode() + b"\n")
            watcher.stdin.flush()
            assert watcher.stdout.readline() == b"watching\n"
            yield
            told, _ = watcher.communicate(timeout=20)
        finally:
            end(watcher)
    found = json.loads(told)
    assert found["rounds"] > 50
    assert found["seen"] == []
    assert set(found["dumps"].values()) == {"0"}


def traced(*argv: str) -> tuple[str, ...]:
    """Return the command line that runs ``argv`` and keeps what it and all that it starts do and write."""
    return ("strace", "-f", "-qq", "-v", "-y", "-s", "9999999", "-e", f"trace={_CALLS}", "-o", _TRACE, *argv)


def trace(machine: Machine) -> list[str]:
    """Return what was traced, a line a call, and remove it from the machine."""
    lines = machine.run(["cat", _TRACE]).stdout.splitlines()
    machine.run(["rm", _TRACE])
    return lines


def written_to(lines: list[str], *canaries: str) -> set[str]:
    """Return where the traced programs have written one of the ``canaries``: paths, ``pipe``, ``TCP`` ...

    What is random in a name is left out. Fails when one was an argument or in an environment.
    """
    wanted = patterns(*canaries)
    found = set()
    for line in lines:
        if any(pattern in line for pattern in wanted):
            place = re.match(r"\d+ +\w+\(\d+<([^>]*)>", line)
            assert place, line
            found.add(
                re.sub(r"(?<=\.postfix-auth-)\w{16}|(?<=/postfix-auth\.)\w+|(?<=:)\[?\d+.*", "*", place[1])
            )
    return found


def files_with(machine: Machine, *canaries: str) -> set[str]:
    """Return every file on the machine, memory file systems included, that holds one of the ``canaries``."""
    found = machine.run(
        "grep -rlaFs -D skip --exclude-dir=proc --exclude-dir=sys -f /dev/stdin / /dev/shm",
        stdin="".join(f"{pattern}\n" for pattern in patterns(*canaries)),
        timeout=120,
        check=False,
    )
    return set(found.stdout.splitlines())
