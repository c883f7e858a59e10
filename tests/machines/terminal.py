"""A terminal with a program in it: type, wait for what appears, look at the screen."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Self

import pyte

from tests.machines.room import end

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from pyte.screens import Char

_UNLOCK, _OPEN_PEER = 0x40045431, 0x5441  # TIOCSPTLCK and TIOCGPTPEER, which termios does not name

KEYS = {
    "enter": "\r", "tab": "\t", "shift+tab": "\x1b[Z", "escape": "\x1b", "backspace": "\x7f", "space": " ",
    "up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D", "home": "\x1b[H", "end": "\x1b[F",
    "pageup": "\x1b[5~", "pagedown": "\x1b[6~", "delete": "\x1b[3~",
    "f1": "\x1bOP", "f2": "\x1bOQ", "f3": "\x1bOR", "f4": "\x1bOS", "f5": "\x1b[15~", "f10": "\x1b[21~",
}  # fmt: skip


class TerminalError(Exception):
    """What was waited for did not appear."""


class Terminal:
    """A pseudo-terminal of ``cols`` by ``rows`` characters and the program that runs in it."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cols: int = 80,
        rows: int = 24,
        ptmx: str = "/dev/ptmx",
    ) -> None:
        """Start ``argv`` with the terminal as its input, output and error output.

        ``ptmx`` is the device that makes terminals, so that one can be a machine's own.
        """
        self._screen = pyte.Screen(cols, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.transcript = b""  # every byte that the program wrote
        self._hung_up = False
        self._fd, slave = _open(ptmx)
        self.resize(cols, rows)
        self._process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def resize(self, cols: int, rows: int) -> None:
        """Give the terminal another size; the program is told."""
        self._screen.resize(rows, cols)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def send(self, text: str) -> None:
        """Type ``text`` as it is."""
        os.write(self._fd, text.encode())

    def press(self, *keys: str) -> None:
        """Press keys by name (those of ``KEYS``, ``ctrl+`` and a letter) or single characters."""
        for key in keys:
            control = chr(ord(key[-1]) & 0x1F) if key.startswith("ctrl+") else key
            self.send(KEYS.get(key, control))

    def screen(self) -> str:
        """Return what the screen shows now, its lines without trailing blanks."""
        self._take(0)
        return "\n".join(line.rstrip() for line in self._screen.display)

    def line(self) -> str:
        """Return the line that the cursor is in."""
        return self.screen().splitlines()[self._screen.cursor.y]

    def cells(self) -> list[list[Char]]:
        """Return what the screen shows, character by character with its colours."""
        return [
            [line[column] for column in range(self._screen.columns)]
            for line in map(self._screen.buffer.__getitem__, range(self._screen.lines))
        ]

    def expect(self, pattern: str, timeout: float = 10.0) -> str:
        """Wait until the screen shows the regular expression ``pattern``, and return the screen.

        Raises:
            TerminalError: with the screen, when it does not within ``timeout`` seconds or the program ended.

        """
        deadline = time.monotonic() + timeout
        while not re.search(pattern, shown := self.screen(), re.MULTILINE):
            left = deadline - time.monotonic()
            if left <= 0 or (not self._take(left) and not re.search(pattern, self.screen(), re.MULTILINE)):
                raise TerminalError(f"no {pattern!r} on the screen:\n{shown}")
        return shown

    def wait(self, timeout: float = 10.0) -> int:
        """Wait until the program has ended and return its status.

        Raises:
            TerminalError: with the screen, when it goes on.

        """
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0 and self._take(left):
            pass  # what it writes must be read, or it would wait for us
        try:
            return self._process.wait(max(left, 0.1))
        except subprocess.TimeoutExpired:
            raise TerminalError(f"the program goes on:\n{self.screen()}") from None

    def _take(self, timeout: float) -> bool:
        """Take in what the program has written, waiting at most ``timeout`` seconds; False: it ended."""
        while select.select([self._fd], [], [], timeout)[0]:
            try:
                data = os.read(self._fd, 65536)
            except OSError:  # the last program on the other side has gone
                return False
            self.transcript += data
            self._stream.feed(data)
            timeout = 0
        return True

    def hang_up(self, timeout: float = 10.0) -> None:
        """Drop the line, as a lost SSH connection does, and wait until the program has noticed.

        Raises:
            TerminalError: when it goes on.

        """
        self._hung_up = True
        os.close(self._fd)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TerminalError("the program goes on without its terminal") from None

    def close(self) -> None:
        """Hang up and end the program."""
        end(self._process)
        if not self._hung_up:
            os.close(self._fd)


def _open(ptmx: str) -> tuple[int, int]:
    """Return both sides of a new terminal, ours first (ioctl_tty(2), without the path of the other)."""
    flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
    ours = os.open(ptmx, flags)
    fcntl.ioctl(ours, _UNLOCK, struct.pack("i", 0))
    return ours, fcntl.ioctl(ours, _OPEN_PEER, flags)
