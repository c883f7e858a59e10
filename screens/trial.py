"""The step that applies the plan, shows the tests beside the live log, and asks whether it shall be kept."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from textual import getters, on, work
from textual.binding import Binding
from textual.message import Message
from textual.worker import get_current_worker

from screens import doing, trial_words
from screens.trial_words import Phase
from screens.widgets.countdown import Countdown
from screens.widgets.dialogs import Ask, Question
from screens.widgets.mail_log import MailLog
from screens.widgets.results import Results, dialogue
from screens.widgets.step import Step, Words
from screens.widgets.text import SIGNS, clock, shown
from wizard.choices import owns_accounts
from wizard.errors import WizardError
from wizard.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.timer import Timer

    from screens.answers import NewAccount, Situation
    from wizard.applying import Handle
    from wizard.checks import Check, Result

_EVENTS_EVERY = 0.25  # seconds; what came in between is painted at once
_RESTS_AFTER = 0.3  # seconds without a key


class Then(StrEnum):
    """What follows once the change is kept."""

    STAY = "stay"
    NEXT = "next"
    LEAVE = "leave"


class TrialStep(Step):
    """Follows what a process of its own does to the host; leaving this page stops nothing."""

    short = "Tests"
    question = "Apply and test"
    planned = False
    follows = True
    leaving = None
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "dialogue", show=False),
        Binding("r", "rerun", show=False),
        Binding("k", "keep", show=False),
        Binding("u", "undo", show=False),
    ]
    _results = getters.query_one("#results", Results)
    _countdown = getters.query_one("#countdown", Countdown)
    _log = getters.query_one("#log", MailLog)

    class Happened(Message):
        """The applying process, or the tests, have come further."""

        def __init__(self, events: tuple[Event, ...]) -> None:
            super().__init__()
            self.events = events

    class Wanted(Message):
        """These tests will be run."""

        def __init__(self, checks: tuple[Check, ...]) -> None:
            super().__init__()
            self.checks = checks

    class Ended(Message):
        """What was begun is over. ``problem`` says what went wrong, if something did."""

        def __init__(self, phase: Phase, problem: str = "") -> None:
            super().__init__()
            self.phase = phase
            self.problem = problem

    class TestsOver(Message):
        """The tests that were run once more are over; ``problem``: they could not be run."""

        def __init__(self, problem: str = "") -> None:
            super().__init__()
            self.problem = problem

    def fields(self) -> ComposeResult:
        """What is being done, how long it waits for a yes, and the tests and the log side by side."""
        yield Words("Starting ...", id="doing")
        yield Countdown()
        yield Results(MailLog(self.situation))

    def on_mount(self) -> None:
        """Start."""
        super().on_mount()
        self._handle: Handle | None = None
        self._told = ""
        self._soon: Timer | None = None
        self._made: tuple[str, ...] = ()
        self._then = Then.STAY
        self._farewell: tuple[str, ...] = trial_words.GOES_ON
        self._countdown.stop()
        if self.situation.unsettled:
            self._follow(lambda: doing.resume(self.situation), "Looking how far it has come ...")
        elif self.answers.reviewed:
            self._follow(lambda: doing.start(self.situation, self.answers), "Applying ...")
            self._farewell = (*trial_words.WILL_WAIT, *trial_words.not_made(self._unmade))
        else:
            self._rerun(doing.to_make(self.answers))

    # what runs

    def _enter(self, phase: Phase, text: str) -> None:
        self._phase = phase
        self.may_leave = phase in (Phase.KEPT, Phase.FAILED, Phase.UNDONE)
        self.applied = phase in (Phase.KEPT, Phase.UNDONE) or self.situation.unsettled
        self.exit_code = int(phase is Phase.FAILED)
        handle, waits = self._handle, self.situation.unsettled and self._countdown.running
        titled = trial_words.waits(clock(handle.checkpoint.time)) if handle and waits else ""
        self.question = titled or type(self).question
        self._offer_keys()
        self._say(text)

    def _offer_keys(self) -> None:
        tested, undoable = len(self._results.all), self._handle is not None
        self.keys = trial_words.keys(
            self._phase, tested=tested, failed=self._results.failed, undoable=undoable
        )
        self.post_message(self.Framed())

    def _follow(self, start: Callable[[], Handle], text: str) -> None:
        self._farewell, self._told = trial_words.GOES_ON, ""
        self._enter(Phase.RUNNING, text)
        self._follow_events(start)

    @work(thread=True, group="apply")
    def _follow_events(self, start: Callable[[], Handle]) -> None:
        """Tell what the process does, until it ends. If this page is left, the process goes on."""
        worker = get_current_worker()
        try:
            handle = self._handle = start()
            while not worker.is_cancelled:
                ended = handle.finished
                if events := handle.poll():
                    self.post_message(self.Happened(events))
                if ended:
                    self.post_message(self.Ended(self._outcome(handle)))
                    break
                time.sleep(_EVENTS_EVERY)
        except (WizardError, OSError) as error:
            self.post_message(self.Ended(self._standing(), str(error)))

    def _outcome(self, handle: Handle) -> Phase:
        if not handle.succeeded:
            return Phase.FAILED
        if not handle.standing.state.in_force:
            return Phase.UNDONE
        if (phase := self._standing()) is Phase.KEPT:
            self._make(doing.to_make(self.answers))
        return phase

    def _standing(self) -> Phase:
        """Return what has become of the change, whatever went wrong since."""
        now = self._handle.standing if self._handle else None
        if now is None or not now.state.in_force:
            return Phase.FAILED
        return Phase.WAITING if now.waits else Phase.KEPT

    def _make(self, accounts: tuple[NewAccount, ...]) -> None:
        for name in doing.make_accounts(self.situation, accounts):
            self._made = (*self._made, name)

    @property
    def _unmade(self) -> tuple[str, ...]:
        """The accounts that were asked for and are not there."""
        return tuple(new.name for new in doing.to_make(self.answers) if new.name not in self._made)

    @work(thread=True, group="tests")
    def _test(self, accounts: tuple[NewAccount, ...]) -> None:
        try:
            self._make(accounts)
            doing.test(self.situation, self.answers, self._tell_wanted, self._tell_tested)
        except WizardError as error:
            self.post_message(self.TestsOver(str(error)))
        else:
            self.post_message(self.TestsOver())

    def _tell_wanted(self, checks: tuple[Check, ...]) -> None:
        self.post_message(self.Wanted(checks))

    def _tell_tested(self, result: Result) -> None:
        self.post_message(self.Happened((Event("test", result=result),)))

    @work(thread=True, group="apply")
    def _finish(self, keep: Callable[[Situation], None] | None = None) -> None:
        """Make the accounts for what is kept; before, ``keep`` it, unless others have."""
        problem = ""
        try:
            if keep:
                keep(self.situation)
            self._make(doing.to_make(self.answers))
        except (WizardError, OSError) as error:
            problem = str(error)
        self.post_message(self.Ended(self._standing(), problem))

    # what is shown

    @on(Happened)
    def _happened(self, event: Happened) -> None:
        for happened in event.events:
            if happened.result is not None:
                self._results.add(happened.result)
            elif happened.kind in ("failed", "rolled-back"):
                self._told = f"{self._told}\n{happened.text}".strip()
            elif happened.kind == "step":
                self._say(f"{happened.number} of {happened.total}: {happened.text}")
            elif happened.text:
                self._say(happened.text)
        self._offer_keys()

    @on(Wanted)
    def _wanted(self, event: Wanted) -> None:
        self._results.expect(event.checks)

    @on(Results.Pointed)
    def _pointed(self) -> None:
        # whoever holds an arrow key down waits for the list only, not for the log as well
        if self._soon:
            self._soon.stop()
        self._soon = self.set_timer(_RESTS_AFTER, self._look_at_log)

    def _look_at_log(self) -> None:
        self._log.look_at(self._results.here, self._results.all)

    def _say(self, text: str) -> None:
        self.query_one("#doing", Words).say("\n".join(shown(line) for line in text.splitlines()))

    @on(Ended)
    def _ended(self, event: Ended) -> None:
        then, self._then = self._then, Then.STAY
        if event.phase is Phase.UNDONE:
            self._results.clear()
        if event.phase is Phase.WAITING and self._handle:
            self._countdown.begin(self._handle)
        self._rest(event.phase, event.problem or self._told)
        if event.problem or event.phase is not Phase.KEPT:
            return
        if then is Then.NEXT:
            self.post_message(self.GoOn())
        elif then is Then.LEAVE:
            self.post_message(self.Leave(trial_words.KEPT))

    @on(TestsOver)
    def _tests_over(self, event: TestsOver) -> None:
        # otherwise it is being put back meanwhile
        if self._phase in (Phase.TESTING, Phase.WAITING, Phase.KEPT):
            self._rest(Phase.WAITING if self._countdown.running else Phase.KEPT, event.problem)

    @property
    def _elsewhere(self) -> bool:
        """Whether accounts may have been typed in another wizard, which alone can make them."""
        backend = self.situation.in_force.policy.backend
        return self.situation.unsettled and backend is not None and owns_accounts(backend)

    def _rest(self, phase: Phase, problem: str) -> None:
        half_way = self._handle is not None and self._handle.standing.state.half_way
        if half_way:
            goal = "take it back"
        elif self.situation.unsettled or phase is Phase.UNDONE:
            goal = "begin anew"
        else:
            goal = "back to your answers" if phase is Phase.FAILED else "what to tell your users"
        tally = self._results.tally
        if self._results.failed:
            problem = problem or tally
        text = trial_words.rest(phase, problem, tally, (self._made, self._unmade), goal)
        if phase is Phase.KEPT and self._elsewhere:
            text += f"\n{SIGNS.attention} {trial_words.MADE_ELSEWHERE}"
        self._enter(phase, text)
        # whoever looks at the host anew is offered to take back what is half-way
        self.applied = self.applied or half_way
        self._results.take_focus()

    # waiting for the yes

    @on(Countdown.Decided)
    def _decided(self) -> None:
        """Follow what others do: they have kept it, or are putting it back."""
        handle = self._handle
        if handle is None:
            return
        if self._standing() is Phase.KEPT:
            self._enter(Phase.RUNNING, "It is kept ...")
            self._finish()
            return
        self._results.clear()
        self._follow(handle.others, "Nobody said yes: all is put back ...")

    def action_keep(self) -> None:
        """Keep what waits for it."""
        self._keep(Then.STAY)

    def _keep(self, then: Then) -> None:
        if not self._countdown.running:
            self.app.bell()
            return
        self._then = then
        self._countdown.stop()
        self._enter(Phase.RUNNING, "Keeping it ...")
        self._farewell = trial_words.GOES_ON
        self._finish(doing.keep)

    # keys

    def action_dialogue(self) -> None:
        """Show all there is to know of the test that the cursor is on, and what the log said to it."""
        result = self._results.here
        if result is None:
            self.app.bell()
            return
        self._look_at_log()
        self.app.push_screen(dialogue(result, *self._log.caused))

    def action_rerun(self) -> None:
        """Run the tests again."""
        if self._phase in (Phase.WAITING, Phase.KEPT):
            self._rerun()
        else:
            self.app.bell()

    def _rerun(self, accounts: tuple[NewAccount, ...] = ()) -> None:
        """Run the tests, after having made ``accounts``."""
        self._told = ""
        self._enter(Phase.TESTING, "Testing ...")
        self._test(accounts)

    async def action_undo(self) -> None:
        """Put everything back, after a yes."""
        if self._handle is None or self._phase not in (Phase.WAITING, Phase.KEPT):
            self.app.bell()
            return
        text = "Every change is taken back, and the services run as before."
        question = Question("Undo everything?", text, yes="undo", no="not now")
        await self.app.push_screen(question, self._undo)

    def _undo(self, yes: bool | None) -> None:
        handle = self._handle
        if not yes or handle is None or self._phase is Phase.RUNNING:
            return
        self._countdown.stop()
        now = handle.standing.state
        if not now.in_force and not now.half_way:  # while the question was asked, the time ran out
            self.post_message(self.Ended(Phase.UNDONE))
            return
        self._follow(lambda: doing.undo(self.situation, handle), "Undoing ...")

    async def incomplete(self) -> bool:
        """Stay while it runs, and where there is nothing to tell users; what waits is kept first."""
        if self._phase is Phase.WAITING and not self._results.failed:
            self._keep(Then.NEXT)
            return True
        if self._phase is Phase.KEPT and self.situation.unsettled:
            # what was found while somebody changed it is no longer so
            await self.run_action("screen.back")
            return True
        if self._phase is Phase.KEPT:
            return False
        self.app.bell()
        return True

    # leaving

    async def settles(self) -> bool:
        """Ask before something is left that waits for a yes; say that what is at work goes on."""
        if self._countdown.running and self._handle:
            text = f"Everything is applied, but not kept yet: at {self._until} all is put back as it was."
            if unmade := self._unmade:
                text += f" {trial_words.counted(unmade)} will be made only if you keep it."
            answers = {"k": "keep", "u": "undo", "l": "leave, it is put back"}
            await self.app.push_screen(Ask("Keep these settings?", text, answers), self._settled)
            return True
        if self._phase is Phase.RUNNING:
            self.post_message(self.Leave(self._farewell))
            return True
        return False

    @property
    def _until(self) -> str:
        deadline = self._handle.standing.deadline if self._handle else 0.0
        return time.strftime("%H:%M:%S", time.localtime(deadline))

    def _settled(self, answer: str | None) -> None:
        if answer == "l":
            lines = trial_words.left_waiting(self._until)
            self.post_message(self.Leave((*lines, *trial_words.not_made(self._unmade))))
        elif answer == "k":
            self._keep(Then.LEAVE)
        elif answer == "u":
            self._undo(yes=True)
