"""What a line of the mail log means: its cause, and what to do about it.

The knowledge is data, ``recipes/explanations.toml``; this module finds the explanation of a line and counts.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.loglines import Line, Severity, Splitter, parse

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

_TABLE = Path(__file__).parent.parent / "recipes" / "explanations.toml"
_PIECE = 1 << 16  # bytes read at once
_VARIANTS = 20  # problems told apart under one id, by file or parameter; a log can't make us keep more
_LONGEST_VALUE = 200  # characters of a file name or parameter that the words repeat
_LONGEST_EXAMPLE = 600  # characters
_WORST_FIRST = (Severity.PANIC, Severity.FATAL, Severity.ERROR, Severity.WARNING, Severity.INFO)

# most of a log: what goes well, and what needs no second look
_ROUTINE = re.compile(
    r"(?:connect|disconnect) from |Anonymous TLS |(?:statistics|DEBUG: auth_pam: pam_start): "
    r"|\w{5,20}: (?:client=|message-id=|from=<|removed$|uid=|to=<[^>]*>,.*, status=sent )"
)
# a delivery that failed: its reason is what matters (bounce(5), defer(5))
_DELIVERY = re.compile(
    r"\w{5,20}: to=<.*, status=(?P<status>deferred|bounced|undeliverable) \((?P<reason>.*)\)$"
)
# rsyslog and sysklogd may fold equal lines into one
_REPEATED = re.compile(r"message repeated (?P<times>\d{1,9}) times: \[ ?(?P<text>.*)\]$")


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem, explained. All of its text is printable.

    ``example`` is the first line that shows it, without its time; ``count`` is how many do, ``first`` and
    ``last`` are the times of the first and last of them as the log writes them ("" if it doesn't).
    """

    id: str
    severity: Severity
    cause: str
    remedy: str
    example: str
    count: int = 1
    first: str = ""
    last: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One entry of the table. ``pattern`` fits the beginning of a line's text; its groups fill in the words.

    ``program`` is the daemon that says so ("smtpd"), "" for any. For a delivery that failed the text is
    ``deferred: REASON`` or ``bounced: REASON``.
    """

    id: str
    program: str
    severity: Severity
    pattern: re.Pattern[str]
    cause: str
    remedy: str
    examples: tuple[str, ...]

    def fits(self, line: Line) -> re.Match[str] | None:
        """Return how ``line`` is one of these, None if it isn't. A line whose daemon is unknown may be."""
        if self.program and line.daemon not in (self.program, "postfix", ""):
            return None
        return self.pattern.match(line.text)


@cache
def explanations() -> tuple[Explanation, ...]:
    """Return the table, read and compiled when it is first needed."""
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return tuple(_explanation(entry, table["ends"]) for entry in table["explanation"])


def _explanation(entry: Mapping[str, str], ends: Mapping[str, str]) -> Explanation:
    words = [entry["cause"], ends[entry["ends"]]] if "ends" in entry else [entry["cause"]]
    return Explanation(
        entry["id"],
        entry.get("program", ""),
        Severity(entry["severity"]),
        re.compile(entry["pattern"], re.ASCII),
        " ".join(words),
        entry["remedy"],
        tuple(entry["examples"]),
    )


def routine(line: Line) -> bool:
    """Whether ``line`` says that all goes well, or nothing that needs a second look."""
    return bool(_ROUTINE.match(line.text))


def explain(line: Line) -> Problem | None:
    """Return the problem that ``line`` shows; None if it shows none, or none that is known."""
    if routine(line):
        return None
    line, times = _told(line)
    for explanation in explanations():
        if found := explanation.fits(line):
            values = {name: _quoted(value) for name, value in found.groupdict(default="").items()}
            return Problem(
                explanation.id,
                explanation.severity,
                explanation.cause.format_map(values),
                explanation.remedy.format_map(values),
                as_logged(line),
                times,
                line.stamp,
                line.stamp,
            )
    return _unexplained(line, times)


def problems_in(stream: BinaryIO) -> tuple[Problem, ...]:
    """Read a mail log to its end and return its problems, the worst first.

    A log of any size is read in bounded memory; it may be syslog's, postlogd's or ``journalctl``'s.
    """
    splitter = Splitter()
    found = _Findings()
    while piece := stream.read(_PIECE):
        for raw in splitter.feed(piece):
            found.add(explain(parse(raw)))
    found.add(explain(parse(splitter.rest())))
    return found.worst_first()


class _Findings:
    """The problems met so far, the same ones counted together."""

    def __init__(self) -> None:
        self._problems: dict[tuple[str, str, str], Problem] = {}
        self._variants: dict[str, list[tuple[str, str, str]]] = {}

    def add(self, problem: Problem | None) -> None:
        if not problem:
            return
        key = (problem.id, problem.cause, problem.remedy)
        variants = self._variants.setdefault(problem.id, [])
        if key not in self._problems:
            if len(variants) < _VARIANTS:
                variants.append(key)
                self._problems[key] = problem
                return
            key = variants[-1]
        known = self._problems[key]
        self._problems[key] = replace(known, count=known.count + problem.count, last=problem.last)

    def worst_first(self) -> tuple[Problem, ...]:
        return tuple(
            sorted(self._problems.values(), key=lambda problem: _WORST_FIRST.index(problem.severity))
        )


def _told(line: Line) -> tuple[Line, int]:
    """Return ``line`` reduced to what is told by it, and how often it is told."""
    times = 1
    if repeated := _REPEATED.match(line.text):
        times = int(repeated["times"])
        line = replace(line, text=repeated["text"])
    if delivery := _DELIVERY.match(line.text):
        line = replace(line, text=f"{delivery['status']}: {delivery['reason']}")
    return line, times


def _unexplained(line: Line, times: int) -> Problem | None:
    """What ends a process of Postfix is worth a look, known or not."""
    if line.severity not in (Severity.FATAL, Severity.PANIC) or not line.program.startswith("postfix"):
        return None
    said = line.text[:_LONGEST_VALUE]
    cause = f"The Postfix program {line.daemon} ended. It said: {said}"
    remedy = "Look for the words in `man 5 postconf` and in the lines before; `postfix check` may know more."
    return Problem(
        "unexplained", line.severity, cause, remedy, as_logged(line), times, line.stamp, line.stamp
    )


def _quoted(value: str) -> str:
    # the words hold commands that are pasted into a root shell, and the log was written by strangers too
    return shlex.quote(value[:_LONGEST_VALUE]) if value else ""


def as_logged(line: Line) -> str:
    """Return ``line`` as it stands in the log, without time and host."""
    program = f"{line.program}[{line.pid}]: " if line.pid else f"{line.program}: " if line.program else ""
    return f"{program}{line.text}"[:_LONGEST_EXAMPLE]
