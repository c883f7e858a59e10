"""Using a machine: commands, files, a terminal, the journal, all through the namespaces of its process 1."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.machines.images import VENV
from tests.machines.room import DIES_WITH_US, ENVIRONMENT, PATH, MachineError, end
from tests.machines.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ENVIRONMENT = {"PATH": PATH, "LANG": "C.UTF-8", "HOME": "/root", "USER": "root", "SHELL": "/bin/sh"}


@dataclass(frozen=True, slots=True)
class Result:
    """How a command on a machine ended."""

    status: int
    stdout: str
    stderr: str


class Inside:
    """What can be done on a running machine."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Remember what every command finds in its ``environment`` beside the usual."""
        self._environment = {**_ENVIRONMENT, **environment}
        self.pid = 0  # of the machine's process 1, as this host sees it

    def _inside(self, argv: Sequence[str] | str, user: str, env: Mapping[str, str] | None) -> list[str]:
        """Return the command line on this host that runs ``argv`` on the machine."""
        variables = [f"{name}={value}" for name, value in {**self._environment, **(env or {})}.items()]
        become = ["runuser", "-u", user, "--"] if user != "root" else []
        enter = ["nsenter", "-t", str(self.pid), "-a", "env", "-i", *variables, *DIES_WITH_US]
        return [*enter, *become, *_words(argv)]

    def run(
        self,
        argv: Sequence[str] | str,
        *,
        stdin: str | bytes = b"",
        timeout: float = 60.0,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        user: str = "root",
    ) -> Result:
        """Run a command (or a line of shell) on the machine and wait for it, at most ``timeout`` seconds.

        It starts in / with a clean environment plus ``env``. It may leave daemons behind.

        Raises:
            MachineError: when it takes too long, or with ``check`` when it fails.

        """
        given = stdin.encode() if isinstance(stdin, str) else stdin
        result = _finish(self._inside(argv, user, env), given, timeout)
        if result is None or (check and result.status):
            raise MachineError(
                f"{argv!r} did not end within {timeout} s" if result is None else f"{argv!r}: {result}"
            )
        return result

    def popen(
        self, argv: Sequence[str] | str, *, env: Mapping[str, str] | None = None, user: str = "root"
    ) -> subprocess.Popen[bytes]:
        """Start a command on the machine, with pipes for its input and output, and do not wait for it.

        End it with ``room.end``.
        """
        return subprocess.Popen(
            self._inside(argv, user, env),
            env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    def interactive(
        self,
        argv: Sequence[str] | str,
        *,
        cols: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
        user: str = "root",
    ) -> Terminal:
        """Start a command on the machine in a terminal of ``cols`` by ``rows`` characters."""
        # a session of its own inside, so that /dev/tty and Ctrl-C work there
        command = ["setsid", "--ctty", *_words(argv)]
        inside = self._inside(command, user, {"TERM": "xterm-256color", **(env or {})})
        ptmx = f"/proc/{self.pid}/root/dev/pts/ptmx"
        return Terminal(inside, ptmx=ptmx, cols=cols, rows=rows, env=ENVIRONMENT)

    def attach(self, argv: Sequence[str] | str) -> int:
        """Run a command with the input and output of this process, in a terminal if they are one."""
        words = _words(argv)
        if sys.stdin.isatty() and sys.stdout.isatty():
            words = ["script", "--quiet", "--return", "--command", shlex.join(words), "/dev/null"]
        return subprocess.call(self._inside(words, "root", {"TERM": os.environ.get("TERM", "dumb")}))

    def write_file(self, path: str, text: str | bytes, mode: int = 0o644) -> None:
        """Write a file of root's on the machine, with its folders if they are missing."""
        script = """
            umask 022; mkdir -p "$(dirname "$1")"; rm -f "$1"
            umask 077; cat > "$1"; chmod "$2" "$1"
        """
        self.run(["sh", "-euc", script, "write", path, f"{mode:o}"], stdin=text)

    def read_file(self, path: str) -> str:
        """Return the text of a file on the machine."""
        return self.run(["cat", "--", path]).stdout

    def exists(self, path: str) -> bool:
        """Whether there is something at ``path`` on the machine."""
        return self.run(["test", "-e", path], check=False).status == 0

    def python(self, code: str, *arguments: str, stdin: str | bytes = b"", timeout: float = 60.0) -> Result:
        """Run Python code with the project and what it needs importable (kinds ``ready`` and ``mail``)."""
        return self.run(
            [f"{VENV}/bin/python", "-c", code, *arguments],
            stdin=stdin, timeout=timeout, env={"PYTHONPATH": "/opt/postfix-auth"},
        )  # fmt: skip

    def wait_for_port(self, port: int, host: str = "127.0.0.1", timeout: float = 10.0) -> None:
        """Wait until something on the machine accepts connections.

        Raises:
            MachineError: when nothing does within ``timeout`` seconds.

        """
        self.run(["python3", "-c", _WAIT, host, str(port)], timeout=timeout)

    def journal(self, *arguments: str) -> str:
        """Return what journalctl of this boot says, for example ``journal("-u", "postfix@-")``."""
        return self.run(["journalctl", "--no-pager", "--quiet", "--boot", *arguments]).stdout


def _words(argv: Sequence[str] | str) -> list[str]:
    return ["sh", "-c", argv] if isinstance(argv, str) else list(argv)


def _finish(argv: list[str], stdin: bytes, timeout: float) -> Result | None:
    """Run ``argv`` to its end, or None if that takes too long.

    Its output goes to files: a daemon that it leaves behind may keep them open.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        process = subprocess.Popen(
            argv, env=ENVIRONMENT, stdin=given, stdout=out, stderr=err, start_new_session=True
        )
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        finally:
            end(process)
        out.seek(0)
        err.seek(0)
        return Result(status, out.read().decode(errors="replace"), err.read().decode(errors="replace"))


_WAIT = """
import socket, sys, time
while True:
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()
        break
    except OSError:
        time.sleep(0.03)
"""
