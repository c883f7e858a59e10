"""The step that asks where passwords are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.widgets.choice_list import ChoiceList, not_possible
from screens.widgets.form import Form
from screens.widgets.step import Missing, Step
from wizard import choices
from wizard.policy import BACKENDS, Mechanisms

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from screens.answers import Answers
    from wizard.policy import Backend

_UNASKED = ("threads", "cache")  # saslauthd's own tuning: the defaults, or what is in force


class BackendStep(Step):
    """Shows every back end, and the chosen one's own fields below."""

    short = "Back end"
    question = "Where are your users' passwords?"
    why = "Postfix asks there whether a login is right."
    section = "backend"

    def fields(self) -> ComposeResult:
        """The list, and one form for each back end that can be had."""
        every = choices.backends(self.situation.host)
        offered = [choice for choice in every if not choice.off]
        current = self.answers.policy.backend
        yield ChoiceList(offered, [current.type] if current else [], topic="backend.type", id="backend")
        for choice in offered:
            kind = BACKENDS[choice.value]
            value = current if isinstance(current, kind) else None
            yield Form("backend", kind, value, unasked=_UNASKED)
        yield from not_possible(every)

    def adapt(self) -> None:
        """Show the form of the back end that is chosen."""
        chosen = self.query_one("#backend", ChoiceList).value
        for form in self.query(Form):
            form.display = form.id == f"form-{chosen}"

    def missing(self) -> Missing | None:
        """Ask for one, if there is none."""
        return None if self.query_one("#backend", ChoiceList).value else Missing("choose one")

    def answered(self) -> Answers:
        """Return the answers with this back end; another kind begins with the mechanisms it serves best."""
        chosen = self.query_one("#backend", ChoiceList).value
        if not chosen:
            return self.answers
        before = self.answers.policy
        backend = self._made(chosen)
        if before.backend and before.backend.type == chosen:
            return self.answers.having(backend=backend)
        return self.answers.having(backend=backend, mechanisms=Mechanisms())

    def _made(self, chosen: str) -> Backend:
        make: Callable[..., Backend] = BACKENDS[chosen]
        found = self.answers.found.backend
        same = found is not None and found.type == chosen
        kept = {name: getattr(found, name) for name in _UNASKED if same and hasattr(found, name)}
        return make(**kept, **self.query_one(f"#form-{chosen}", Form).values())
