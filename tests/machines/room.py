"""A private place for mounts and network interfaces that vanishes with one process.

Everything a machine needs on this host is set up in such a room: when the test ends, fails or is killed, the
kernel ends the room's process, and with it every mount, tmpfs, interface and route that was made in it.
"""

from __future__ import annotations

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

    Its children first: nsenter then reaps what it started on a machine, which nobody else would do.
    """
    if process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Room:
    """A mount namespace and a network namespace, held by one sleeping process."""

    def __init__(self, script: str, *arguments: str) -> None:
        """Open the room and run a shell ``script`` in it, with ``arguments`` as $1 and so on.

        Raises:
            MachineError: with what the script said, when it fails.

        """
        self._process = subprocess.Popen(
            [*DIES_WITH_US, "unshare", "--mount", "--net", "--propagation", "private",
             "sh", "-euc", f"ip link set lo up; {script}\necho ready; exec sleep infinity", "sh", *arguments],
            env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        said = self._first_words()
        if not said.endswith("ready\n"):
            self.close()
            raise MachineError(f"the room could not be opened: {said}")

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
    def pid(self) -> int:
        """Return the id of the process that holds the room."""
        return self._process.pid

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
        self._process.kill()
        self._process.wait()
