"""The one screen of the wizard: a bar, the steps at the left, the step in the middle, the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import getters, on, work
from textual.binding import Binding
from textual.containers import Container, Horizontal
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Input

from screens import answers, looking
from screens.answers import Intent
from screens.widgets.step import Step, Words
from screens.widgets.text import SIGNS

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from screens.answers import Answers, Situation
    from wizard.root import Root

_WIDE = 100  # columns from which the list of steps has room


class WizardScreen(Screen[int]):
    """Walks through the steps. It holds the answers; every step is made of them and hands them back."""

    AUTO_FOCUS = None
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]]] = [(0, "narrow"), (_WIDE, "wide")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+b", "back", "back", show=False),
        Binding("ctrl+n", "next", "next", show=False),
        Binding("ctrl+q", "leave", "quit", show=False),
        Binding("f1", "explain", "help", show=False),
    ]
    body = getters.query_one("#body", Container)

    class Leave(Message):
        """The admin wants out."""

    class Looked(Message):
        """The host has been looked at."""

        def __init__(self, situation: Situation) -> None:
            super().__init__()
            self.situation = situation

    class Unseen(Message):
        """The host can't be looked at; ``reason`` says why, for the admin."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    def __init__(self, root: Root) -> None:
        super().__init__()
        self._root = root
        self._situation: Situation | None = None
        self._answers: Answers | None = None
        self._at = 0

    def compose(self) -> ComposeResult:
        """Everything that stays while the steps change."""
        with Horizontal(id="bar"):
            yield Words("postfix-auth", id="bar-question")
            yield Words("", id="bar-place")
        yield Words(SIGNS.dash * 400, classes="rule")
        with Horizontal(id="middle"):
            yield Words("", id="steps")
            yield Container(Words("Looking at this host ..."), id="body")
        yield Words(SIGNS.dash * 400, classes="rule", id="will-rule")
        yield Words("", id="will")
        yield Words("^Q quit", id="hints")

    def on_mount(self) -> None:
        """Look at the host once there is something on the screen."""
        self.call_after_refresh(self.look)

    @work(thread=True, exclusive=True, group="look")
    def look(self) -> None:
        """Find out what the host is."""
        try:
            situation = looking.look(self._root)
        except looking.WizardError as error:
            self.post_message(self.Unseen(str(error)))
        else:
            self.post_message(self.Looked(situation))

    async def on_wizard_screen_looked(self, message: Looked) -> None:
        """Begin with the first step."""
        self._situation = message.situation
        intent = Intent.LOOK if message.situation.no_apply else Intent.SUBMISSION
        self._answers = answers.start(message.situation, intent)
        await self._show(0)

    async def on_wizard_screen_unseen(self, message: Unseen) -> None:
        """Say why there is nothing to be done, and what can be."""
        await self.body.remove_children()
        await self.body.mount(
            Words(f"{SIGNS.bad} {message.reason}\n\nNothing was changed.", classes="problem")
        )
        self._hint("r look again   ^Q quit")

    # walking

    @property
    def _steps(self) -> tuple[type[Step], ...]:
        from screens import flow  # noqa: PLC0415 - brings the engine with it, and the first picture comes before

        return flow.steps(self._answers.intent if self._answers else Intent.LOOK)

    @property
    def _step(self) -> Step | None:
        return next(iter(self.body.query(Step)), None)

    async def _show(self, at: int) -> None:
        """Put the step at place ``at`` in the middle."""
        if self._situation is None or self._answers is None:
            return
        self._at = at
        step = self._steps[at](self._situation, self._answers)
        with self.app.batch_update():
            await self.body.remove_children()
            await self.body.mount(step)
            self._frame(step)
        self.call_after_refresh(self.focus_first)

    def focus_first(self) -> None:
        """Put the cursor on the step's first field."""
        chain = self.focus_chain
        if chain:
            self.set_focus(chain[0])

    def _frame(self, step: Step) -> None:
        steps = self._steps
        self.query_one("#bar-question", Words).update(step.question)
        self.query_one("#bar-place", Words).update(f"{self._at + 1} of {len(steps)} {step.short}")
        marks = [
            SIGNS.good if at < self._at else SIGNS.here if at == self._at else " " for at in range(len(steps))
        ]
        listed = (f"{mark} {kind.short}" for mark, kind in zip(marks, steps, strict=True))
        self.query_one("#steps", Words).update("\n".join(listed))
        self._hint(step.keys)

    def _hint(self, keys: str) -> None:
        self.query_one("#hints", Words).update(keys)

    @on(Step.Answered)
    def _answered(self, message: Step.Answered) -> None:
        self._answers = message.answers

    @on(Step.Onward)
    @on(Input.Submitted)
    async def _onward(self, message: Message) -> None:
        message.stop()
        await self.action_next()

    async def action_next(self) -> None:
        """Go on, unless something in this step is wrong."""
        step = self._step
        if step is None or step.incomplete():
            return
        self._answers = step.answered()
        if self._at + 1 < len(self._steps):
            await self._show(self._at + 1)

    async def action_back(self) -> None:
        """Go back; what was typed stays."""
        step = self._step
        if step is not None and self._at > 0:
            self._answers = step.answered()
            await self._show(self._at - 1)

    # leaving

    def on_wizard_screen_leave(self) -> None:
        """Leave: nothing was written that would be lost."""
        self.action_leave()

    def action_leave(self) -> None:
        """Leave the wizard."""
        self.app.exit(0)

    def action_explain(self) -> None:
        """Help for what the cursor is in."""
