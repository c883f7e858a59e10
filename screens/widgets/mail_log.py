"""The mail log as it grows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual import on, work
from textual.message import Message
from textual.worker import get_current_worker

from screens import doing
from screens.widgets.pane import Pane

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from screens.answers import Situation
    from wizard.checks import Result
    from wizard.loglines import Line

_EVERY = 0.5  # seconds; what came in between is painted at once
_KEPT = 2000  # lines


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
        self._log = [*self._log, *event.lines][-_KEPT:]
        self.add(_text(line) for line in event.lines)

    def caused_by(self, result: Result, results: Iterable[Result]) -> Iterator[str]:
        """Yield the lines that the test with this ``result`` caused, in the company of all ``results``."""
        return (_text(line) for line in doing.lines_of(result, results, self._log))


def _text(line: Line) -> str:
    pid = f"[{line.pid}]" if line.pid else ""
    warned = "! " if line.severity.value in ("warning", "error", "fatal", "panic") else "  "
    return f"{warned}{line.daemon}{pid}: {line.text}"
