"""What every step of the wizard is: a question, its fields, and the answers made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import Static

from screens.widgets.choice_list import ChoiceList
from screens.widgets.field import Field

if TYPE_CHECKING:
    from screens.answers import Answers, Situation


class Step(VerticalScroll, can_focus=False):
    """One question a screen. It is made of the answers so far and says with ``Answered`` when they change."""

    short: ClassVar[str] = ""
    """Its name in the list of steps."""
    question: ClassVar[str] = ""
    why: ClassVar[str] = ""
    """One line that says why it is asked."""
    section: ClassVar[str] = ""
    """The section of the policy it is about; empty for none."""
    keys: ClassVar[str] = "enter next   esc back   tab next field   F1 help   ^Q quit"

    class Answered(Message):
        """The answers are others now."""

        def __init__(self, answers: Answers) -> None:
            super().__init__()
            self.answers = answers

    class Onward(Message):
        """This step is done; on to the next."""

    def __init__(self, situation: Situation, answers: Answers) -> None:
        super().__init__(id="step")
        self.situation = situation
        self.answers = answers

    def answered(self) -> Answers:
        """Return the answers as the fields now have them."""
        return self.answers

    def adapt(self) -> None:
        """Show and hide what depends on an answer that has just changed."""

    def incomplete(self) -> bool:
        """Show every problem there is; if there is one, put the cursor there and return True."""
        wrong = None
        for field in self.query(Field):
            field.say()
            if field.problem and wrong is None:
                wrong = field
        if wrong:
            wrong.take_focus()
        return wrong is not None

    @property
    def sound(self) -> bool:
        """Whether no field has anything wrong in it, so that a plan can be made."""
        return not any(field.problem for field in self.query(Field))

    def refused(self, key: str, message: str) -> bool:
        """Show what the engine has against the answer to ``key``; False if this step does not ask for it."""
        for field in self.query(Field):
            if field.key == key and field.display:
                field.say(message)
                return True
        return False

    @on(ChoiceList.Chosen)
    @on(Field.Edited)
    def _changed(self, event: Message) -> None:
        event.stop()
        self.adapt()
        self.answers = self.answered()
        self.post_message(self.Answered(self.answers))

    @on(ChoiceList.Accepted)
    def _accepted(self, event: Message) -> None:
        event.stop()
        self.post_message(self.Onward())


class Words(Static):
    """Text that is shown as it is, whatever is in it."""

    def __init__(self, text: str = "", *, classes: str = "", id: str | None = None) -> None:  # noqa: A002
        super().__init__(text, markup=False, classes=classes, id=id)
