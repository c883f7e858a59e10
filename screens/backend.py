"""The step that asks where passwords are checked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from screens.widgets.choice_list import ChoiceList, not_possible
from screens.widgets.form import Form
from screens.widgets.step import Missing, Step
from wizard import choices
from wizard.policy import (
    BACKENDS,
    AuxpropLdapdb,
    AuxpropSql,
    ChrootChoice,
    Mechanisms,
    SaslauthdLdap,
    SqlEngine,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from textual.app import ComposeResult

    from screens.answers import Answers
    from wizard.policy import Backend, Submission

_UNASKED = ("threads", "cache")  # saslauthd's own tuning: the defaults, or what is in force
#: What is asked in another order than the policy has it: where the server is, who asks, and then for what.
_ORDER: Mapping[type, tuple[str, ...]] = {
    SaslauthdLdap: ("servers", "start_tls", "bind_dn", "password_file"),
    AuxpropSql: ("engine", "hosts", "user", "password_file"),
}
#: What a database in a file has no use for.
_OF_A_SERVER = ("hosts", "user", "password", "password_file")


class BackendStep(Step):
    """Shows every back end, and the chosen one's own fields below."""

    short = "Back end"
    question = "Where are your users' passwords?"
    why = "Postfix asks there whether a login is right."
    sections = ("backend",)

    def fields(self) -> ComposeResult:
        """The list, and one form for each back end that can be had."""
        every = choices.backends(self.situation.host)
        offered = [choice for choice in every if not choice.off]
        current = self.answers.policy.backend
        yield ChoiceList(offered, [current.type] if current else [], topic="backend.type", id="backend")
        for choice in offered:
            kind = BACKENDS[choice.value]
            there = (one for one in (current, self.answers.found.backend) if isinstance(one, kind))
            yield Form(
                "backend",
                kind,
                next(there, None),
                unasked=_UNASKED,
                order=_ORDER.get(kind, ()),
                password=self.answers.backend_password if isinstance(current, kind) else None,
            )
        yield from not_possible(every)

    def adapt(self) -> None:
        """Show the form of the back end that is chosen, and of it what makes sense with its other answers."""
        chosen = self.query_one("#backend", ChoiceList).value
        for form in self.query(Form):
            form.display = form.id == f"form-{chosen}"
        for engine in self.query(f"#form-{AuxpropSql.type} #key-engine").results(ChoiceList):
            unused = _OF_A_SERVER if engine.value == SqlEngine.SQLITE else ()
            self.query_one(f"#form-{AuxpropSql.type}", Form).ask_without(unused)

    def missing(self) -> Missing | None:
        """Ask for one if there is none, and for what its form lacks."""
        chosen = self.query_one("#backend", ChoiceList).value
        return self.query_one(f"#form-{chosen}", Form).missing() if chosen else Missing("choose one")

    def answered(self) -> Answers:
        """Return the answers with this back end; another kind begins with what suits it best.

        A password that was typed stays out of the policy.
        """
        chosen = self.query_one("#backend", ChoiceList).value
        if not chosen:
            return self.answers
        before = self.answers.policy
        form = self.query_one(f"#form-{chosen}", Form)
        answers = replace(
            self.answers.having(backend=self._made(chosen, form)), backend_password=form.password
        )
        if before.backend is not None and before.backend.type == chosen:
            return answers
        return answers.having(mechanisms=Mechanisms(), submission=self._submission(chosen))

    def _submission(self, chosen: str) -> Submission | None:
        """Return what suits the back end that is ``chosen`` now: one of them can't be asked from a chroot."""
        now, found = self.answers.policy.submission, self.answers.found.submission
        if now is None:
            return None
        if chosen == AuxpropLdapdb.type:
            return replace(now, chroot=ChrootChoice.NO)
        if isinstance(self.answers.policy.backend, AuxpropLdapdb):
            return replace(now, chroot=found.chroot if found else ChrootChoice.KEEP)
        return now

    def _made(self, chosen: str, form: Form) -> Backend:
        make: Callable[..., Backend] = BACKENDS[chosen]
        found = self.answers.found.backend
        same = found is not None and found.type == chosen
        kept = {name: getattr(found, name) for name in _UNASKED if same and hasattr(found, name)}
        return make(**kept, **form.values())
