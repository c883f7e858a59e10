"""A pane of lines to read: a diff, a log, a dialogue. Only what is in view is painted."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from screens.widgets.text import SIGNS, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_INDENT = 4  # columns before the rest of a broken line
MOST_LINES = 2000  # what a pane that grows keeps; the oldest go first


class Pane(ScrollView, can_focus=True):
    """Shows lines, each in the style that its first sign asks for.

    ``follow``: the end stays in view. ``broken``: long lines go on below, otherwise they can be scrolled to.
    Some lines can be marked; the mark takes their second column. Every text is made harmless before it is
    shown.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"pane--plus", "pane--minus", "pane--mark", "pane--dim"}
    _STYLES: ClassVar[dict[str, str]] = {
        "+": "pane--plus",
        "-": "pane--minus",
        "!": "pane--mark",
        "#": "pane--dim",
    }

    def __init__(
        self,
        *,
        follow: bool = False,
        broken: bool = False,
        topic: str = "",
        id: str | None = None,  # noqa: A002 - Textual's own name for it
    ) -> None:
        super().__init__(id=id)
        self.topic = topic
        self._follow = follow
        self._broken = broken
        self._looked_up = False
        self._lines: list[str] = []
        self._marked: frozenset[int] = frozenset()
        self._laid: list[tuple[int, str]] = []  # the number of a line, and what stands in a row of it

    def show_lines(self, lines: Iterable[str]) -> None:
        """Show these lines instead, from their beginning."""
        self._lines = [shown(line) for line in lines]
        self._lay()
        self.scroll_to(0, 0, animate=False, immediate=True)

    def add(self, lines: Iterable[str]) -> None:
        """Show further lines below; nothing is painted for none."""
        more = [shown(line) for line in lines]
        if not more:
            return
        self._lines = [*self._lines, *more][-MOST_LINES:]
        self._lay()
        if self._follow:
            self.call_after_refresh(self._show_end)

    def _show_end(self) -> None:
        if not self._looked_up:
            self.scroll_end(animate=False)

    def mark(self, numbers: Iterable[int]) -> None:
        """Mark the lines with these ``numbers`` and no others, and keep them in view, warnings before all."""
        marked = frozenset(numbers)
        if marked == self._marked:
            return
        self._marked = marked
        self.refresh()
        self._looked_up = False
        self._show_marked()

    def _show_marked(self) -> None:
        mine = [row for row, (number, _) in enumerate(self._laid) if number in self._marked]
        if not mine:
            return
        if mine[-1] - mine[0] >= self.size.height:
            mine = [row for row in mine if self._sign(row) == "!"] or mine
        height = min(mine[-1] + 1 - mine[0], self.size.height)
        self.scroll_to_region(Region(0, mine[0], 1, height), animate=False, immediate=True)
        self._looked_up = True

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Stop following when the admin looks up, and follow again from the end."""
        super().watch_scroll_y(old_value, new_value)
        self._looked_up = new_value < old_value and new_value < self.max_scroll_y

    def on_resize(self) -> None:
        """Break the lines anew."""
        self._lay()
        self._show_marked()

    def _lay(self) -> None:
        self._laid = [(number, part) for number, line in enumerate(self._lines) for part in self._parts(line)]
        self.virtual_size = Size(max((len(part) for _, part in self._laid), default=0), len(self._laid))
        self.refresh()

    def _sign(self, row: int) -> str:
        return self._lines[self._laid[row][0]][:1]

    def _parts(self, line: str) -> Iterator[str]:
        # the bar comes once there are more lines than fit; they are not to be broken anew for that
        room = self.region.shrink(self.styles.gutter).width - self.styles.scrollbar_size_vertical
        if not self._broken or room <= _INDENT or len(line) <= room:
            yield line
        else:
            yield from wrap(line, room, subsequent_indent=" " * _INDENT, drop_whitespace=False)

    def render_line(self, y: int) -> Strip:
        """Paint one line of what is in view."""
        left, top = self.scroll_offset
        width = self.size.width
        at = top + y
        if at >= len(self._laid):
            return Strip.blank(width, self.rich_style)
        number, text = self._laid[at]
        if number in self._marked:
            text = f"{text[:1]}{SIGNS.mark}{text[2:]}"
        name = self._STYLES.get(self._sign(at))
        style = self.get_component_rich_style(name) if name else self.rich_style
        return Strip([Segment(text, style)]).crop_extend(left, left + width, self.rich_style)
