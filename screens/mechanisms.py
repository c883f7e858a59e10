"""The step that asks how users may prove who they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.widgets.choice_list import ChoiceList, not_possible
from screens.widgets.step import Missing, Step, Words
from wizard import choices
from wizard.choices import Choice
from wizard.policy import Mechanisms, Plaintext, Saslauthd

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from screens.answers import Answers


class MechanismsStep(Step):
    """Shows every mechanism, what can't be offered with the reason."""

    short = "Mechanisms"
    question = "How may users prove who they are?"
    why = "Best first. What can't be had here is listed below, with the reason."
    sections = ("mechanisms",)

    def fields(self) -> ComposeResult:
        """The mechanisms, when passwords may be sent, and old Outlook."""
        backend, now = self.answers.policy.backend, self.answers.policy.mechanisms or Mechanisms()
        if backend is None:
            yield Words("There is no back end yet: esc goes back to choose one.")
            return
        every = choices.mechanisms(self.situation.host, backend)
        offered = [choice for choice in every if not choice.off]
        chosen = now.offer or choices.usual_mechanisms(backend)
        yield ChoiceList(offered, chosen, many=True, topic="mechanisms.offer", id="offer")
        yield Words("PLAIN and LOGIN, which send the password itself", classes="label-line")
        yield ChoiceList(self._plaintext(), [now.plaintext], topic="mechanisms.plaintext", id="plaintext")
        outlook = Choice("yes", "Announce AUTH= as well", "only Outlook before 2007 needs it")
        listed = ["yes"] if now.outlook_compatible else []
        yield ChoiceList([outlook], listed, many=True, topic="mechanisms.outlook_compatible", id="outlook")
        yield from not_possible(every)

    def _plaintext(self) -> tuple[Choice, ...]:
        only = isinstance(self.answers.policy.backend, Saslauthd)
        never = "this back end can check nothing else" if only else ""
        return (
            Choice(Plaintext.TLS_ONLY, "Only inside TLS", "", recommended=True),
            Choice(Plaintext.NEVER, "Never", "for mail programs that know SCRAM", off=never),
            Choice(Plaintext.ALWAYS, "Always", "passwords may cross the network in clear"),
        )

    def missing(self) -> Missing | None:
        """Ask for at least one that will be offered."""
        if not self.query("#offer"):
            return Missing("no back end is chosen")
        offer = self.query_one("#offer", ChoiceList).values
        if not offer:
            return Missing("choose at least one mechanism")
        if self.query_one("#plaintext", ChoiceList).value == Plaintext.NEVER and not set(offer) - {
            "PLAIN",
            "LOGIN",
        }:
            return Missing("nothing would be left: choose SCRAM too, or allow PLAIN inside TLS")
        return None

    def answered(self) -> Answers:
        """Return the answers with these mechanisms."""
        if not self.query("#offer"):
            return self.answers
        return self.answers.having(
            mechanisms=Mechanisms(
                offer=self._offer(self.query_one("#offer", ChoiceList).values),
                plaintext=Plaintext(self.query_one("#plaintext", ChoiceList).value),
                outlook_compatible=bool(self.query_one("#outlook", ChoiceList).values),
            )
        )

    def _offer(self, chosen: tuple[str, ...]) -> tuple[str, ...]:
        """Return ``chosen``, in the order in force or as the back end's default if it is the same set."""
        found, backend = self.answers.found, self.answers.policy.backend
        if found.mechanisms and set(found.mechanisms.offer) == set(chosen) and found.backend == backend:
            return found.mechanisms.offer
        usual = choices.usual_mechanisms(backend) if backend else ()
        return () if set(usual) == set(chosen) else chosen
