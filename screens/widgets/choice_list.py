"""A list to choose one or several from. It repaints only the rows that change, for slow lines."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from rich.segment import Segment
from textual.binding import Binding
from textual.geometry import Offset, Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from screens.widgets.scrolling import keep_in_view
from screens.widgets.text import SIGNS, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from textual import events
    from textual.binding import BindingType
    from textual.geometry import Size

    from wizard.choices import Choice

_ABOUT_AT_LEAST = 30  # columns; with less the words about a choice go below its title


@dataclass(frozen=True, slots=True)
class _Row:
    """One line on the screen: of which choice, what its title column shows, and what follows."""

    index: int
    first: bool
    title: str
    about: str


@runtime_checkable
class Adapting(Protocol):
    """What shows and hides parts of itself when something is chosen in it."""

    def adapt(self) -> None:
        """Do so."""


class ChoiceList(Widget, can_focus=True):
    """Shows every choice; one that can't be had is visible, off, and says why.

    ``many``: any number may be chosen, otherwise exactly one. ``topic`` is its help.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(-1)", show=False),
        Binding("space", "choose", show=False),
        Binding("enter", "accept", show=False),
    ]
    MARGIN: ClassVar[int] = 6  # "> (*) "
    COMPONENT_CLASSES: ClassVar[set[str]] = {"choice--here", "choice--off", "choice--about", "choice--chosen"}

    class Chosen(Message):
        """Something was chosen, or no longer is."""

        def __init__(self, choices: ChoiceList) -> None:
            super().__init__()
            self.choices = choices

        @property
        def control(self) -> ChoiceList:
            """The list it happened in."""
            return self.choices

    def __init__(
        self,
        choices: Sequence[Choice],
        chosen: Collection[str] = (),
        *,
        many: bool = False,
        topic: str = "",
        id: str | None = None,  # noqa: A002 - Textual's own name for it
    ) -> None:
        super().__init__(id=id)
        self.topic = topic
        self._many = many
        self._choices = tuple(choices)
        self._chosen = [choice.value for choice in choices if choice.value in chosen]
        self._here = 0
        self._rows: tuple[_Row, ...] = ()
        self._start()

    def _start(self) -> None:
        values = [choice.value for choice in self._choices]
        usable = [index for index, choice in enumerate(self._choices) if not choice.off]
        self._here = values.index(self._chosen[0]) if self._chosen else next(iter(usable), 0)

    @property
    def values(self) -> tuple[str, ...]:
        """What is chosen, in the order of the list."""
        return tuple(choice.value for choice in self._choices if choice.value in self._chosen)

    @property
    def value(self) -> str:
        """The one that is chosen; empty if none is."""
        return next(iter(self.values), "")

    def offer(self, choices: Sequence[Choice], chosen: Collection[str], *, keep: bool = False) -> None:
        """Show other choices instead; ``keep``: the cursor stays on its value, if that is still there."""
        before = self._choices[self._here].value if self._choices else ""
        self._choices = tuple(choices)
        self._chosen = [choice.value for choice in choices if choice.value in chosen]
        self._start()
        self._rows = self._layout(self.size.width)
        values = [choice.value for choice in choices]
        if keep and before in values:
            self._here = values.index(before)
        self.refresh(layout=True)

    # keys

    def action_move(self, by: int) -> None:
        """Go up or down; past the edge to the next field."""
        there = self._here + by
        if 0 <= there < len(self._choices):
            self._go(there)
        elif by > 0:
            self.screen.focus_next()
        else:
            self.screen.focus_previous()

    def action_edge(self, index: int) -> None:
        """Go to the first or the last choice."""
        if self._choices:
            self._go(index % len(self._choices))

    def action_choose(self) -> None:
        """Choose what the cursor is on, or take it back."""
        choice = self._choices[self._here]
        if choice.off and choice.value not in self._chosen:
            self.app.bell()
            return
        if not self._many:
            if self._chosen == [choice.value]:
                return
            self._chosen = [choice.value]
            self.refresh()
        else:
            (self._chosen.remove if choice.value in self._chosen else self._chosen.append)(choice.value)
            self._repaint(self._here)
        self._tell()

    def _tell(self) -> None:
        """Let what depends on this appear before the next key is taken; the rest may come by message."""
        for node in self.ancestors:
            if isinstance(node, Adapting):
                node.adapt()
        self.post_message(self.Chosen(self))

    async def action_accept(self) -> None:
        """Choose and go on; where several may be chosen only go on. At once: another key may be waiting."""
        if not self._many:
            if self._choices[self._here].off:
                self.app.bell()
                return
            self.action_choose()
        await self.run_action("screen.next")

    def on_click(self, event: events.Click) -> None:
        """Choose what was clicked on."""
        if 0 <= event.y < len(self._rows):
            self._go(self._rows[event.y].index)
            self.action_choose()

    def _go(self, there: int) -> None:
        before, self._here = self._here, there
        self._repaint(before)
        self._repaint(there)
        self._point()

    def on_focus(self) -> None:
        """Show where the keys go."""
        self.refresh()
        self._point()

    def on_blur(self) -> None:
        """Stop showing it."""
        self.refresh()

    def _point(self) -> None:
        """Put the terminal's own cursor there, which is what screen readers and Braille displays follow."""
        lines = self._lines_of(self._here)
        keep_in_view(self, lines, to_the_end=self.screen.focus_chain[-1:] == [self])
        self.app.cursor_position = self.content_region.offset + Offset(0, lines.y)

    def _repaint(self, index: int) -> None:
        self.refresh(self._lines_of(index))

    def _lines_of(self, index: int) -> Region:
        mine = [y for y, row in enumerate(self._rows) if row.index == index] or [0]
        return Region(0, mine[0], self.size.width, len(mine))

    # painting

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's
        """Return how many lines the choices need at ``width``."""
        self._rows = self._layout(width)
        return len(self._rows)

    def on_resize(self) -> None:
        """Break the lines anew, and keep the cursor in view: it may have come before they had their place."""
        self._rows = self._layout(self.size.width)
        if self.has_focus:
            self._point()

    def _layout(self, width: int) -> tuple[_Row, ...]:
        column = max((len(choice.title) for choice in self._choices), default=0) + 2
        room = max(width - self.MARGIN, 1)
        if room - column >= _ABOUT_AT_LEAST:
            laid = [_beside(at, choice, column, room - column) for at, choice in enumerate(self._choices)]
        else:
            laid = [_below(at, choice, room) for at, choice in enumerate(self._choices)]
        return tuple(row for rows in laid for row in rows)

    def render_line(self, y: int) -> Strip:
        """Paint one line."""
        width = self.size.width
        if y >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row = self._rows[y]
        choice = self._choices[row.index]
        here = self.has_focus and row.index == self._here
        about = self.get_component_rich_style("choice--off" if choice.off else "choice--about")
        title = self.rich_style
        if choice.value in self._chosen:
            title = self.get_component_rich_style("choice--chosen")
        if here:
            title = about = self.get_component_rich_style("choice--here")
        head = self._mark(choice, here=here) if row.first else " " * self.MARGIN
        strip = Strip([Segment(head + row.title, title), Segment(row.about, about)])
        return strip.adjust_cell_length(width, title if here else self.rich_style)

    def _mark(self, choice: Choice, *, here: bool) -> str:
        pointer = SIGNS.here if here else " "
        inner = " " if choice.value not in self._chosen else "x" if self._many else SIGNS.chosen
        box = f"[{inner}]" if self._many else f"({inner})"
        return f"{pointer} {box} "


class Listing(ChoiceList):
    """A list to look through: nothing in it is chosen."""

    MARGIN: ClassVar[int] = 2  # "> "

    class Moved(Message):
        """The cursor is on another entry, whose ``value`` this is."""

        def __init__(self, value: str) -> None:
            super().__init__()
            self.value = value

    @property
    def here(self) -> str:
        """The value of the entry that the cursor is on; empty if there is none."""
        return self._choices[self._here].value if self._choices else ""

    def point_at(self, value: str) -> None:
        """Put the cursor on the entry with this value."""
        self._go([choice.value for choice in self._choices].index(value))

    def relabel(self, choice: Choice) -> None:
        """Show the entry of the same value anew; only its line is painted."""
        for index, old in enumerate(self._choices):
            if old.value == choice.value:
                self._choices = (*self._choices[:index], choice, *self._choices[index + 1 :])
                self._rows = self._layout(self.size.width)
                self._repaint(index)

    def action_choose(self) -> None:
        """Do nothing: there is nothing to choose."""

    async def action_accept(self) -> None:
        """Go on."""
        await self.run_action("screen.next")

    def _go(self, there: int) -> None:
        super()._go(there)
        self.post_message(self.Moved(self.here))

    def _mark(self, choice: Choice, *, here: bool) -> str:  # noqa: ARG002 - every entry looks the same
        return f"{SIGNS.here if here else ' '} "


def not_possible(choices: Sequence[Choice]) -> Iterator[Static]:
    """Yield what there is to say about the ``choices`` that are off: each with its reason."""
    reasons: dict[str, list[str]] = {}
    for choice in choices:
        if choice.off:
            reasons.setdefault(choice.off, []).append(choice.title)
    if reasons:
        lines = [f"{SIGNS.bad} {'; '.join(titles)}: {reason}" for reason, titles in reasons.items()]
        text = "\n".join(["Not possible here", *(shown(line) for line in lines)])
        yield Static(text, markup=False, classes="not-possible")


def _about(choice: Choice) -> str:
    if choice.off:
        return f"{SIGNS.bad} {shown(choice.off)}"
    return (shown(choice.about) + (" (recommended)" if choice.recommended else "")).strip()


def _beside(index: int, choice: Choice, column: int, room: int) -> list[_Row]:
    lines = wrap(_about(choice), room) or [""]
    title = shown(choice.title).ljust(column)
    return [_Row(index, at == 0, title if at == 0 else " " * column, line) for at, line in enumerate(lines)]


def _below(index: int, choice: Choice, room: int) -> list[_Row]:
    titles = [_Row(index, at == 0, line, "") for at, line in enumerate(wrap(shown(choice.title), room))]
    return [*titles, *(_Row(index, False, "", line) for line in wrap(_about(choice), room))]
