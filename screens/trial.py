"""The step that applies the plan, and shows the tests beside the live log."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.worker import get_current_worker

from screens import doing
from screens.widgets.choice_list import Listing
from screens.widgets.dialogs import Dialogue, Question
from screens.widgets.pane import Pane
from screens.widgets.step import Step, Words
from screens.widgets.text import SIGNS, shown
from wizard.choices import Choice
from wizard.errors import WizardError

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from wizard.applying import Handle
    from wizard.checks import Check, Result
    from wizard.events import Event
    from wizard.loglines import Line

_EVENTS_EVERY, _LOG_EVERY = 0.25, 0.5  # seconds; what came in between is painted at once
_LOG_KEPT = 2000  # lines


class Phase(StrEnum):
    """How far this page has come."""

    RUNNING = "running"
    APPLIED = "applied"
    FAILED = "failed"  # and put back as it was
    UNDONE = "undone"


class TrialStep(Step):
    """Follows what a process of its own does to the host; leaving this page stops nothing."""

    short = "Tests"
    question = "Apply and test"
    planned = False
    follows = True
    keys = "enter next   d dialogue   r run again   u undo everything   tab log   F1 help"
    leaving = None
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "dialogue", show=False),
        Binding("r", "rerun", show=False),
        Binding("u", "undo", show=False),
    ]

    class Happened(Message):
        """The applying process has come further."""

        def __init__(self, events: tuple[Event, ...]) -> None:
            super().__init__()
            self.events = events

    class Wanted(Message):
        """These tests will be run."""

        def __init__(self, checks: tuple[Check, ...]) -> None:
            super().__init__()
            self.checks = checks

    class Tested(Message):
        """One test has been run."""

        def __init__(self, result: Result) -> None:
            super().__init__()
            self.result = result

    class Ended(Message):
        """Nothing runs any more. ``problem`` says what went wrong, if something did."""

        def __init__(self, phase: Phase, problem: str = "") -> None:
            super().__init__()
            self.phase = phase
            self.problem = problem

    class Logged(Message):
        """The mail log has grown."""

        def __init__(self, lines: tuple[Line, ...]) -> None:
            super().__init__()
            self.lines = lines

    def fields(self) -> ComposeResult:
        """What is being done, the tests and the log side by side, and the explanation of one test."""
        yield Words("Starting ...", id="doing")
        with Horizontal(id="trial"):
            with VerticalScroll(id="tests-box", can_focus=False):
                yield Listing((), topic="trial.tests", id="tests")
            yield Pane(follow=True, broken=True, topic="trial.tests", id="log")
        yield Words("", id="explained")

    def on_mount(self) -> None:
        """Start, and follow the log from before the start."""
        super().on_mount()
        self._results: dict[str, Result] = {}
        self._listed: dict[str, Choice] = {}
        self._log: list[Line] = []
        self._handle: Handle | None = None
        self._told = ""
        self._follow_log()
        if self.answers.reviewed or self.situation.at_work:
            self._enter(Phase.RUNNING, "Applying ...")
            self._follow(lambda: doing.start(self.situation, self.answers), Phase.APPLIED)
        else:
            self._rerun()

    # what runs

    def _enter(self, phase: Phase, text: str) -> None:
        self._phase = phase
        self.may_leave = phase is not Phase.RUNNING
        self.applied = phase in (Phase.APPLIED, Phase.UNDONE)
        self.exit_code = int(phase is Phase.FAILED)
        self._say(text)

    @work(thread=True, group="apply")
    def _follow(self, start: Callable[[], Handle], goal: Phase) -> None:
        """Tell what the process does, until it ends. If this page is left, the process goes on."""
        worker = get_current_worker()
        try:
            handle = self._handle = start()
            while not worker.is_cancelled:
                ended = handle.finished
                if events := handle.poll():
                    self.post_message(self.Happened(events))
                if ended:
                    break
                time.sleep(_EVENTS_EVERY)
            if handle.succeeded and goal is Phase.APPLIED:
                doing.make_accounts(self.situation, self.answers)
        except (WizardError, OSError) as error:
            self.post_message(self.Ended(Phase.FAILED, str(error)))
        else:
            self.post_message(self.Ended(goal if handle.succeeded else Phase.FAILED))

    @work(thread=True, group="log")
    def _follow_log(self) -> None:
        worker = get_current_worker()
        with doing.log(self.situation) as follower:
            while not worker.is_cancelled:
                if lines := follower.poll():
                    self.post_message(self.Logged(lines))
                time.sleep(_LOG_EVERY)

    @work(thread=True, group="apply")
    def _test(self) -> None:
        try:
            doing.test(
                self.situation,
                self.answers,
                self._tell_wanted,
                self._tell_tested,
            )
        except WizardError as error:
            self.post_message(self.Ended(Phase.APPLIED, str(error)))
        else:
            self.post_message(self.Ended(Phase.APPLIED))

    def _tell_wanted(self, checks: tuple[Check, ...]) -> None:
        self.post_message(self.Wanted(checks))

    def _tell_tested(self, result: Result) -> None:
        self.post_message(self.Tested(result))

    # what is shown

    @on(Happened)
    def _happened(self, event: Happened) -> None:
        for happened in event.events:
            if happened.kind == "test" and happened.result is not None:
                self._show_result(happened.result)
            elif happened.kind in ("failed", "rolled-back"):
                self._told = f"{self._told}\n{happened.text}".strip()
            elif happened.kind == "step":
                self._say(f"{happened.number} of {happened.total}: {happened.text}")
            elif happened.text:
                self._say(happened.text)

    @on(Wanted)
    def _wanted(self, event: Wanted) -> None:
        for check in event.checks:
            self._list(Choice(check.id, f"{SIGNS.waiting} {check.title}", ""), check.service)

    @on(Tested)
    def _tested(self, event: Tested) -> None:
        self._show_result(event.result)

    def _show_result(self, result: Result) -> None:
        self._results[result.id] = result
        sign = SIGNS.dash if result.skipped else SIGNS.good if result.ok else SIGNS.bad
        tail = " (skipped)" if result.skipped else "" if result.ok else " FAILED"
        self._list(Choice(result.id, f"{sign} {result.check.title}{tail}", ""), result.service)
        self._explain(self.query_one("#tests", Listing).here)

    def _list(self, entry: Choice, service: str) -> None:
        """Put a test on the list, below the name of its service."""
        listing = self.query_one("#tests", Listing)
        known = entry.value in self._listed
        self._listed.setdefault(service, Choice(service, service, ""))
        self._listed[entry.value] = entry
        if known:
            listing.relabel(entry)
            return
        services = dict.fromkeys(value.partition(".")[0] for value in self._listed)
        order = list(services)
        ordered = sorted(self._listed.values(), key=lambda each: order.index(each.value.partition(".")[0]))
        listing.offer(ordered, (), keep=True)

    def _say(self, text: str) -> None:
        self.query_one("#doing", Words).say("\n".join(shown(line) for line in text.splitlines()))

    @on(Ended)
    def _ended(self, event: Ended) -> None:
        self._enter(event.phase, self._summary(event.phase, event.problem or self._told))
        listing = self.query_one("#tests", Listing)
        listing.focus()
        if failed := [result.id for result in self._results.values() if not result.ok]:
            listing.point_at(failed[0])

    def _summary(self, phase: Phase, problem: str) -> str:
        failed = sum(not result.ok for result in self._results.values())
        count = len(self._results)
        if phase is Phase.UNDONE:
            return f"{SIGNS.good} Everything is as it was before. Esc begins anew"
        if phase is Phase.FAILED:
            return f"{SIGNS.bad} {problem}\nEsc goes back to your answers"
        if problem:
            return f"{SIGNS.bad} {problem}"
        if failed:
            return f"{SIGNS.bad} {failed} of {count} tests failed: the arrows lead from one to the other"
        count_made = len(self.answers.accounts)
        made = f" {count_made} account{'' if count_made == 1 else 's'} made." if count_made else ""
        skipped = sum(bool(result.skipped) for result in self._results.values())
        tested = f"All {count} tests passed" if count else "There was nothing to test"
        if skipped:
            tested = f"{count - skipped} tests passed, {skipped} skipped"
        return f"{SIGNS.good} Done.{made} {tested}. Enter: what to tell your users"

    @on(Logged)
    def _logged(self, event: Logged) -> None:
        self._log = [*self._log, *event.lines][-_LOG_KEPT:]
        self.query_one("#log", Pane).add(_log_text(line) for line in event.lines)

    @on(Listing.Moved)
    def _moved(self, event: Listing.Moved) -> None:
        event.stop()
        self._explain(event.value)

    def _explain(self, identity: str) -> None:
        result = self._results.get(identity)
        self.query_one("#explained", Words).say("\n".join(_explanation(result)) if result else "")

    # keys

    def action_dialogue(self) -> None:
        """Show what was said in the test that the cursor is on, and what the log said to it."""
        result = self._results.get(self.query_one("#tests", Listing).here)
        if result is None:
            self.app.bell()
            return
        said = [f"{way} {text}" for way, text in result.dialogue]
        logged = [_log_text(line) for line in doing.lines_of(result, self._results.values(), self._log)]
        self.app.push_screen(Dialogue(result.check.title, [*said, "", "# log", *logged]))

    def action_rerun(self) -> None:
        """Run the tests again."""
        if self._phase is Phase.APPLIED:
            self._rerun()
        else:
            self.app.bell()

    def _rerun(self) -> None:
        self._told = ""
        self._results.clear()
        self._enter(Phase.RUNNING, "Testing ...")
        self._test()

    async def action_undo(self) -> None:
        """Take everything back, after a yes."""
        if self._handle is None or self._phase is not Phase.APPLIED:
            self.app.bell()
            return
        text = "Every change is taken back, and the services run as before."
        question = Question("Undo everything?", text, yes="undo", no="keep it")
        await self.app.push_screen(question, self._undo)

    def _undo(self, yes: bool | None) -> None:
        handle = self._handle
        if not yes or handle is None:
            return
        self._results.clear()
        self._listed.clear()
        self.query_one("#tests", Listing).offer((), ())
        self._explain("")
        self._enter(Phase.RUNNING, "Undoing ...")
        self._follow(lambda: doing.undo(self.situation, handle), Phase.UNDONE)

    async def incomplete(self) -> bool:
        """Stay while it runs, and where there is nothing to tell users."""
        if self._phase is Phase.APPLIED and self.situation.at_work:
            # what was found while somebody changed it is no longer so
            await self.run_action("screen.back")
            return True
        if self._phase is Phase.APPLIED:
            return False
        self.app.bell()
        return True


def _explanation(result: Result) -> list[str]:
    if result.skipped:
        return [f"skipped: {shown(result.skipped)}"]
    lines = [f"expected {shown(result.expected)}", f"got      {shown(result.observed)}"]
    if result.explanation:
        lines.append(f"why      {shown(result.explanation)}")
    return lines


def _log_text(line: Line) -> str:
    pid = f"[{line.pid}]" if line.pid else ""
    warned = "! " if line.severity.value in ("warning", "error", "fatal", "panic") else "  "
    return f"{warned}{line.daemon}{pid}: {line.text}"
