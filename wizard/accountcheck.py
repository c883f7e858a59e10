"""Tries one account at both layers, the back end and Postfix, to show at which of them a log-in fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import recipes
from wizard import accountbackend, checks, passwordlimit
from wizard.accountverdict import Layer, Reply, Tried, verdict
from wizard.check_log import RunLog
from wizard.check_targets import targets
from wizard.errors import HostError, PolicyError
from wizard.sasl_client import PLAINTEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wizard.accountverdict import Verdict
    from wizard.checks import Check, Result
    from wizard.host import Host
    from wizard.secret import Secret


def check(host: Host, name: str, password: Secret, tell: Callable[[Tried], None]) -> Verdict:
    """Ask the back end itself, then each service with each mechanism, and ``tell`` every answer as it comes.

    Raises:
        PolicyError: when no mail program can send this name, or the back end can't be told this password.
        HostError: when Postfix is not installed, or nothing runs below this root.

    """
    if not host.root.live:
        raise HostError("--root connects to nothing, so no account can be tried there")
    if not name or not name.isprintable():
        raise PolicyError("NAME", "a user name is printable text")
    backend = recipes.read(host).backend
    passwordlimit.refuse_longer(backend, password)
    with RunLog(host) as log:
        behind = []
        for each in accountbackend.ask(host, backend, name, password, log):
            behind.append(each)
            tell(each)
        wanted = _logins(checks.derive(targets(host), checks.Account(name, password)), behind)
        results = checks.run(wanted, on_result=lambda result: tell(_through_postfix(result)))
        failed = next((result for result in results if not result.ok), None)
        why = _why(failed, log) if failed and all(each.reply is Reply.ACCEPTED for each in behind) else ""
    return verdict((*behind, *map(_through_postfix, results)), why)


def _logins(every: Sequence[Check], behind: Sequence[Tried]) -> list[Check]:
    """Return the log-ins to try; of an account that was refused not many, for that may lock it."""
    right = [each for each in every if each.admits]
    if all(each.reply is not Reply.REFUSED for each in behind):
        return right
    first = [each for each in right if each.target == right[0].target]
    return list(_one_in_clear(first))


def _one_in_clear(logins: Sequence[Check]) -> Iterator[Check]:
    """Yield one of those that ask what the back end was asked; the others may ask somebody else."""
    clear = [each for each in logins if _mechanism(each) in PLAINTEXT]
    yield from (each for each in logins if each not in clear[1:])


def _mechanism(check: Check) -> str:
    return check.title.partition(",")[0]


def _why(result: Result, log: RunLog) -> str:
    """Return the cause from the log; what the reply alone means, where that says nothing."""
    found = log.awaited(result.source_address)
    causes = [f"The log says: {problem.cause} {problem.remedy}" for problem in found]
    return " ".join(causes) or result.explanation


def _through_postfix(result: Result) -> Tried:
    where = f"{result.service}, {_mechanism(result.check)}"
    if result.skipped:
        return Tried(Layer.POSTFIX, where, Reply.UNTRIED, result.skipped)
    reply = Reply.ACCEPTED if result.ok else Reply.REFUSED
    return Tried(Layer.POSTFIX, where, reply, result.observed)
