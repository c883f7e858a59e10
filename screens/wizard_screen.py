"""The one screen of the wizard: a bar, the steps at the left, the step in the middle, the keys."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, ClassVar

from textual import getters, on, work
from textual.binding import Binding
from textual.containers import Container, Horizontal
from textual.message import Message
from textual.screen import Screen

from screens import answers, looking
from screens.answers import Intent
from screens.widgets.choice_list import ChoiceList
from screens.widgets.dialogs import HelpScreen, Question
from screens.widgets.step import Step, Words
from screens.widgets.text import SIGNS
from screens.widgets.will_set import WillSet

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.timer import Timer
    from textual.widget import Widget

    from screens.answers import Answers, Situation
    from screens.previewing import Preview, Previewer
    from wizard.applying import Handle
    from wizard.plan import Plan
    from wizard.root import Root

_WIDE = 100  # columns from which the list of steps has room
_AFTER_CHOICE, _AFTER_LETTER = 0.2, 1.5  # seconds until a changed answer is planned


class WizardScreen(Screen[int]):
    """Walks through the steps. It holds the answers; every step is made of them and hands them back."""

    AUTO_FOCUS = None
    HORIZONTAL_BREAKPOINTS = [(0, "narrow"), (_WIDE, "wide")]  # noqa: RUF012 - Textual declares it so
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+b", "back", show=False),
        # enter too, where what has the cursor has no use for it: a diff, the log
        Binding("ctrl+n,enter", "next", show=False),
        Binding("f1", "explain", show=False),
        Binding("r", "look_again", show=False),
    ]
    body = getters.query_one("#body", Container)

    class Farewell(Message):
        """The admin leaves, and these lines shall stay on the terminal."""

        def __init__(self, lines: tuple[str, ...]) -> None:
            super().__init__()
            self.lines = lines

    class HalfWay(Message):
        """A change was left half-way here, the one that ``handle`` leads to."""

        def __init__(self, handle: Handle) -> None:
            super().__init__()
            self.handle = handle

    class Looked(Message):
        """The host has been looked at."""

        def __init__(self, situation: Situation) -> None:
            super().__init__()
            self.situation = situation

    class Unseen(Message):
        """The host can't be looked at; ``reason`` says why, for the admin."""

        def __init__(self, reason: looking.WizardError) -> None:
            super().__init__()
            self.reason = reason

    class Previewed(Message):
        """The engine has planned the answers of the step ``number``."""

        def __init__(self, preview: Preview, number: int) -> None:
            super().__init__()
            self.preview = preview
            self.number = number

    def __init__(self, root: Root) -> None:
        super().__init__()
        self._root = root
        self._left_half_way = False  # by the admin, who was asked
        self._situation: Situation | None = None
        self._exit_code = 0  # where there is no step to leave
        self._answers: Answers | None = None
        self._at = 0
        self._soon: Timer | None = None
        self._asked = 0
        self._planning = Lock()
        self._previewer: Previewer | None = None
        self._preview: Preview | None = None

    def compose(self) -> ComposeResult:
        """Everything that stays while the steps change."""
        with Horizontal(id="bar"):
            yield Words("postfix-auth", id="bar-question", fixed=True)
            yield Words("", id="bar-place", fixed=True)
        yield Words(SIGNS.dash * 400, classes="rule")
        with Horizontal(id="middle"):
            yield Words("", id="steps", fixed=True)
            yield Container(Words("Looking at this host ...", classes="waiting"), id="body")
        yield WillSet()
        yield Words("^Q quit", id="hints")

    # the host

    def on_mount(self) -> None:
        """Look at the host once there is something on the screen."""
        self.call_after_refresh(self._look)

    @work(thread=True, exclusive=True, group="look")
    def _look(self) -> None:
        try:
            # first of all, for a host that is half-way may not even be readable
            if not self._left_half_way and (handle := looking.interrupted(self._root)):
                self.post_message(self.HalfWay(handle))
                return
            situation = looking.look(self._root)
        except looking.WizardError as error:
            self.post_message(self.Unseen(error))
        else:
            self.post_message(self.Looked(situation))

    async def on_wizard_screen_half_way(self, message: HalfWay) -> None:
        """Offer to take it back, before anything else."""
        from screens.taking_back import Interrupted  # noqa: PLC0415 - brings the engine with it

        await self.app.push_screen(Interrupted(message.handle), self._taken_back)

    def _taken_back(self, wanted: bool | None) -> None:
        self._left_half_way = not wanted
        self._look()

    async def on_wizard_screen_looked(self, message: Looked) -> None:
        """Begin with the first step."""
        self._situation, self._exit_code = message.situation, 0
        self._previewer = None
        intent = Intent.LOOK if message.situation.no_apply else Intent.SUBMISSION
        self._answers = answers.start(message.situation, intent)
        # what is at work or waits comes first: whoever lost the line sees how it goes on
        follows = [at for at, step in enumerate(self._steps) if step.follows]
        await self._show(follows[0] if message.situation.unsettled else 0)

    async def on_wizard_screen_unseen(self, message: Unseen) -> None:
        """Say why there is nothing to be done, and what can be."""
        self._situation, self._exit_code = None, message.reason.exit_code
        await self._clear()
        text = f"{SIGNS.bad} {message.reason}\n\nNothing was changed."
        await self.body.mount(Words(text, classes="problem waiting"))
        self._hint("r look again   ^Q quit")

    async def action_look_again(self) -> None:
        """Look at the host anew, when it could not be looked at."""
        if self._situation is None:
            await self._look_anew()

    async def _look_anew(self) -> None:
        self.query_one(WillSet).display = False
        await self._clear()
        await self.body.mount(Words("Looking at this host ...", classes="waiting"))
        self._look()

    # walking

    @property
    def _steps(self) -> tuple[type[Step], ...]:
        from screens import flow  # noqa: PLC0415 - brings the engine with it, and the first picture comes before

        return flow.steps(self._answers.intent if self._answers else Intent.LOOK)

    @property
    def _step(self) -> Step | None:
        """The step that is there to be asked; None while one goes and the next comes."""
        return next((step for step in self.body.query(Step) if step.ready), None)

    async def _clear(self) -> None:
        """Take out what is in the middle; from now on it is asked nothing."""
        if self._soon is not None:
            self._soon.stop()
        for step in self.body.query(Step):
            step.ready = False
        await self.body.remove_children()

    async def _show(self, at: int) -> None:
        """Put the step at place ``at`` in the middle."""
        if self._situation is None or self._answers is None:
            return
        self._at, self._preview = at, None
        step = self._steps[at](self._situation, self._answers)
        self.query_one(WillSet).begin(step.sections)
        with self.app.batch_update():
            await self._clear()
            await self.body.mount(step)
            self._frame(step)
            # at once, for a key may be waiting; in the order of the page, for nothing has its place yet
            self.set_focus(next((widget for widget in step.query("*") if _takes_keys(widget)), None))
        if step.planned:
            self._plan_soon(_AFTER_CHOICE)

    def set_focus(
        self, widget: Widget | None, scroll_visible: bool = True, from_app_focus: bool = False
    ) -> None:
        """Leave it to a list to bring into view the row that counts; the whole of it may not fit."""
        scroll = scroll_visible and not isinstance(widget, ChoiceList)
        super().set_focus(widget, scroll, from_app_focus)

    def _frame(self, step: Step) -> None:
        steps = self._steps
        self.query_one("#bar-question", Words).say(step.question)
        self.query_one("#bar-place", Words).say(f"{self._at + 1} of {len(steps)} {step.short}")
        marks = [SIGNS.good] * self._at + [SIGNS.here] + [" "] * len(steps)
        listed = (f"{mark} {kind.short}" for mark, kind in zip(marks, steps, strict=False))
        self.query_one("#steps", Words).say("\n".join(listed))
        self._hint(step.keys)

    @on(Step.Framed)
    def _framed(self) -> None:
        if step := self._step:
            self._frame(step)

    def _hint(self, keys: str) -> None:
        self.query_one("#hints", Words).say(keys)

    async def action_next(self) -> None:
        """Go on, unless something in this step is wrong."""
        step = self._step
        if step is None or await step.incomplete():
            return
        self._answers = step.answered()
        if self._at + 1 < len(self._steps):
            await self._show(self._at + 1)

    async def action_back(self) -> None:
        """Go back; what was typed stays. What was applied can't be walked back from: begin anew with it."""
        step = self._step
        if step is None or self._at == 0 or not step.may_leave:
            self.app.bell()
            return
        if step.applied:
            await self._look_anew()
            return
        self._answers = step.answered()
        await self._show(self._at - 1)

    # what it would set

    @on(Step.Answered)
    def _answered(self, message: Step.Answered) -> None:
        self._answers = message.answers
        step = self._step
        if step is not None and step.planned:
            self._plan_soon(_AFTER_LETTER if message.typing else _AFTER_CHOICE)

    def _plan_soon(self, seconds: float) -> None:
        if self._soon is not None:
            self._soon.stop()
        self._asked += 1
        self._soon = self.set_timer(seconds, self._plan_now)

    def _plan_now(self) -> None:
        step = self._step
        if step is None or self._situation is None or self._answers is None:
            return
        if not step.sound:
            self.query_one(WillSet).begin(step.sections)
            return
        self.query_one(WillSet).wait()
        self._plan(self._situation, self._answers, step.sections, self._asked)

    @work(thread=True, group="plan")
    def _plan(self, situation: Situation, given: Answers, sections: tuple[str, ...], number: int) -> None:
        from screens.previewing import Previewer  # noqa: PLC0415 - brings the engine with it

        with self._planning:
            if self._previewer is None:
                self._previewer = Previewer(situation)
            # while one plan was made, newer answers may have come
            if number == self._asked:
                self.post_message(self.Previewed(self._previewer.preview(given, sections), number))

    def on_wizard_screen_previewed(self, message: Previewed) -> None:
        """Show the newest; what was planned for older answers is of no use any more."""
        step = self._step
        if step is not None and message.number == self._asked:
            self._preview = message.preview
            said_by = step.previewed(message.preview)
            self.query_one(WillSet).show_preview(message.preview, said_by)

    # the last yes

    async def action_apply(self) -> None:
        """Ask whether what was reviewed shall be done, and do it; with nothing to do go on to the tests."""
        from screens import doing  # noqa: PLC0415 - brings the engine with it

        plan = self._preview.plan if self._preview else None
        if plan is None or self._answers is None:
            return
        accounts = doing.to_make(self._answers)
        if not plan.pending and not accounts:
            await self._show(self._at + 1)
            return
        text = f"Nothing is changed, but accounts are made: {', '.join(new.name for new in accounts)}."
        if plan.pending:
            text = self._warning(plan)
        await self.app.push_screen(Question("Apply this now?", text, yes="apply", no="not yet"), self._agreed)

    def _warning(self, plan: Plan) -> str:
        count = len(plan.changes)
        changes = "1 change" if count == 1 else f"{count} changes"
        text = f"{changes}, {plan.interruption}. If a step or a test fails, all is put back as it was."
        if self._root.live:
            text += " If all goes well, it waits two minutes for you to keep it."
        return text

    async def _agreed(self, yes: bool | None) -> None:
        if yes and self._answers and self._preview:
            self._answers = replace(self._answers, reviewed=self._preview.diffs)
            await self._show(self._at + 1)

    # help, and leaving

    def action_explain(self) -> None:
        """Show the help for what the cursor is in."""
        self.app.push_screen(HelpScreen(getattr(self.focused, "topic", "")))

    async def action_leave(self) -> None:
        """Leave; ask first if answers would be lost."""
        step = self._step
        if step is not None and await step.settles():
            return
        if step is None or self._at == 0 or step.leaving is None:
            self.app.exit(step.exit_code if step else self._exit_code)
            return
        question = Question("Leave the wizard?", step.leaving, yes="leave", no="stay")
        await self.app.push_screen(question, self._left)

    @on(Step.GoOn)
    async def _go_on(self) -> None:
        await self.action_next()

    @on(Step.Leave)
    def _leave(self, message: Step.Leave) -> None:
        self.post_message(self.Farewell(message.lines))

    def _left(self, yes: bool | None) -> None:
        if yes:
            self.app.exit(0)


def _takes_keys(widget: Widget) -> bool:
    return widget.focusable and all(node.display for node in widget.ancestors_with_self)
