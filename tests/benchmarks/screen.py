"""The wizard at 80x24 beside Textual as it comes: time to the first paint, bytes on the wire."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from tests.benchmarks.measure import Figure, in_turn
from tests.machines.images import HOME, VENV, Kind
from tests.machines.machine import LAUNCHER, Machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.machines.images import Debian
    from tests.machines.terminal import Terminal

_RUNS = 9
_IDLE = 5.0  # seconds
_MOMENT = 0.4  # seconds that a key's effect may take; Textual's cursor blinks every 0.5
_QUIET = 2.0  # seconds without a byte after which nothing more follows, the wizard's look ahead included
_LONGEST = 8.0  # seconds until a program counts as settled, whatever it writes
_BARE, _USUAL = (
    (f"{VENV}/bin/python", f"/opt/postfix-auth/tests/benchmarks/peers/{name}.py")
    for name in ("bare", "usual")
)
_COMPILED = {"PYTHONPYCACHEPREFIX": f"{HOME}/pycache"}  # where the launcher has it, too


def figures(debian: Debian) -> Iterator[Figure]:
    """Measure on a machine with Postfix and SASL as ``debian`` installs them."""
    with Machine(debian, Kind.MAIL) as machine:
        yield from _paint(machine)
        with _shown(machine, _USUAL, "ready") as terminal:
            usual = _traffic(terminal, "tab")
        with _shown(machine, (LAUNCHER,), "of 10 Host") as terminal:
            ours = _traffic(terminal, "enter")
        aims = ("under 1000 bytes", "under 300 bytes", "0 bytes")
        for what, here, there, aim in zip(_TRAFFIC, ours, usual, aims, strict=True):
            yield Figure(what, "bytes", here, "Textual's list and field", there, aim)


# time


def _paint(machine: Machine) -> Iterator[Figure]:
    """Measure until the wizard's frame is there, and until the first question can be answered."""
    bare = partial(_until, machine, _BARE, "ready")
    for what, sign in (("first paint", "postfix-auth"), ("first question", "of 10 Host")):
        ours, theirs = in_turn(_RUNS, partial(_until, machine, (LAUNCHER,), sign), bare)
        aim = "under 1.5 times" if what == "first paint" else ""
        yield Figure(what, "s", ours, "Textual, one label", theirs, aim)


def _until(machine: Machine, argv: tuple[str, ...], sign: str) -> float:
    began = time.perf_counter()
    with machine.interactive(argv, env=_COMPILED) as terminal:
        terminal.expect(sign)
        return time.perf_counter() - began


# bytes

_TRAFFIC = ("an arrow key in a list", "a letter in a field", f"idle in a field for {_IDLE:.0f} s")


@contextmanager
def _shown(machine: Machine, argv: tuple[str, ...], sign: str) -> Iterator[Terminal]:
    with machine.interactive(argv, env=_COMPILED) as terminal:
        terminal.expect(sign)
        yield terminal


def _traffic(terminal: Terminal, onward: str) -> list[float]:
    """Press an arrow key in a list, then a letter in the field that the key ``onward`` leads to."""
    arrow = _bytes(terminal, "down")
    terminal.press(onward)
    return [arrow, _bytes(terminal, "a"), _idle(terminal)]


def _bytes(terminal: Terminal, key: str) -> float:
    """Return how many bytes the program writes when ``key`` is pressed, before a cursor blinks."""
    before = _settled(terminal)
    terminal.press(key)
    return _after(terminal, _MOMENT) - before


def _idle(terminal: Terminal) -> float:
    before = _settled(terminal)
    return _after(terminal, _IDLE) - before


def _settled(terminal: Terminal) -> int:
    """Wait until nothing is written for a moment, or only a cursor blinks; return how many bytes were."""
    written = -1
    deadline = time.monotonic() + _LONGEST
    while written != len(terminal.transcript) and time.monotonic() < deadline:
        written = _after(terminal, _QUIET)
    return written


def _after(terminal: Terminal, wait: float) -> int:
    """Return how many bytes have been written ``wait`` seconds from now."""
    time.sleep(wait)
    terminal.screen()
    return len(terminal.transcript)
