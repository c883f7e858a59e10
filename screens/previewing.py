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
    from wizard.root import Root


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


def preview(situation: Situation, answers: Answers, section: str = "") -> Preview:
    """Plan the ``answers``; nothing on the host is touched."""
    try:
        plan = planned(situation, answers.asked, answers)
    except PolicyError as refused:
        return Preview(problem=refused.message, key=refused.key)
    except WizardError as error:
        return Preview(problem=str(error))
    root = situation.host.root
    if not section:
        return Preview(plan, diffs=tuple(change.diff(root) for change in plan.changes))
    if answers.asked_without(section) == answers.asked:
        return Preview(plan)
    before = set(_without(situation, answers, section))
    return Preview(plan, tuple(line for line in plan_lines(plan, root) if line not in before))


def planned(situation: Situation, policy: Policy, answers: Answers) -> Plan:
    """Return the plan for ``policy``.

    Raises:
        WizardError: when there is none.

    """
    from wizard import engine, policyrules  # noqa: PLC0415 - slow to import

    with with_password_file(policy, answers.relay_password) as complete:
        policyrules.check(complete)
        return engine.plan(complete, situation.host)


def _without(situation: Situation, answers: Answers, section: str) -> Iterator[str]:
    """Yield what would be set without any answer in ``section``; nothing if that makes no plan."""
    policy = answers.asked_without(section)
    try:
        yield from plan_lines(planned(situation, policy, answers), situation.host.root)
    except WizardError:
        return


def plan_lines(plan: Plan, root: Root) -> Iterator[str]:
    """Yield each line the ``plan`` adds or takes away, after the name of what is changed."""
    for change in plan.changes:
        name = change.target.rpartition("/")[2]
        yield from (f"{name}  {line}" for line in _moved(change.diff(root)))


def _moved(diff: str) -> Iterator[str]:
    for line in diff.splitlines():
        if line[:1] in "+-" and not line.startswith(("+++", "---")) and line[1:].strip():
            yield f"{line[0]} {line[1:].strip()}"
