"""What a measurement is: ours and a peer's, taken in turn, and the medians of both as a line of a table."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.machines.machine import Machine


@dataclass(frozen=True, slots=True)
class Figure:
    """One line: what was measured, here and at the ``peer`` of that name.

    ``unit``: "s", "bytes", or "" for a count.

    ``aim`` says what was aimed at; empty if the figure is only to be known.
    """

    what: str
    unit: str
    ours: float
    peer: str = ""
    theirs: float | None = None
    aim: str = ""

    @property
    def ratio(self) -> str:
        """Return how many times more, or less, it is than at the peer."""
        if not self.theirs:
            return ""
        if not self.ours:
            return "none"
        if self.ours < self.theirs:
            return f"{self.theirs / self.ours:.1f} times less"
        return f"{self.ours / self.theirs:.2f} times"


def seconds(machine: Machine, *argv: str) -> float:
    """Return the time that a command takes on ``machine``, from its start to its end.

    Raises:
        RuntimeError: with what it said, when it fails.

    """
    began = time.perf_counter()
    process = machine.popen(argv)
    out, err = process.communicate()  # without a limit, which would be waited for in steps
    took = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(
            f"{' '.join(argv)} ended with {process.returncode}: {(out + err).decode()[-2000:]}"
        )
    return took


def in_turn(runs: int, *measured: Callable[[], float]) -> tuple[float, ...]:
    """Return the median of each of ``measured``, called ``runs`` times in turn, after once for the caches."""
    for measure in measured:
        measure()
    taken = [[measure() for measure in measured] for _ in range(runs)]
    return tuple(median(column) for column in zip(*taken, strict=True))


def table(figures: Iterable[Figure]) -> str:
    """Return ``figures`` as a table in Markdown."""
    rows = [("what", "here", "peer", "at the peer", "ratio", "aim")]
    rows += [
        (f.what, _amount(f.ours, f.unit), f.peer, _amount(f.theirs, f.unit), f.ratio, f.aim) for f in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value:.3f} s" if unit == "s" else f"{value:.0f} {unit}".rstrip()
