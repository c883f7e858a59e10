"""What comes first of all on a host where a change was interrupted: the offer to take it back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen
from textual.worker import get_current_worker

from screens.widgets.step import Words
from screens.widgets.text import SIGNS, clock, shown
from wizard import applying
from wizard.errors import WizardError

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from wizard.applying import Handle

_EVENTS_EVERY = 0.25  # seconds


class Interrupted(ModalScreen[bool]):
    """Offers to take back a change that was left half-way; its answer is whether that was wanted."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("y", "take_back", "take it back"),
        ("n,escape", "close(False)", "only look"),
        ("enter", "go_on", "go on"),
    ]

    class Over(Message):
        """It is over; ``text`` says how it ended."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, handle: Handle) -> None:
        super().__init__()
        self._handle = handle
        self._begun = False
        self._over = False

    def compose(self) -> ComposeResult:
        """What has happened, and the keys."""
        when = clock(self._handle.checkpoint.time)
        text = f"The change from {when} did not come to its end: this host may be neither as it was before "
        with Vertical(classes="dialog"):
            yield Words("A change was interrupted half-way", classes="dialog-title")
            yield Words(f"{text}nor as it was meant to be. It can be taken back now.", id="told")
            yield Words("y take it back   n only look", classes="hint", id="keys")

    def action_take_back(self) -> None:
        """Take it back."""
        if not self._begun:
            self._begun = True
            self._say("Taking everything back ...", "")
            self._follow()

    def action_close(self, answer: bool) -> None:
        """Leave it as it is, if nothing has begun."""
        if not self._begun:
            self.dismiss(answer)

    def action_go_on(self) -> None:
        """Go on, once it is over."""
        if self._over:
            self.dismiss(True)

    def _say(self, text: str, keys: str) -> None:
        self.query_one("#told", Words).say("\n".join(shown(line) for line in text.splitlines()))
        self.query_one("#keys", Words).say(keys)

    @work(thread=True)
    def _follow(self) -> None:
        """Tell how it goes; if the wizard is left, it goes on."""
        worker = get_current_worker()
        told: dict[str, list[str]] = {"failed": [], "note": []}
        try:
            handle = applying.roll_back(self._handle.checkpoint, self._handle.root)
            while not worker.is_cancelled:
                ended = handle.finished
                for event in handle.poll():
                    if event.kind in told:
                        told[event.kind].append(event.text)
                if ended:
                    break
                time.sleep(_EVENTS_EVERY)
        except WizardError as error:
            told["failed"].append(str(error))
        if told["failed"]:
            self.post_message(self.Over(f"{SIGNS.bad} " + "\n".join(told["failed"])))
        else:
            over = f"{SIGNS.good} Everything is as it was before."
            self.post_message(self.Over("\n".join((over, *told["note"]))))

    @on(Over)
    def _end(self, message: Over) -> None:
        self._over = True
        self._say(message.text, "enter go on")
