"""The page that rehearses a plan in a shadow of this host, and shows what the tests say there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import getters, on, work
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.worker import get_current_worker

from screens import doing
from screens.widgets.results import Results, dialogue
from screens.widgets.step import Words
from screens.widgets.text import SIGNS, shown
from wizard.errors import WizardError

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from screens.answers import Answers, Situation
    from wizard.events import Event
    from wizard.plan import Plan

_NOTHING = "Nothing on this host has been changed."
_ALL_THE_SAME = "Apply works all the same: it tests, and puts everything back if a test fails."


class Rehearsal(ModalScreen[None]):
    """Rehearses ``plan``; leaving this page ends the shadow."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "close", "back"), ("d", "dialogue", "dialogue")]
    _results = getters.query_one("#results", Results)

    class Happened(Message):
        """Something has happened in the shadow."""

        def __init__(self, event: Event) -> None:
            super().__init__()
            self.event = event

    class Over(Message):
        """The shadow is gone. ``problem``: why there could be none."""

        def __init__(self, problem: str = "") -> None:
            super().__init__()
            self.problem = problem

    def __init__(self, plan: Plan, situation: Situation, answers: Answers) -> None:
        super().__init__()
        self._plan, self._situation, self._answers = plan, situation, answers
        self._leaving = self._over = self._began = False
        self._told = ""

    def compose(self) -> ComposeResult:
        """What is being done, the tests, the keys."""
        with Vertical(classes="dialog whole"):
            yield Words("Rehearsal: in a shadow of this host, which stays as it is", classes="dialog-title")
            yield Words("Making the shadow ...", id="rehearsing")
            yield Results()
            yield Words("esc stop", classes="hint", id="rehearsal-keys")

    def on_mount(self) -> None:
        """Begin."""
        self._results.take_focus()
        self._rehearse()

    @work(thread=True)
    def _rehearse(self) -> None:
        worker = get_current_worker()
        try:
            for event in doing.rehearse(self._plan, self._situation, self._answers):
                if worker.is_cancelled:
                    break
                self.post_message(self.Happened(event))
        except (WizardError, OSError) as error:
            self.post_message(self.Over(str(error)))
        else:
            self.post_message(self.Over())

    @on(Happened)
    def _happened(self, message: Happened) -> None:
        event = message.event
        if event.result is not None:
            self._results.add(event.result)
        elif event.kind == "failed":
            self._told = event.text
        elif event.kind == "step":
            self._began = True
            self._say(f"{event.number} of {event.total}: {event.text}")
        elif event.text:
            self._say(event.text)

    @on(Over)
    def _end(self, message: Over) -> None:
        self._over = True
        if self._leaving:
            self.dismiss(None)
            return
        self._say(self._outcome(message.problem))
        self.query_one("#rehearsal-keys", Words).say("esc back   arrows choose   d dialogue")
        self._results.take_focus()

    def _outcome(self, problem: str) -> str:
        if problem or (self._told and not self._began):
            after = "" if self._situation.no_apply else f" {_ALL_THE_SAME}"
            return f"{SIGNS.attention} No rehearsal here: {problem or self._told}\n{_NOTHING}{after}"
        if self._told:
            return f"{SIGNS.bad} It would not work: {self._told}\n{_NOTHING}"
        return f"{SIGNS.good} It works. {self._results.tally}\n{_NOTHING}"

    def _say(self, text: str) -> None:
        self.query_one("#rehearsing", Words).say("\n".join(shown(line) for line in text.splitlines()))

    def action_dialogue(self) -> None:
        """Show all there is to know of the test that the cursor is on."""
        if (result := self._results.here) is None:
            self.app.bell()
        else:
            self.app.push_screen(dialogue(result))

    def action_next(self) -> None:
        """Go back once it is over: enter is not to stop it."""
        if self._over:
            self.dismiss(None)

    def action_close(self) -> None:
        """Go back, at once or when the step that is being done is done."""
        if self._over:
            self.dismiss(None)
            return
        self._leaving = True
        self.workers.cancel_node(self)
        self._say("Ending the rehearsal ...")
