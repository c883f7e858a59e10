"""A pane of lines to read: a diff, a log, a dialogue. Only what is in view is painted."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens.widgets.text import shown

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_LINES = 5000  # what a pane keeps; the oldest go first


class Pane(ScrollView, can_focus=True):
    """Shows lines, each in the style that its first sign asks for. ``follow``: the end stays in view.

    Long lines are cut at the edge and can be scrolled to. Every text is made harmless before it is shown.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"pane--plus", "pane--minus", "pane--mark", "pane--dim"}
    _STYLES: ClassVar[dict[str, str]] = {
        "+": "pane--plus",
        "-": "pane--minus",
        "!": "pane--mark",
        "#": "pane--dim",
    }

    def __init__(self, *, follow: bool = False, topic: str = "", id: str | None = None) -> None:  # noqa: A002 - Textual's
        super().__init__(id=id)
        self.topic = topic
        self._follow = follow
        self._lines: list[str] = []

    @property
    def lines(self) -> tuple[str, ...]:
        """What it holds."""
        return tuple(self._lines)

    def show_lines(self, lines: Iterable[str]) -> None:
        """Show these lines instead, from their beginning."""
        self._lines = [shown(line) for line in lines]
        self._measure()
        self.scroll_to(0, 0, animate=False, immediate=True)
        self.refresh()

    def add(self, lines: Iterable[str]) -> None:
        """Show further lines below; nothing is painted for none."""
        more = [shown(line) for line in lines]
        if not more:
            return
        at_end = self.is_vertical_scroll_end
        self._lines = [*self._lines, *more][-_MOST_LINES:]
        self._measure()
        if self._follow and at_end:
            self.scroll_end(animate=False, immediate=True)
        self.refresh()

    def _measure(self) -> None:
        self.virtual_size = Size(max(map(len, self._lines), default=0), len(self._lines))

    def render_line(self, y: int) -> Strip:
        """Paint one line of what is in view."""
        left, top = self.scroll_offset
        width = self.size.width
        at = top + y
        if at >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        line = self._lines[at]
        name = self._STYLES.get(line[:1])
        style = self.get_component_rich_style(name) if name else self.rich_style
        return Strip([Segment(line, style)]).crop_extend(left, left + width, self.rich_style)
