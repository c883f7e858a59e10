"""A private place for mounts and network interfaces that vanishes with one process.

Everything a machine needs on this host is set up in such a room, and it runs in it: when the test ends, fails
or is killed, the kernel ends the room's process, and with it every process, mount, interface and route in it.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The kernel kills the program behind this when the one that started it dies, however that dies.
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
ENVIRONMENT = {"PATH": PATH, "LC_ALL": "C.UTF-8"}


class MachineError(Exception):
    """A machine, or a command that was to succeed on it, failed."""


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and all that it started, but not the daemons that it left behind.

    The last that was started goes first: nsenter must live to reap what it started on a machine, for nobody
    else would.
    """
    while process.poll() is None:
        top = psutil.Process(process.pid)
        for child in reversed(top.children(recursive=True) or [top]):
            with suppress(psutil.NoSuchProcess):
                child.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)


class Room:
    """A mount, a network and a process namespace, held by one sleeping process."""

    def __init__(self, script: str, *arguments: str) -> None:
        """Open the room and run a shell ``script`` in it, with ``arguments`` as $1 and so on.

        Raises:
            MachineError: with what the script said, when it fails.

        """
        self._process = subprocess.Popen(
            [*DIES_WITH_US, "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
             "--propagation", "private",
             "sh", "-euc", f"ip link set lo up; {script}\necho ready; exec sleep infinity", "sh", *arguments],
            env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        self.pid = 0
        said = self._first_words()
        if not said.endswith("ready\n"):
            self.close()
            raise MachineError(f"the room could not be opened: {said}")
        self.pid = psutil.Process(self._process.pid).children()[0].pid  # of the process that holds the room

    def _first_words(self) -> str:
        assert self._process.stdout is not None
        said = ""
        with self._process.stdout as out:
            for line in out:
                said += line.decode()
                if line == b"ready\n":
                    break
        return said

    @property
    def network(self) -> str:
        """Return the path of the network namespace."""
        return f"/proc/{self.pid}/ns/net"

    def path(self, path: Path) -> Path:
        """Return where ``path`` of this room can be reached from outside (never follow links there)."""
        return Path(f"/proc/{self.pid}/root{path}")

    def run(self, *argv: str) -> None:
        """Run a program of this host in the room.

        Raises:
            MachineError: when it fails.

        """
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "-n", *argv],
            env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise MachineError(f"{' '.join(argv)}: {done.stderr.strip()}")

    def close(self) -> None:
        """End the room and all that was set up in it."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)  # unshare ends when the last process in the room is gone
        else:
            self._process.kill()
        self._process.wait()
