"""The step that asks where users hand in their mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.labels import label
from screens.widgets.choice_list import ChoiceList
from screens.widgets.field import Field
from screens.widgets.step import Missing, Step, Words
from wizard import choices
from wizard.choices import Choice
from wizard.policy import Authorization, ChrootChoice, Submission

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from screens.answers import Answers

_SERVICES = (
    Choice("submission", "Port 587, submission", "STARTTLS; every mail program knows it", recommended=True),
    Choice("submissions", "Port 465, submissions", "TLS from the start (RFC 8314)", recommended=True),
)
_RULES = (
    Choice("require_tls", "TLS is required", "no AUTH and no mail in clear", recommended=True),
    Choice("auth_on_smtp", "AUTH on port 25 too", "rarely needed; it is where passwords are guessed"),
)
_CHROOT = (
    Choice(ChrootChoice.KEEP, "As it is", "the distribution's way", recommended=True),
    Choice(ChrootChoice.YES, "In the queue directory", "what the log-in needs is put in there"),
    Choice(ChrootChoice.NO, "Not chrooted", "a directory that SASL reads needs this"),
)


class SubmissionStep(Step):
    """The ports, and what is asked of those who come there."""

    short = "Submission"
    question = "Where do users hand in their mail?"
    why = "Their mail programs connect there, log in, and may send to everybody."
    sections = ("submission", "authorization")

    def fields(self) -> ComposeResult:
        """The ports, the rules, the chroot, and the realm where names have one."""
        now = self.answers.policy.submission or Submission()
        yield ChoiceList(_SERVICES, now.services, many=True, topic="submission.services", id="services")
        rules = [rule.value for rule in _RULES if getattr(now, rule.value)]
        yield ChoiceList(_RULES, rules, many=True, topic="submission.require_tls", id="rules")
        yield Words("These services run", classes="label-line")
        yield ChoiceList(_CHROOT, [now.chroot], topic="submission.chroot", id="chroot")
        typed = self._realm_before()
        backend = self.answers.policy.backend
        if typed or (backend and choices.has_realms(backend)):
            key = "authorization.local_domain"
            yield Field(label(key), key, typed, hint="none", id="realm")

    def _realm_before(self) -> str:
        before = self.answers.policy.authorization
        return before.local_domain if before else ""

    def missing(self) -> Missing | None:
        """Say when nobody could log in anywhere."""
        rules = self.query_one("#rules", ChoiceList).values
        if self.query_one("#services", ChoiceList).values or "auth_on_smtp" in rules:
            return None
        return Missing("choose at least one port, or nobody can log in")

    def answered(self) -> Answers:
        """Return the answers with these services."""
        rules = self.query_one("#rules", ChoiceList).values
        before = self.answers.policy.authorization
        realm = next((field.value for field in self.query("#realm").results(Field)), "")
        return self.answers.having(
            submission=Submission(
                services=self._services(),
                require_tls="require_tls" in rules,
                auth_on_smtp="auth_on_smtp" in rules,
                chroot=ChrootChoice(self.query_one("#chroot", ChoiceList).value),
            ),
            authorization=Authorization(realm) if realm or before else None,
        )

    def _services(self) -> tuple[str, ...]:
        chosen = self.query_one("#services", ChoiceList).values
        before = self.answers.policy.submission
        return before.services if before and set(before.services) == set(chosen) else chosen
