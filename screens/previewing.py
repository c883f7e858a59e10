"""What the answers would set, worked out by the engine. It takes a while: for a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from screens.relay_password import with_password_file
from wizard.errors import PolicyError, WizardError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from screens.answers import Answers, Situation
    from wizard.plan import Plan
    from wizard.policy import Policy


@dataclass(frozen=True, slots=True)
class Preview:
    """Either a ``plan`` and the ``lines`` one section adds to it, or a ``problem`` with the policy's ``key``.

    ``diffs`` are those of the plan's changes, in their order.
    """

    plan: Plan | None = None
    lines: tuple[str, ...] = ()
    diffs: tuple[str, ...] = ()
    problem: str = ""
    key: str = ""


class Previewer:
    """Plans one host. It remembers the plan without the section that is being answered: that stays."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._without: tuple[Policy, frozenset[str]] | None = None

    def preview(self, answers: Answers, section: str = "") -> Preview:
        """Plan the ``answers``; nothing on the host is touched."""
        root = self._situation.host.root
        try:
            plan = planned(self._situation, answers.asked, answers)
            diffs = tuple(change.diff(root) for change in plan.changes)
            lines = tuple(_lines(plan, diffs))
            before = self._before(answers, section) if section else frozenset()
        except PolicyError as refused:
            return Preview(problem=refused.message, key=refused.key)
        except WizardError as error:
            return Preview(problem=str(error))
        return Preview(plan, tuple(line for line in lines if line not in before), diffs)

    def _before(self, answers: Answers, section: str) -> frozenset[str]:
        """Return what would be set if the ``section`` were left as it is; nothing if that makes no plan."""
        policy = answers.asked_without(section)
        if self._without is None or self._without[0] != policy:
            try:
                plan = planned(self._situation, policy, answers)
            except WizardError:
                return frozenset()
            root = self._situation.host.root
            diffs = (change.diff(root) for change in plan.changes)
            self._without = policy, frozenset(_lines(plan, tuple(diffs)))
        return self._without[1]


def planned(situation: Situation, policy: Policy, answers: Answers) -> Plan:
    """Return the plan for ``policy``.

    Raises:
        WizardError: when there is none.

    """
    from wizard import engine, policyrules  # noqa: PLC0415 - slow to import

    with with_password_file(policy, answers.relay_password) as complete:
        policyrules.check(complete)
        return engine.plan(complete, situation.host)


def _lines(plan: Plan, diffs: tuple[str, ...]) -> Iterator[str]:
    """Yield each line that the ``plan`` adds or takes away, after the name of what is changed."""
    for change, diff in zip(plan.changes, diffs, strict=True):
        name = change.target.rpartition("/")[2]
        yield from (f"{name}  {line}" for line in _moved(diff))


def _moved(diff: str) -> Iterator[str]:
    for line in diff.splitlines():
        text = line[1:].strip()
        if line[:1] in "+-" and not line.startswith(("+++", "---")) and text and not text.startswith("#"):
            yield f"{line[0]} {text}"
