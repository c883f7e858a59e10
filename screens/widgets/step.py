"""What every step of the wizard is: a question, its fields, and the answers made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import Static

from screens.labels import where
from screens.widgets.choice_list import ChoiceList
from screens.widgets.field import Field
from screens.widgets.text import SIGNS, fits_below, shown

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from screens.answers import Answers, Situation
    from screens.previewing import Preview


class Words(Static):
    """Text that is shown as it is, whatever is in it. ``fixed``: its size does not depend on the text."""

    def __init__(
        self,
        text: str = "",
        *,
        classes: str = "",
        id: str | None = None,  # noqa: A002 - Textual's own name for it
        fixed: bool = False,
    ) -> None:
        super().__init__(text, markup=False, classes=classes, id=id)
        self._text = text
        self._fixed = fixed

    def say(self, text: str) -> None:
        """Show another text; nothing is painted if it is the same."""
        if text != self._text:
            self._text = text
            self.update(text, layout=not self._fixed)


@dataclass(frozen=True, slots=True)
class Missing:
    """What is missing or does not fit, and the ``key`` of the field it concerns, if it is one field."""

    text: str
    key: str = ""


class Step(VerticalScroll, can_focus=False):
    """One question a screen. It is made of the answers so far and says with ``Answered`` when they change."""

    short: ClassVar[str] = ""
    """Its name in the list of steps."""
    question: str = ""
    why: ClassVar[str] = ""
    """One line that says why it is asked."""
    sections: ClassVar[tuple[str, ...]] = ()
    """The sections of the policy it is about."""
    keys: str = "enter next   esc back   tab next field   space choose   F1 help   ^Q quit"

    planned: ClassVar[bool] = True
    """Whether the engine plans the answers while this step is shown."""
    follows: ClassVar[bool] = False
    """Whether it shows a process that changes the host."""
    ready: bool = False
    """Whether its fields are there to be asked."""
    may_leave: bool = True
    """Whether one may go back from here now."""
    applied: bool = False
    """Whether the host has been changed from here."""
    exit_code: int = 0
    """What the program ends with if the wizard is left here."""
    leaving: str | None = "Nothing has been changed. Your answers will be forgotten."
    """What is said to an admin who wants to leave the wizard here; None: nothing would be lost."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # what stands below the last field, where no cursor leads
        Binding("pagedown", "scroll_by_page(1)", show=False),
        Binding("pageup", "scroll_by_page(-1)", show=False),
    ]

    class Answered(Message):
        """The answers are others now. ``typing``: a letter was typed, more will follow."""

        def __init__(self, answers: Answers, *, typing: bool) -> None:
            super().__init__()
            self.answers = answers
            self.typing = typing

    class Framed(Message):
        """Its question or its keys are others now."""

    class GoOn(Message):
        """What had to be done before the next step is done."""

    class Leave(Message):
        """The wizard can be left, and these lines shall stay on the terminal."""

        def __init__(self, lines: tuple[str, ...]) -> None:
            super().__init__()
            self.lines = lines

    def __init__(self, situation: Situation, answers: Answers) -> None:
        super().__init__(id="step")
        self.situation = situation
        self.answers = answers
        self._complaint = Words("", classes="problem")
        self._sound = True

    # what a step fills in

    def fields(self) -> ComposeResult:
        """Yield the question's widgets."""
        yield from ()

    def answered(self) -> Answers:
        """Return the answers as the fields now have them."""
        return self.answers

    def adapt(self) -> None:
        """Show and hide what depends on the answers; called before the next key is taken."""

    async def settles(self) -> bool:
        """Ask what has to be settled before the wizard is left; True: this step sees to the leaving."""
        return False

    def missing(self) -> Missing | None:
        """Say what else has to be answered, that no field can say for itself; None: nothing."""
        return None

    def action_scroll_by_page(self, direction: int) -> None:
        """Scroll at once, without painting what is in between."""
        self.scroll_relative(y=direction * self.size.height, animate=False)

    # what all steps do

    def compose(self) -> ComposeResult:
        """Why it is asked, the fields, and what is missing."""
        if self.why:
            yield Words(self.why, classes="why")
        yield from self.fields()
        yield self._complaint

    def on_mount(self) -> None:
        """Begin with what depends on what."""
        self.ready = True
        self._complain("")
        self.adapt()

    def _complain(self, text: str) -> None:
        lines = "\n".join(map(shown, text.splitlines()))
        self._complaint.say(f"{SIGNS.bad} {lines}" if text else "")
        self._complaint.display = bool(text)

    async def incomplete(self) -> bool:
        """Show every problem there is; if there is one, put the cursor there and return True."""
        wrong = None
        for field in self.query(Field):
            field.say()
            if field.problem and wrong is None:
                wrong = field
        if wrong:
            wrong.take_focus()
            return True
        if missing := self.missing():
            if concerned := self._object(missing.key, missing.text):
                concerned.take_focus()
            else:
                self._complaint.scroll_visible(animate=False)
            return True
        self._complain("")
        return False

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong or missing, so that a plan can be made."""
        return not any(field.problem for field in self.query(Field)) and not self.missing()

    def previewed(self, preview: Preview) -> str:
        """Take what the engine has worked out for the answers; return the field that says what is wrong."""
        self._complain("")
        concerned = self._field(preview.key) if preview.problem else None
        if concerned or not fits_below(
            f"{where(preview.key, self.sections)}{preview.problem}", self.app.size.width
        ):
            self._object(preview.key, preview.problem)
        for field in self.query(Field):
            if field is not concerned:
                field.say()
        return concerned.label if concerned else ""

    def _object(self, key: str, message: str) -> Field | None:
        """Show what is wrong with the answer to ``key``, beside its field if there is one; return that.

        What has more than one line, such as what is to be typed elsewhere, needs the width below all fields.
        """
        field = self._field(key)
        if field is None:
            self._complain(f"{where(key, self.sections)}{message}")
            return None
        first, _, more = message.partition("\n")
        field.say(first)
        self._complain(f"{field.label}: {message}" if more else "")
        return field

    def _field(self, key: str) -> Field | None:
        return next((field for field in self.query(Field) if field.key == key and field.wanted), None)

    @on(ChoiceList.Chosen)
    @on(Field.Edited)
    def _changed(self, event: Message) -> None:
        event.stop()
        before, self.answers = self.answers, self.answered()
        was_sound, self._sound = self._sound, self.planned and self.sound
        # what is not valid counts as not answered, so the answers may be the same and the plan is not
        if self.answers != before or self._sound is not was_sound:
            self.post_message(self.Answered(self.answers, typing=isinstance(event, Field.Edited)))
