"""What the log adds to a test that failed: the back end's own words, which no reply of Postfix repeats.

A directory that is down and a wrong password are the same 535 to the client; saslauthd's line tells which.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from wizard import explain, logtail
from wizard.check_run import Stage
from wizard.loglines import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Self

    from wizard.checks import Result
    from wizard.host import Host
    from wizard.loglines import Line

_LATE = 0.4  # seconds that a line may come after the reply it belongs to
_TRIES = 5  # so often that is waited for, where the log must have something
_LATEST = 2.0  # seconds after the end of a test that its last line is waited for
_PAUSE = 0.05  # seconds
_MOST = 2  # problems; the first ones are the cause, the rest follows from them
_SHOWN = 5  # lines
_SERIOUS = (Severity.PANIC, Severity.FATAL, Severity.ERROR, Severity.WARNING)
_ENDS = (Severity.PANIC, Severity.FATAL)  # of Postfix's programs; what ends one of them concerns every client
_FAULTS = (Severity.PANIC, Severity.FATAL, Severity.ERROR)
#: Problems that say no more than the reply: somebody was refused.
_SAYS_NOTHING = ("wrong-password", "digest-wrong", "pam-refused", "saslauthd-refused")
_USER = re.compile(r"Authentication failed for (?P<user>[^:]*): ")  # saslauthd on a directory
_LAST_WORDS = ("disconnect from ", "fatal: ", "panic: ")  # of smtpd, to one client


class RunLog:
    """The mail log of ``host`` while tests run. Close it, or use it in a ``with``."""

    def __init__(self, host: Host) -> None:
        named = host.postfix.value("maillog_file") if host.postfix else ""
        self._follower = logtail.Follower(logtail.discover(host.root, named), host.root)
        self._lines: list[Line] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._follower.close()

    def explained(self, result: Result) -> Result:
        """Return ``result``, with the causes that the log names and the lines it has, if it failed."""
        if result.ok:
            return result
        self._catch_up(result)
        causes = tuple(map(_words, self._worst(result.source_address)))
        return replace(result, causes=causes, log=tuple(self._last_lines(result.source_address)))

    def faults(self, result: Result, user: str) -> tuple[str, ...]:
        """Return why the password of ``user`` could not be checked at all, as far as the log says."""
        self._catch_up(result)
        found = self._problems(result.source_address, user)
        return tuple(dict.fromkeys(_words(problem) for problem in found if problem.severity in _FAULTS))

    def awaited(self, client: str = "") -> tuple[explain.Problem, ...]:
        """Return the worst that the log says of ``client``, an address, and of who can't name a client.

        A log that was opened just now is given some time to have something.
        """
        for _ in range(_TRIES):
            time.sleep(_LATE)
            self._read()
            if any(self._problems(client)):
                break
        return self._worst(client)

    def _read(self) -> None:
        self._lines += self._follower.poll()

    def _catch_up(self, result: Result) -> None:
        """Read until smtpd has said its last word to this client, for then all that led to it is there."""
        while True:
            self._read()
            said = (line.text for line in self._of(result.source_address))
            if any(text.startswith(_LAST_WORDS) for text in said) or time.time() > result.ended + _LATEST:
                return
            time.sleep(_PAUSE)

    def _of(self, client: str) -> Iterator[Line]:
        owned = logtail.Attribution({client}).of(self._lines)
        return (line for line, owner in owned if owner == client)

    def _last_lines(self, client: str) -> list[str]:
        told = [explain.as_logged(line) for line in self._of(client) if not explain.routine(line)]
        return told[-_SHOWN:]

    def _worst(self, client: str) -> tuple[explain.Problem, ...]:
        found = {problem.id: problem for problem in self._problems(client) if problem.id not in _SAYS_NOTHING}
        return tuple(sorted(found.values(), key=lambda problem: _SERIOUS.index(problem.severity))[:_MOST])

    def _problems(self, client: str, user: str = "") -> Iterator[explain.Problem]:
        """Yield the problems in lines that ``client`` caused, and in those of who can't name a client.

        ``user``: only what may concern this one's password, so not another's, nor another program's end.
        """
        for line, owner in logtail.Attribution({client}).of(self._lines):
            alien = owner is None and line.program.startswith("postfix")
            if alien and (user or line.severity not in _ENDS):
                continue
            named = _USER.match(line.text)
            if user and named and named["user"].partition("@")[0] != user.partition("@")[0]:
                continue
            problem = explain.explain(line)
            if problem and problem.severity in _SERIOUS:
                yield problem


def caused_by(result: Result, results: Iterable[Result], lines: Sequence[Line]) -> list[int]:
    """Return which of the ``lines`` of the log, by their numbers, the test with this ``result`` caused.

    Those before it are not, for the tests of each run call from the same addresses. saslauthd names no
    client: what it says counts for every log-in that was refused meanwhile.
    """
    if result.skipped:
        return []
    attribution = logtail.Attribution({each.source_address for each in results if each.source_address})
    return [
        number
        for number, (line, owner) in enumerate(attribution.of(lines))
        if line.time >= result.started and (owner == result.source_address or _overheard(line, result))
    ]


def _overheard(line: Line, result: Result) -> bool:
    stage = result.check.stage
    refused = stage is Stage.WRONG_PASSWORDS or (stage is Stage.LOGINS and not result.ok)
    return refused and line.program == "saslauthd" and line.time <= result.ended


def _words(problem: explain.Problem) -> str:
    return f"{problem.cause} {problem.remedy}"
