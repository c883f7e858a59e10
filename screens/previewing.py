"""What the answers would set, worked out by the engine. It takes a while: for a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from screens.answers import SECTIONS
from screens.typed_passwords import with_files
from wizard.errors import PolicyError, WizardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from screens.answers import Answers, Situation
    from wizard.plan import Plan
    from wizard.policy import Policy

_PACKAGES = "packages  + "
#: The file that says most of what a section means: its lines come first.
_OWN = {"backend": "smtpd.conf", "mechanisms": "smtpd.conf", "submission": "master.cf"}
_REMEMBERED = 8  # plans


@dataclass(frozen=True, slots=True)
class Preview:
    """Either a ``plan``, or a ``problem`` with the policy's ``key``.

    ``lines``: what the sections of a step add to the plan. ``diffs`` are those of the plan's changes, in
    their order.
    """

    plan: Plan | None = None
    lines: tuple[str, ...] = ()
    diffs: tuple[str, ...] = ()
    problem: str = ""
    key: str = ""


class Previewer:
    """Plans one host. It remembers the plans without the sections that are being answered: those stay."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._known: dict[Policy, frozenset[str] | None] = {}

    def preview(self, answers: Answers, sections: tuple[str, ...] = ()) -> Preview:
        """Plan the ``answers``; nothing on the host is touched."""
        root = self._situation.host.root
        try:
            plan = planned(self._situation, answers.asked, answers)
            diffs = tuple(change.diff(root) for change in plan.changes)
            lines = self._added(tuple(_lines(plan, diffs)), answers, sections)
        except PolicyError as refused:
            return Preview(problem=refused.message, key=_where(refused.key, answers))
        except WizardError as error:
            return Preview(problem=str(error))
        return Preview(plan, tuple(_joined(_own_first(lines, sections))), diffs)

    def _added(self, lines: tuple[str, ...], answers: Answers, sections: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of ``lines`` that the ``sections`` bring.

        Where the others make no plan without them, it is what they add to the pages before.
        """
        if not sections:
            return lines
        without = self._without(answers, sections)
        if without is None:
            later = SECTIONS[SECTIONS.index(sections[-1]) + 1 :]
            earlier = self._without(answers, (*sections, *later))
            until = self._without(answers, later)
            if until is None:
                return lines
            without = frozenset(lines) - until | (earlier or frozenset())
        return tuple(line for line in lines if line not in without)

    def _without(self, answers: Answers, sections: tuple[str, ...]) -> frozenset[str] | None:
        """Return what would be set if the ``sections`` were left alone; None if that makes no plan."""
        policy = answers.asked_without(sections)
        if policy not in self._known:
            while len(self._known) >= _REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[policy] = self._plan(policy, answers)
        return self._known[policy]

    def _plan(self, policy: Policy, answers: Answers) -> frozenset[str] | None:
        try:
            plan = planned(self._situation, policy, answers)
        except WizardError:
            return None
        root = self._situation.host.root
        return frozenset(_lines(plan, tuple(change.diff(root) for change in plan.changes)))


def planned(situation: Situation, policy: Policy, answers: Answers) -> Plan:
    """Return the plan for ``policy``.

    Raises:
        WizardError: when there is none.

    """
    from wizard import engine, policyrules  # noqa: PLC0415 - slow to import

    with with_files(policy, answers.passwords) as complete:
        policyrules.check(complete)
        return engine.plan(complete, situation.host, answers.passwords)


def _where(key: str, answers: Answers) -> str:
    """Return the key of the field that was answered: a password was typed, or a file named."""
    section, _, name = key.partition(".")
    typed = name == "password_file" and section in answers.passwords
    return f"{section}.password" if typed else key


def _lines(plan: Plan, diffs: tuple[str, ...]) -> Iterator[str]:
    """Yield each line that the ``plan`` adds or takes away, after the name of what is changed."""
    for change, diff in zip(plan.changes, diffs, strict=True):
        if change.kind == "install-packages":
            yield from (f"{_PACKAGES}{package}" for package in change.target.split()[1:])
            continue
        name = change.target.rpartition("/")[2]
        yield from (f"{name}  {line}" for line in _moved(diff))


def _own_first(lines: Sequence[str], sections: tuple[str, ...]) -> list[str]:
    own = {_OWN[section] for section in sections if section in _OWN}
    return sorted(lines, key=lambda line: line.partition("  ")[0] not in own)


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """Yield the packages on one line, which comes first, and the other lines as they are."""
    every = tuple(lines)
    packages = [line.removeprefix(_PACKAGES) for line in every if line.startswith(_PACKAGES)]
    if packages:
        yield f"{_PACKAGES}{' '.join(packages)}"
    yield from (line for line in every if not line.startswith(_PACKAGES))


def _moved(diff: str) -> Iterator[str]:
    for line in diff.splitlines():
        text = line[1:].strip()
        if line[:1] in "+-" and not line.startswith(("+++", "---")) and text and not text.startswith("#"):
            yield f"{line[0]} {text}"
