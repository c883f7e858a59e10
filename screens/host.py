"""The first step: what was found on this host, and what the admin came for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens import answers
from screens.answers import Intent
from screens.widgets.choice_list import ChoiceList
from screens.widgets.step import Step, Words
from screens.widgets.text import SIGNS, shown
from wizard.choices import Choice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult

    from screens.answers import Answers
    from wizard.overview import Overview

_MOST_SHOWN = 4  # of what needs attention; the first screen has to hold the choices too


class HostStep(Step):
    """Shows the host, asks for the intent."""

    short = "Host"
    planned = False
    question = "What do you want to do on this host?"

    def fields(self) -> ComposeResult:
        """The host in a few lines, what needs attention, the choices."""
        found = self.situation.overview
        yield Words("\n".join(_lines(found)), id="found")
        if found.attention:
            yield Words("\n".join(_attention(found.attention)), id="attention")
        if self.situation.in_force.by_hand:
            yield Words("\n".join(_by_hand(self.situation.in_force.by_hand)), id="by-hand")
        yield ChoiceList(self._intents(), (self.answers.intent,), topic="intent", id="intent")

    def _intents(self) -> tuple[Choice, ...]:
        configured = self.situation.overview.configured
        off = self.situation.no_apply
        return (
            Choice(
                Intent.SUBMISSION,
                "Change the policy in force" if configured else "Set up authenticated submission",
                "starts from what this host does now" if configured else "users log in to send mail",
                off=off,
                recommended=not off,
            ),
            Choice(
                Intent.SMARTHOST,
                "Send through a smarthost",
                "all mail leaves through one relay",
                off=off,
            ),
            Choice(Intent.LOOK, "Only look", "nothing will be changed; the policy can be saved"),
        )

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


def _by_hand(texts: tuple[str, ...]) -> Iterator[str]:
    yield "Kept as it is"
    yield from (f"  {shown(text)}" for text in texts)
