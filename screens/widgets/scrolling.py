"""Keeps the line that matters in view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import ScrollableContainer
from textual.widget import Widget

if TYPE_CHECKING:
    from textual.geometry import Region


def keep_in_view(widget: Widget, lines: Region) -> None:
    """Scroll what ``widget`` stands in, at once, so that its ``lines`` can be seen."""
    region = lines
    while isinstance(parent := widget.parent, Widget):
        region = region.translate(widget.virtual_region.offset)
        if isinstance(parent, ScrollableContainer):
            parent.scroll_to_region(region, animate=False)
            return
        widget = parent
