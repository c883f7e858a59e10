"""One thing to type: its label, the text, and below it at once what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.geometry import Region
from textual.message import Message
from textual.widgets import Input, Static

from screens.widgets.text import SIGNS
from wizard import policyfields

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.binding import BindingType


class Entry(Input):
    """An input whose arrow keys lead to the fields above and below."""

    topic = ""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "app.focus_previous", show=False),
        Binding("down", "app.focus_next", show=False),
    ]

    def on_resize(self) -> None:
        """Show the text once there is room: while it was hidden it had no width and was scrolled away."""
        self.scroll_to(0, animate=False)
        self.scroll_to_region(Region(self.cursor_position, 0, 1, 1), force=True, animate=False)

    async def action_submit(self) -> None:
        """Go on, at once and not by a message: another key may be waiting."""
        await self.run_action("screen.next")


class Field(Vertical):
    """Label and input. ``key`` is the policy's key, whose rules apply and whose help is shown.

    ``check`` is asked instead of the policy's rules where the text is no part of a policy. A ``needed`` one
    must not stay empty. What is wrong is said once something was typed, or when the step is to be left.
    """

    class Edited(Message):
        """Another text stands there."""

    def __init__(
        self,
        label: str,
        key: str,
        value: str = "",
        *,
        secret: bool = False,
        needed: bool = False,
        check: Callable[[str], str | None] | None = None,
        hint: str = "",
        id: str | None = None,  # noqa: A002 - Textual's own name for it
    ) -> None:
        super().__init__(id=id)
        self.key = key
        self.label = label
        self._needed = needed
        self._check = check or (lambda text: policyfields.check_field(key, text))
        self._said = ""
        self._entry = Entry(value, placeholder=hint, password=secret, compact=True)
        self._entry.cursor_blink = False
        self._entry.topic = key
        self._problem = Static("", markup=False, classes="problem")

    def compose(self) -> ComposeResult:
        """Label and text on a line, what is wrong below."""
        with Horizontal():
            yield Static(self.label, markup=False, classes="label")
            yield self._entry
        yield self._problem

    @property
    def value(self) -> str:
        """What was typed, without blanks around it; a password exactly."""
        return self._entry.value if self._entry.password else self._entry.value.strip()

    @property
    def wanted(self) -> bool:
        """Whether it is asked for at all, with the answers there are."""
        return all(node.display for node in self.ancestors_with_self)

    @property
    def problem(self) -> str:
        """What is wrong with it; empty if nothing is."""
        if not self.wanted:
            return ""
        if not self.value:
            return "must not be empty" if self._needed else ""
        return self._check(self.value) or ""

    def say(self, refusal: str = "") -> None:
        """Show what is wrong: its own rule's words, or the ``refusal`` of somebody who looked further."""
        text = self.problem or refusal
        if text == self._said:
            return
        self._said = text
        self._problem.update(f"{SIGNS.bad} {text}" if text else "")
        self._problem.display = bool(text)
        self.set_class(bool(text), "wrong")

    def on_resize(self) -> None:
        """Keep the field in view that is being typed in: a message that came or went has moved it."""
        typed_in = self.screen.focused
        for field in typed_in.ancestors if isinstance(typed_in, Entry) else ():
            if isinstance(field, Field):
                field.scroll_visible(animate=False)

    def clear(self) -> None:
        """Take the text out."""
        self._entry.value = ""

    def take_focus(self) -> None:
        """Let it be typed into, at once: another key may be waiting, of a password perhaps."""
        self.screen.set_focus(self._entry)

    def on_mount(self) -> None:
        """Begin without a complaint."""
        self._problem.display = False

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.is_mounted:
            self.say()
        self.post_message(self.Edited())
