"""The lines at the bottom that say what the answers of this step would set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical

from screens.labels import where
from screens.widgets.step import Words
from screens.widgets.text import LINES_BELOW, SIGNS, below, shown

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from screens.previewing import Preview

_LABEL = "Will set  "


class WillSet(Vertical):
    """Three lines of the plan: what this step adds to it."""

    def compose(self) -> ComposeResult:
        """A rule and the lines."""
        yield Words(SIGNS.dash * 400, classes="rule")
        yield Words("", id="will", fixed=True)

    def begin(self, sections: tuple[str, ...]) -> None:
        """Be there for a step with ``sections`` of the policy, and forget what was said about the last."""
        self._sections = sections
        self.display = bool(sections)
        self._say("")

    def wait(self) -> None:
        """Show that the engine is at work."""
        if self.display and (not self._said or self._said.startswith(SIGNS.bad)):
            self._say(f"{_LABEL}working it out ...")

    def show_preview(self, preview: Preview, said_by: str = "") -> None:
        """Show what has been worked out. What is wrong is said here unless the field ``said_by`` says it."""
        if preview.problem and said_by:
            self._say(f"{SIGNS.bad} not possible like this, see {said_by}")
        elif preview.problem:
            self._say("\n".join(self._broken(f"{where(preview.key, self._sections)}{preview.problem}")))
        elif not preview.lines:
            pending = preview.plan is not None and preview.plan.pending
            self._say(
                f"{_LABEL}nothing{' beyond the other answers' if pending else ': it is in force already'}"
            )
        else:
            self._say("\n".join(_shortened(preview.lines)))

    def _broken(self, text: str) -> list[str]:
        """Break a sentence into the lines there are; a longer one stands below the fields as a whole."""
        lines = below(text, self.app.size.width)
        whole = len(lines) <= LINES_BELOW
        return lines if whole else [*lines[: LINES_BELOW - 1], "... pagedown shows all of it"]

    _said = ""
    _sections: tuple[str, ...] = ()

    def _say(self, text: str) -> None:
        self._said = text
        self.query_one("#will", Words).say(text)


def _shortened(lines: tuple[str, ...]) -> list[str]:
    more = len(lines) - LINES_BELOW
    told = [shown(line) for line in lines[: LINES_BELOW if more <= 0 else LINES_BELOW - 1]]
    if more > 0:
        told.append(f"and {len(lines) - len(told)} more lines: Review shows all")
    return [f"{_LABEL if at == 0 else ' ' * len(_LABEL)}{line}" for at, line in enumerate(told)]
