"""The last step: what to tell the users, and the policy as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work
from textual.message import Message

from screens import looking, saving
from screens.labels import label
from screens.typed_passwords import named
from screens.widgets.field import Field
from screens.widgets.step import Step, Words
from screens.widgets.text import SIGNS, shown
from wizard.errors import WizardError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.app import ComposeResult


class CardStep(Step):
    """The card to hand to users."""

    short = "Card"
    question = "What to tell your users"
    planned = False
    applied = True
    leaving = None
    keys = "enter save the policy   esc begin anew   F1 help   ^Q leave"

    class Seen(Message):
        """What the card says is known, and what stands ``beside`` it for the admin."""

        def __init__(self, text: str, beside: str) -> None:
            super().__init__()
            self.text, self.beside = text, beside

    def fields(self) -> ComposeResult:
        """The card, how to undo, and where to save the policy."""
        yield Words("", id="card")
        yield Words("", id="beside", classes="apart")
        yield Words("Undo any time: postfix-auth rollback", classes="apart")
        yield Field(label("card.path"), "card.path", saving.proposal(), check=lambda _: None, id="path")
        yield Words("", id="saved")

    def on_mount(self) -> None:
        """Look what the card has to say."""
        super().on_mount()
        self._look()

    @work(thread=True)
    def _look(self) -> None:
        try:
            card = looking.card(self.situation.host.root, self.answers)
            beside = list(card.beside(SIGNS.attention))
            heading = ["For you, not for them", *beside] if beside else []
            seen = self.Seen(_text(card.lines), _text(heading))
        except WizardError as error:
            seen = self.Seen(f"{SIGNS.bad} {shown(str(error))}", "")
        self.post_message(seen)

    def on_card_step_seen(self, message: Seen) -> None:
        """Show it."""
        self.query_one("#card", Words).say(message.text)
        beside = self.query_one("#beside", Words)
        beside.say(message.beside)
        beside.display = bool(message.beside)

    async def incomplete(self) -> bool:
        """Save the policy; there is no next step."""
        name = self.query_one("#path", Field).value
        if name:
            policy = named(self.answers.policy, self.answers.passwords)
            self.query_one("#saved", Words).say(shown(saving.save(policy, name)))
        return True


def _text(lines: Iterable[str]) -> str:
    return "\n".join(shown(line) for line in lines)
