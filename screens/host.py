"""The first step: what was found on this host, and what the admin came for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding

from screens import answers
from screens.answers import Intent
from screens.widgets.choice_list import ChoiceList
from screens.widgets.dialogs import Dialogue
from screens.widgets.step import Step, Words
from screens.widgets.text import SIGNS, clock, shown
from wizard.choices import Choice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from screens.answers import Answers
    from wizard.engine import Drift
    from wizard.overview import Overview

_MOST_SHOWN = 4  # of what needs attention; the first screen has to hold the choices too
_MOST_EDITED = 2


class HostStep(Step):
    """Shows the host, asks for the intent."""

    short = "Host"
    planned = False
    question = "What do you want to do on this host?"
    keys = "enter next   space choose   F1 help   ^Q quit"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("d", "drift", show=False)]

    def fields(self) -> ComposeResult:
        """The host in a few lines, what needs attention, the choices."""
        found = self.situation.overview
        yield Words("\n".join(_lines(found)), id="found")
        if found.attention:
            yield Words("\n".join(_attention(found.attention)), id="attention")
        if self.situation.drift:
            self.keys = f"d what was edited   {self.keys}"
            yield Words("\n".join(_edited(self.situation.drift)), id="drift")
        if self.situation.in_force.by_hand:
            yield Words("\n".join(_by_hand(self.situation.in_force.by_hand)), id="by-hand")
        yield ChoiceList(self._intents(), (self.answers.intent,), topic="intent", id="intent")

    def _intents(self) -> tuple[Choice, ...]:
        configured = self.situation.overview.configured
        off = self.situation.no_apply
        accounts = Choice(Intent.ACCOUNTS, "Accounts", "list, add, remove, check", off=off)
        return (
            Choice(
                Intent.SUBMISSION,
                "Change the policy in force" if configured else "Set up authenticated submission",
                "starts from what this host does now" if configured else "users log in to send mail",
                off=off,
                recommended=not off,
            ),
            *((accounts,) if self.situation.in_force.policy.backend else ()),
            Choice(
                Intent.SMARTHOST,
                "Send through a smarthost",
                "all mail leaves through one relay",
                off=off,
            ),
            Choice(Intent.LOOK, "Only look", "nothing will be changed; the policy can be saved"),
        )

    async def action_drift(self) -> None:
        """Show what was edited by hand since the last change."""
        drift, root = self.situation.drift, self.situation.host.root
        if not drift:
            self.app.bell()
            return
        lines = [line for each in drift for line in (*each.diff(root).splitlines(), "")]
        await self.app.push_screen(Dialogue("Edited by hand", lines))

    def answered(self) -> Answers:
        """Begin anew for another intent; what was answered for the same one stays."""
        intent = Intent(self.query_one("#intent", ChoiceList).value)
        if intent is self.answers.intent:
            return self.answers
        return answers.start(self.situation, intent)


def _lines(found: Overview) -> Iterator[str]:
    yield f"{found.platform} {SIGNS.dot} Postfix {found.postfix} {SIGNS.dot} {shown(found.sasl)}"
    yield ""
    for port in found.ports:
        yield f"Port {port.number:<7}{shown(port.about)}"
    yield f"Smarthost   {shown(found.smarthost)}"
    yield f"Certificate {shown(found.certificate)}"
    yield f"Log         {shown(found.log)}"


def _attention(texts: tuple[str, ...]) -> Iterator[str]:
    count = "1 thing needs" if len(texts) == 1 else f"{len(texts)} things need"
    yield f"{SIGNS.attention} {count} attention"
    yield from (f"  {shown(text)}" for text in texts[:_MOST_SHOWN])
    if len(texts) > _MOST_SHOWN:
        yield f"  and {len(texts) - _MOST_SHOWN} more: postfix-auth status lists all"


def _edited(drift: tuple[Drift, ...]) -> Iterator[str]:
    for each in drift[:_MOST_EDITED]:
        yield f"{SIGNS.attention} {shown(each.path)} was edited by hand since {clock(each.since)}"
    if len(drift) > _MOST_EDITED:
        yield f"  and {len(drift) - _MOST_EDITED} more files"


def _by_hand(texts: tuple[str, ...]) -> Iterator[str]:
    yield "Kept as it is"
    yield from (f"  {shown(text)}" for text in texts)
