"""Paints only what differs from what is on the terminal already.

Textual repaints the whole of a widget that changes and, when a layout changes, most of the screen several
times: 8 kB for a message that appears below a field. Behind a slow line that is what one waits for. Here the
lines of the screen are compared with those painted last, and only the columns that differ are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.control import Control
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.strip import Strip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.segment import Segment
    from textual.screen import Screen

_ERASE_LINE = "\x1b[K"  # to its end, in the colour of the moment (ECMA-48, EL)
_WORTH_ERASING = 8  # columns


class ThriftyApp(App[int]):
    """An app that remembers what it has painted."""

    _painted: Painted | None = None

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Put the difference in the place of what Textual would write."""
        if isinstance(renderable, CompositorUpdate):
            strips = screen._compositor.render_strips()  # noqa: SLF001 - Textual gives no other way to the lines
            if self._painted is None:
                self._painted = Painted()
            renderable = Difference(self._painted, strips)
        super()._display(screen, renderable)

    def action_repaint(self) -> None:
        """Paint everything anew, for a terminal that something else has written on."""
        self._painted = None
        self.screen.refresh(layout=True)


class Painted:
    """The lines that are on the terminal."""

    def __init__(self) -> None:
        self.strips: list[Strip] = []


class Difference(CompositorUpdate):
    """What has to be written so that a terminal with ``painted`` on it shows ``strips``."""

    def __init__(self, painted: Painted, strips: list[Strip]) -> None:
        self._painted = painted
        self._strips = strips

    def render_segments(self, console: Console) -> str:
        """Return the control sequences and the text. From now on this counts as painted."""
        before, after = self._painted.strips, self._strips
        self._painted.strips = after
        if len(before) != len(after) or any(map(_differ_in_width, before, after)):
            before = [Strip([]) for _ in after]
        return "".join(
            _line(y, old, new, console) for y, (old, new) in enumerate(zip(before, after, strict=True))
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Only ``render_segments`` is ever asked for."""
        yield ""


def _differ_in_width(one: Strip, other: Strip) -> bool:
    return one.cell_length != other.cell_length


def _line(y: int, old: Strip, new: Strip, console: Console) -> str:
    if old.render(console) == new.render(console):
        return ""
    was, now = list(_cells(old)), list(_cells(new))
    first, last = _changed(was, now)
    if first >= last:
        return ""
    text_end = last
    while text_end > first and now[text_end - 1] == _BLANK:
        text_end -= 1
    erase = all(cell == _BLANK for cell in now[last:]) and last - text_end >= _WORTH_ERASING
    end = text_end if erase else last
    text = new.crop(first, end).render(console) if end > first else ""
    return Control.move_to(first, y).segment.text + text + (_ERASE_LINE if erase else "")


def _changed(was: list[tuple[str, str]], now: list[tuple[str, str]]) -> tuple[int, int]:
    """Return the first column that differs, and the one after the last."""
    first = next((x for x, cell in enumerate(now) if was[x : x + 1] != [cell]), len(now))
    last = len(now)
    while last > first and len(was) == len(now) and was[last - 1] == now[last - 1]:
        last -= 1
    while 0 < first < last and now[first][0] == "":
        first -= 1  # the second half of a wide character can't be written alone
    return first, last


_BLANK = (" ", "")


def _cells(strip: Strip) -> Iterator[tuple[str, str]]:
    """Yield each column's character and look; the second column of a wide character has none."""
    for segment in strip:
        look = _look(segment)
        for character in segment.text:
            width = cell_len(character)
            yield from ((character if at == 0 else "", look) for at in range(width))


def _look(segment: Segment) -> str:
    """Return what the style does to a blank, which is nothing for the terminal's own colours."""
    style = segment.style
    if style is None:
        return ""
    visible = (style.bgcolor is not None and not style.bgcolor.is_default) or style.reverse or style.underline
    colour = style.color.name if style.color and not style.color.is_default else ""
    if not visible and not segment.text.strip():
        return ""
    return f"{style.bgcolor.name if style.bgcolor else ''}/{colour}/{style._attributes}"  # noqa: SLF001
