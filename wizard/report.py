"""The engine's values as text for a terminal: what the command line prints."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

from wizard.accountverdict import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TextIO

    from wizard.accountverdict import Tried, Verdict
    from wizard.card import Card
    from wizard.checks import Result
    from wizard.drift import Drift
    from wizard.engine import InForce
    from wizard.events import Event
    from wizard.explain import Problem
    from wizard.inventory import PostfixParts, SaslParts, SmtpdConfParts
    from wizard.journal import Checkpoint
    from wizard.overview import Overview
    from wizard.plan import Plan
    from wizard.root import Root

_WIDEST = 100  # characters; longer lines are hard to read
_SKIPPED = "\N{EN DASH}"


def shown(text: str) -> str:
    """Return ``text``, which others wrote, without what a terminal would obey (ECMA-48 control functions).

    A tab stays: it does no harm, and diffs are full of them.
    """
    return "".join(character if character.isprintable() or character == "\t" else "?" for character in text)


def unsettled_lines(told: str) -> Iterator[str]:
    """Yield, before an empty line, what has to come to its end first; nothing if nothing has to."""
    yield from (f"! {shown(told)}", "") if told else ()


def overview_lines(found: Overview) -> Iterator[str]:
    """Yield the host in a few lines."""
    yield from _wrapped("", shown(f"{found.platform} · Postfix {found.postfix} · {found.sasl}"))
    yield ""
    for port in found.ports:
        yield from _row(f"Port {port.number}", port.about)
    yield from _row("Login", found.login)
    if found.names:
        yield from _row("User names", found.names)
    yield from _row("Smarthost", found.smarthost)
    yield from _row("Certificate", found.certificate)
    yield from _row("Log", found.log)
    if found.attention:
        yield ""
        yield f"{len(found.attention)} to look at:"
        for text in found.attention:
            yield from _wrapped("  ! ", shown(text))


def drift_lines(found: Iterable[Drift], root: Root) -> Iterator[str]:
    """Yield what was edited by hand since a change in force, file by file with the diff."""
    for drift in found:
        yield ""
        yield f"Edited by hand since {drift.since}: {shown(drift.path)}"
        yield from (f"  {line}" for line in drift.diff(root).splitlines())


def inventory_lines(postfix: PostfixParts | None, sasl: SaslParts) -> Iterator[str]:
    """Yield what of Postfix and Cyrus SASL is there, in a few lines."""
    if postfix:
        yield from _row("Directories", ", ".join(postfix.directories.values()))
        yield from _row(
            "Built in", f"{postfix.tls or 'no TLS'}, SASL {' '.join(postfix.sasl_server) or 'none'}"
        )
        yield from _row("Tables", " ".join(postfix.table_types))
        for directory in postfix.instances:
            yield from _row("Instance", f"{directory}, another one, is left alone")
    yield from _row("Mechanisms", " ".join(sasl.mechanisms) or "none installed")
    if sasl.backends:
        yield from _row("saslauthd", f"can ask {' '.join(sasl.backends)}")
    if sasl.smtpd_conf:
        yield from _row("smtpd.conf", _smtpd_conf(sasl.smtpd_conf))
    members = "no such group" if sasl.members is None else " ".join(sasl.members) or "nobody"
    yield from _row(f"Group {sasl.group}", members)


def _smtpd_conf(found: SmtpdConfParts) -> str:
    if not found.read:
        return f"{found.path} is not read: Dovecot is asked"
    if not found.exists:
        return f"{found.path}, which is not there: sasldb is asked, all that is installed is offered"
    if found.problem:
        return found.problem
    offered = " ".join(found.mech_list) or "all that is installed"
    return f"{found.path}: {' '.join(found.methods)} is asked, {offered} is offered"


def _row(name: str, text: str) -> Iterator[str]:
    yield from _wrapped(f"  {name:<12} ", shown(text))


def plan_lines(plan: Plan, root: Root) -> Iterator[str]:
    """Yield every change with its reason and its diff, then what to know about them."""
    if not plan.pending:
        yield "Nothing to do: the host is as the policy wants it."
    for change in plan.changes:
        yield f"# {change.kind}: {shown(change.target)}"
        for line in change.reason.splitlines():
            yield from _wrapped("# why: ", shown(line), "#      ")
        yield from change.diff(root).splitlines()
        yield ""
    yield from warning_lines(plan)


def warning_lines(plan: Plan) -> Iterator[str]:
    """Yield what to know about a plan; what has to be written somewhere has lines of its own."""
    for text in plan.warnings:
        first, *others = text.splitlines()
        yield from _wrapped("! ", shown(first))
        yield from map(shown, others)


def by_hand_lines(found: InForce) -> Iterator[str]:
    """Yield, as comments of a policy file, what no section can express or what is wrong with one."""
    texts = (found.past, found.misread, *found.by_hand)
    yield from (f"# {shown(line)}" for text in texts for line in text.splitlines())


def card_lines(card: Card) -> Iterator[str]:
    """Yield what to tell the users, and what only the admin should know, each after an empty line."""
    for part in (card.lines, card.beside("!")):
        lines = [shown(line) for line in part]
        yield from ("", *lines) if lines else ()


class Telling:
    """Tells for a terminal what happens, as it happens; why something failed is said once."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._results: list[Result] = []
        self._expected = 0

    def event(self, event: Event) -> Iterator[str]:
        """Yield what a process that applies has told, in words."""
        if event.kind == "step":
            yield f"[{event.number}/{event.total}] {shown(event.text)}"
        elif event.kind == "testing":
            self._expected = event.total
            yield f"{event.text}: {event.total} tests"
        elif event.result:
            yield from self.result(event.result)
            if len(self._results) == self._expected:
                yield self.sum()
        else:
            yield from message_lines(event.text)

    def result(self, result: Result) -> Iterator[str]:
        """Yield one line, and under a failure what was expected, seen, and why."""
        self._results.append(result)
        mark = _SKIPPED if result.skipped else "✓" if result.ok else "✗"
        tail = f" (skipped: {result.skipped})" if result.skipped else ""
        title = f"{result.service}: {result.check.title}"
        yield from _wrapped(f"{mark} ", f"{title}{tail}")
        if not result.ok:
            yield f"    expected  {result.expected}"
            yield from _wrapped("    observed  ", result.observed)
            yield from self._causes(result, title)
            for number, line in enumerate(result.log):
                yield from _wrapped("    log       " if not number else " " * 14, shown(line))

    def sum(self) -> str:
        """Return how many tests passed, failed and were skipped, and whether a log-in was tried at all."""
        skipped = sum(bool(each.skipped) for each in self._results)
        failed = sum(not each.ok for each in self._results)
        counts = {"passed": len(self._results) - skipped - failed, "failed": failed, "skipped": skipped}
        told = ", ".join(f"{count} {how}" for how, count in counts.items() if count)
        return f"{len(self._results)} tests: {told}{self._untried()}"

    def _untried(self) -> str:
        from wizard.check_words import NO_ACCOUNT  # noqa: PLC0415 - whoever has results has loaded it

        logins = {each.skipped for each in self._results if each.check.admits}
        if not logins or "" in logins:
            return ""
        return " (no login was tried: --user NAME)" if NO_ACCOUNT in logins else " (no login was tried)"

    def _causes(self, result: Result, title: str) -> Iterator[str]:
        """Yield why the test called ``title`` failed, or which ones failed for the same reasons."""
        texts = {"why": result.explanation, "log says": " ".join(result.causes)}
        firsts = {label: self._told.setdefault(text, title) for label, text in texts.items() if text}
        if "why" in firsts and firsts["why"] == firsts.get("log says") != title:
            del firsts["log says"]
        for label, first in firsts.items():
            yield from _wrapped(f"    {label:<10}", texts[label] if first == title else f"as in {first}")


def _wrapped(label: str, text: str, hanging: str = "", *, stream: TextIO | None = None) -> list[str]:
    """Fold ``text`` behind ``label`` to the terminal's width; who reads from a pipe gets it whole."""
    if not (stream or sys.stdout).isatty():
        return [f"{label}{text}".rstrip()]
    return textwrap.wrap(
        text,
        min(shutil.get_terminal_size().columns, _WIDEST),
        initial_indent=label,
        subsequent_indent=hanging or " " * len(label),
        break_long_words=False,  # a path or a command is copied
        break_on_hyphens=False,
    )


def message_lines(text: str, stream: TextIO | None = None) -> Iterator[str]:
    """Yield a message for ``stream`` (standard output if none is given); what is indented stays as it is."""
    for line in map(shown, text.split("\n")):
        yield from [line] if line[:1] in ("", " ") else _wrapped("", line, "  ", stream=stream)


def history_lines(checkpoints: Sequence[Checkpoint]) -> Iterator[str]:
    """Yield the changes made so far, under each what its way back has met; the ID is the time, in UTC."""
    width = max((len(each.id) for each in checkpoints), default=0)
    for each in checkpoints:
        yield from _wrapped(f"{each.id:<{width}}  {each.state:<12}  ", shown(each.summary))
        for note in each.notes:
            yield from (f"    {shown(line)}" for line in note.splitlines())


def account_lines(accounts: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield each account and what its user has to type."""
    width = max((len(account) for account, _ in accounts), default=0)
    yield from (shown(f"{account:<{width}}  user name: {typed}") for account, typed in accounts)


def tried_lines(tried: Tried) -> Iterator[str]:
    """Yield what one layer said to an account; why, the verdict says."""
    mark = {Reply.ACCEPTED: "✓", Reply.UNTRIED: _SKIPPED}.get(tried.reply, "✗")
    yield from _wrapped(f"{mark} ", shown(f"{tried.where}: {tried.said}"))


def verdict_lines(found: Verdict) -> Iterator[str]:
    """Yield at which of the two layers an account fails."""
    yield ""
    yield from _wrapped("", shown(f"{found.text} {found.why}"))


def problem_lines(problems: Iterable[Problem]) -> Iterator[str]:
    """Yield what was found in a mail log: each problem with cause, remedy and a line that shows it."""
    for number, problem in enumerate(problems):
        if number:
            yield ""
        times = f"{problem.count} times, last {problem.last}" if problem.count > 1 else problem.last or "once"
        yield from _wrapped("", f"{problem.severity.value}: {problem.example}  ({times})", "  ")
        yield from _wrapped("    cause     ", problem.cause)
        yield from _wrapped("    remedy    ", problem.remedy)
