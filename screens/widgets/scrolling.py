"""Keeps the line that matters in view, and scroll bars to signs that every console has."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import ScrollableContainer
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.widget import Widget

if TYPE_CHECKING:
    from textual.geometry import Region


class _PlainBar(ScrollBarRender):
    """A bar of whole cells: fonts of the Linux console lack the eighths of a block."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "]
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "]


ScrollBar.renderer = _PlainBar


def keep_in_view(widget: Widget, lines: Region, *, to_the_end: bool = False) -> None:
    """Scroll what ``widget`` stands in, at once, so that its ``lines`` can be seen.

    ``to_the_end``: nothing below can have the cursor, so its last line brings what is there into view too.
    """
    region = lines
    while isinstance(parent := widget.parent, Widget):
        region = region.translate(widget.virtual_region.offset)
        if isinstance(parent, ScrollableContainer):
            # before it has its place it has no height, and no last line
            if to_the_end and 0 < widget.size.height <= lines.bottom:
                parent.scroll_end(animate=False)
            else:
                parent.scroll_to_region(region, animate=False)
            return
        widget = parent
