"""What comes in front of a step: help, a question to be answered with yes or no, a name for a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import Vertical
from textual.screen import ModalScreen

from screens.labels import HELP
from screens.widgets.field import Field
from screens.widgets.pane import Pane
from screens.widgets.step import Words
from wizard import policyfields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType


class HelpScreen(ModalScreen[None]):
    """The help for one key. Any key closes it."""

    def __init__(self, topic: str) -> None:
        super().__init__()
        self._topic = topic

    def compose(self) -> ComposeResult:
        """The label, the words, and what the documentation calls it."""
        found = HELP.get(self._topic) or HELP["wizard"]
        with Vertical(classes="dialog"):
            yield Words(found.label, classes="dialog-title")
            yield Words(" ".join(found.text.split()))
            if found.named:
                yield Words(f"In the documentation: {found.named}", classes="apart")
            if policyfields.is_key(key := self._topic.partition(" ")[0]):
                yield Words(f"In a policy file: {key}")
            yield Words("any key goes back", classes="hint")

    def on_key(self, event: events.Key) -> None:
        """Close it."""
        event.stop()
        event.prevent_default()
        self.dismiss(None)


class Question(ModalScreen[bool]):
    """A question; y is the yes, and nothing else is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("y", "answer(True)", "yes"),
        ("n,escape", "answer(False)", "no"),
    ]

    def __init__(self, title: str, text: str, *, yes: str, no: str) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._keys = f"y {yes}   n {no}"

    def compose(self) -> ComposeResult:
        """The question and its keys."""
        with Vertical(classes="dialog"):
            yield Words(self._title, classes="dialog-title")
            yield Words(self._text)
            yield Words(self._keys, classes="hint")

    def action_answer(self, answer: bool) -> None:
        """Take the answer."""
        self.dismiss(answer)


class Ask(ModalScreen[str]):
    """A question with several ``answers``, each under its key; escape gives an empty answer."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "answer('')", "back")]

    def __init__(self, title: str, text: str, answers: Mapping[str, str]) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._answers = answers

    def compose(self) -> ComposeResult:
        """The question and its keys."""
        with Vertical(classes="dialog"):
            yield Words(self._title, classes="dialog-title")
            yield Words(self._text)
            keys = "   ".join(f"{key} {answer}" for key, answer in self._answers.items())
            yield Words(f"{keys}   esc stay", classes="hint")

    def on_key(self, event: events.Key) -> None:
        """Take the answer that has this key."""
        if event.key in self._answers:
            event.stop()
            self.dismiss(event.key)

    def action_answer(self, answer: str) -> None:
        """Take an answer."""
        self.dismiss(answer)


class Dialogue(ModalScreen[None]):
    """Lines to read, over the whole screen."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,enter", "close", "back")]

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__()
        self._title = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        """The title, the lines, the keys."""
        with Vertical(classes="dialog whole"):
            yield Words(self._title, classes="dialog-title")
            yield Pane(id="lines", broken=True)
            yield Words("esc back   arrows scroll", classes="hint")

    def on_mount(self) -> None:
        """Fill it."""
        self.query_one(Pane).show_lines(self._lines)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(None)


class FileName(ModalScreen[str]):
    """Asks for the name of a file; an empty one means that the admin thought better of it."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "cancel", "back")]

    def __init__(self, proposal: str) -> None:
        super().__init__()
        self._proposal = proposal

    def compose(self) -> ComposeResult:
        """The field and its keys."""
        with Vertical(classes="dialog"):
            yield Words("Save the policy as a file", classes="dialog-title")
            yield Field("File", "card.path", self._proposal, needed=True, check=lambda _: None, id="path")
            yield Words("enter save   esc back", classes="hint")

    def on_mount(self) -> None:
        """Begin in the field."""
        self.query_one(Field).take_focus()

    def action_next(self) -> None:
        """Take the name."""
        if self.query_one(Field).value:
            self.dismiss(self.query_one(Field).value)

    def action_cancel(self) -> None:
        """Go back without saving."""
        self.dismiss("")
