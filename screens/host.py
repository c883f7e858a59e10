"""The first step: what was found on this host, and what the admin came for."""

from __future__ import annotations

from dataclasses import replace
from textwrap import wrap
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

    from screens.answers import Answers, Situation
    from wizard.overview import Overview

_NOTES = 5  # lines of what is to be known; the first screen has to hold the choices too
_BESIDE = 3  # columns that no text stands in
_LIST_OF_STEPS = 18
#: What is asked on the same pages: what was answered for the one is an answer for the other.
_ALIKE = frozenset({Intent.SUBMISSION, Intent.LOOK})


class HostStep(Step):
    """Shows the host, asks for the intent."""

    short = "Host"
    planned = False
    question = "What do you want to do on this host?"
    keys = "enter next   space choose   F1 help   ^Q quit"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("d", "details", show=False)]

    def __init__(self, situation: Situation, answers: Answers) -> None:
        super().__init__(situation, answers)
        self._given = answers

    def fields(self) -> ComposeResult:
        """The host in a few lines, what needs attention, the choices."""
        found = self.situation.overview
        yield Words("\n".join(_lines(found)), id="found")
        if notes := list(_notes(self.situation)):
            self.keys = f"d details   {self.keys}"
            yield Words("\n".join(_shortened(notes, self._width)), id="notes")
        yield ChoiceList(self._intents(), (self.answers.intent,), topic="intent", id="intent")

    @property
    def _width(self) -> int:
        """The columns that text has, before anything has its place."""
        size = self.app.size.width
        return size - _BESIDE - (_LIST_OF_STEPS if self.screen.has_class("wide") else 0)

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

    async def action_details(self) -> None:
        """Show all there is to know, and what was edited by hand since the last change."""
        notes, root = list(_notes(self.situation)), self.situation.host.root
        if not notes:
            self.app.bell()
            return
        diffs = [line for each in self.situation.drift for line in ("", *each.diff(root).splitlines())]
        await self.app.push_screen(Dialogue("To know about this host", [*notes, *diffs]))

    def answered(self) -> Answers:
        """Begin anew for another intent; what was answered stays where the same is asked."""
        intent, given = Intent(self.query_one("#intent", ChoiceList).value), self._given
        if intent is given.intent or {intent, given.intent} <= _ALIKE:
            return replace(given, intent=intent)
        return answers.start(self.situation, intent)


def _lines(found: Overview) -> Iterator[str]:
    yield f"{found.platform} {SIGNS.dot} Postfix {found.postfix} {SIGNS.dot} {shown(found.sasl)}"
    yield ""
    for port in found.ports:
        yield f"Port {port.number:<7}{shown(port.about)}"
    yield f"Smarthost   {shown(found.smarthost)}"
    yield f"Certificate {shown(found.certificate)}"
    yield f"Log         {shown(found.log)}"


def _notes(situation: Situation) -> Iterator[str]:
    """Yield what is to be known before anything is chosen, the weightiest first."""
    for each in situation.drift:
        yield f"{SIGNS.attention} {shown(each.path)} was edited by hand since {clock(each.since)}"
    yield from (f"{SIGNS.attention} {shown(text)}" for text in situation.overview.attention)
    yield from (f"{SIGNS.dot} kept as it is: {shown(text)}" for text in situation.in_force.by_hand)


def _shortened(notes: list[str], width: int) -> list[str]:
    """Return the lines of as many ``notes`` as have room, and how many there are besides."""
    lines: list[str] = []
    for told, note in enumerate(notes):
        more = wrap(note, width, subsequent_indent="  ")
        if len(lines) + len(more) > _NOTES - (told + 1 < len(notes)):
            count = len(notes) - told
            return (
                [*lines, f"  and {count} more: d shows all"]
                if told
                else [*more[: _NOTES - 1], "  ... d shows all"]
            )
        lines += more
    return lines
