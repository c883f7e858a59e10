"""The mail log as it grows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual import on, work
from textual.message import Message
from textual.worker import get_current_worker

from screens import doing
from screens.widgets.pane import MOST_LINES, Pane
from wizard.check_log import caused_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from screens.answers import Situation
    from wizard.checks import Result
    from wizard.loglines import Line

_EVERY = 0.5  # seconds; what came in between is painted at once


class MailLog(Pane):
    """Follows the mail log of the host that was found, from now on."""

    class Grown(Message):
        """There are new lines."""

        def __init__(self, lines: tuple[Line, ...]) -> None:
            super().__init__()
            self.lines = lines

    def __init__(self, situation: Situation) -> None:
        super().__init__(follow=True, broken=True, topic="trial.tests", id="log")
        self._situation = situation
        self._log: list[Line] = []
        self._looked_at: Result | None = None
        self._results: Sequence[Result] = ()

    def on_mount(self) -> None:
        """Begin."""
        self._follow_log()

    @work(thread=True, group="log")
    def _follow_log(self) -> None:
        worker = get_current_worker()
        with doing.log(self._situation) as follower:
            while not worker.is_cancelled:
                if lines := follower.poll():
                    self.post_message(self.Grown(lines))
                time.sleep(_EVERY)

    @on(Grown)
    def _grown(self, event: Grown) -> None:
        event.stop()
        self._log = [*self._log, *event.lines][-MOST_LINES:]
        self.add(_text(line) for line in event.lines)
        self._tell_apart()

    def look_at(self, result: Result | None, results: Sequence[Result]) -> None:
        """Mark, from now on, what the test with this ``result`` caused, in the company of all ``results``."""
        self._looked_at, self._results = result, results
        self._tell_apart()

    def _tell_apart(self) -> None:
        self.mark(self._caused())

    def _caused(self) -> list[int]:
        return caused_by(self._looked_at, self._results, self._log) if self._looked_at else []

    @property
    def caused(self) -> Iterator[str]:
        """The lines that are marked."""
        return (_text(self._log[number]) for number in self._caused())


def _text(line: Line) -> str:
    pid = f"[{line.pid}]" if line.pid else ""
    warned = "! " if line.severity.value in ("warning", "error", "fatal", "panic") else "  "
    return f"{warned}{line.daemon}{pid}: {line.text}"
