"""Runs the host's own programs, always the same way: no shell, no locale, no terminal, never for ever."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard.errors import WizardError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended: its exit ``status`` (127: not there, 124: took too long) and what it said."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether it ended with status 0."""
        return self.status == 0

    def expect(self, doing: str) -> Outcome:
        """Return this outcome if it is a success.

        Raises:
            WizardError: with what the program said, otherwise. ``doing`` names the attempt in words.

        """
        if self.ok:
            return self
        said = (self.stderr.strip() or self.stdout.strip()).splitlines()[-12:]
        raise WizardError(f"{doing}: {self.argv[0]} ended with status {self.status}\n" + "\n".join(said))


def run(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    timeout: float = 60.0,
    env: Mapping[str, str] | None = None,
) -> Outcome:
    """Run ``argv`` and wait for it, at most ``timeout`` seconds. Secrets go through ``stdin`` only.

    ``env`` adds to an environment that is otherwise reduced to what is needed, in the C locale.
    """
    return _Running(argv, env).outcome(stdin, timeout)


def run_together(
    commands: Sequence[Sequence[str]], *, timeout: float = 60.0, env: Mapping[str, str] | None = None
) -> list[Outcome]:
    """Run ``commands``, none of which needs another, at the same time, and otherwise as ``run`` does."""
    return [running.outcome(b"", timeout) for running in [_Running(argv, env) for argv in commands]]


class _Running:
    """A program that was started."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None) -> None:
        self._argv = tuple(argv)
        inherited = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        environment = {"PATH": _PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", **inherited, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._why_not = "is not installed"
        # no pipes: a daemon that a program leaves behind keeps them open, and nobody could wait for their end
        self._out, self._err = os.memfd_create("stdout"), os.memfd_create("stderr")
        try:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=self._out, stderr=self._err, env=environment
            )
        except FileNotFoundError:
            pass
        except OSError as error:  # not for running, no memory ...
            self._why_not = f"can't be run: {error.strerror}"

    def outcome(self, stdin: bytes, timeout: float) -> Outcome:
        """Wait until it has ended."""
        try:
            return self._outcome(stdin, timeout)
        finally:
            os.close(self._out)
            os.close(self._err)

    def _outcome(self, stdin: bytes, timeout: float) -> Outcome:
        if self._process is None:
            return Outcome(self._argv, 127, "", f"{self._argv[0]} {self._why_not}")
        with self._process as process:
            try:
                process.communicate(stdin, timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                return Outcome(self._argv, 124, "", f"{self._argv[0]} did not end within {timeout:.0f} s")
        return Outcome(self._argv, process.returncode, _text(self._out), _text(self._err))


def _text(written: int) -> str:
    return os.pread(written, os.fstat(written).st_size, 0).decode(errors="replace")
