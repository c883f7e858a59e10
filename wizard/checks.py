"""The tests that a policy asks for, and their run against a live server.

``derive`` says what is to be tested and what is expected, ``run`` does it, all at once. Nothing is ever sent:
a test goes up to RCPT at most. Each test calls from a loopback address of its own (127.0.77.N) where it can,
so that the log lines it causes can be told from those of all others by the client's address in them.
"""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from wizard import check_probes as probes
from wizard import check_words as words
from wizard.check_caller import Account, Caller, Seen, Target, UnmetError
from wizard.check_certificate import certificate
from wizard.sasl_client import PLAINTEXT, SPOKEN
from wizard.smtp_wire import SmtpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wizard.smtp import Way

__all__ = ["Account", "Check", "Result", "Target", "as_json", "derive", "run"]

Probe: TypeAlias = "Callable[[Caller], Seen]"

_AT_ONCE = 16  # far below Postfix's default_process_limit of 100, which real clients need too
_NET = "127.0.77."
_LARGEST_NET = 254


@dataclass(frozen=True, slots=True)
class Check:
    """One test. ``id`` is stable ("submission.plain.right"), ``title`` and ``expected`` are for the admin.

    ``source_address``: what it must call from; "": whatever serves.
    ``last``: it runs after the others, because it makes the server slow or wary.
    """

    id: str
    target: Target
    title: str
    expected: str
    probe: Probe = field(repr=False, compare=False)
    source_address: str = ""
    last: bool = False

    @property
    def service(self) -> str:
        """The service it tests, by its name in master.cf."""
        return self.target.name


@dataclass(frozen=True, slots=True)
class Result:
    """How a check went. A skipped one is ``ok``, for nothing is known against it, and says why it was.

    ``started`` and ``ended`` are seconds since the epoch; ``dialogue`` is who said what, without secrets;
    ``source_address`` is the client's address that Postfix logs.
    """

    check: Check
    ok: bool
    observed: str
    explanation: str
    skipped: str
    dialogue: tuple[tuple[Way, str], ...]
    started: float
    ended: float
    source_address: str

    @property
    def id(self) -> str:
        """The check's id."""
        return self.check.id

    @property
    def service(self) -> str:
        """The check's service."""
        return self.check.service

    @property
    def expected(self) -> str:
        """What the check expected."""
        return self.check.expected


def derive(
    targets: Sequence[Target], account: Account | None, *, stranger_source: str = ""
) -> tuple[Check, ...]:
    """Say what is to be tested on ``targets``.

    ``account`` may log in; None: what needs one is skipped. ``stranger_source`` is an address of this host
    outside mynetworks; "": there is none.
    """
    return tuple(
        check
        for target in targets
        for check in (
            *_greeting_and_tls(target),
            *_offers(target),
            *_logins(target, account),
            *_relaying(target, account, stranger_source),
        )
    )


def _greeting_and_tls(target: Target) -> Iterator[Check]:
    yield Check(f"{target.name}.greeting", target, "greeting, EHLO", "220, EHLO answered", probes.greeting)
    if not target.has_tls:
        expected = "STARTTLS is not offered"
        yield Check(f"{target.name}.tls", target, "no TLS", expected, probes.tls_absent)
        return
    title = "TLS from the start" if target.wrapper else "STARTTLS"
    only = ", and nothing before it" if target.tls == "encrypt" and not target.wrapper else ""
    yield Check(f"{target.name}.tls", target, title, f"{title} works{only}", probes.tls_works)
    names = ", ".join(target.names)
    expected = f"valid{' for ' if names else ''}{names}" + (", the policy's" if target.fingerprint else "")
    yield Check(f"{target.name}.certificate", target, f"certificate {names}".strip(), expected, certificate)


def _offers(target: Target) -> Iterator[Check]:
    before, after = target.auth_before_tls, target.auth_after_tls
    if not target.wrapper:
        title = "AUTH before TLS" if before else "no AUTH before TLS"
        yield Check(
            f"{target.name}.offer.clear", target, title, probes.offered(before), probes.offer_in_clear
        )
        refused = tuple(dict.fromkeys(name for name in (*after, *sorted(PLAINTEXT)) if name not in before))
        if refused:
            probe = partial(probes.auth_refused_in_clear, mechanisms=refused)
            title = f"{'further ' if before else ''}AUTH refused before TLS"
            yield Check(f"{target.name}.auth.clear", target, title, "refused", probe)
    if target.has_tls:
        title = "AUTH over TLS" if after else "no AUTH over TLS"
        yield Check(f"{target.name}.offer.tls", target, title, probes.offered(after), probes.offer_over_tls)


def _logins(target: Target, account: Account | None) -> Iterator[Check]:
    for mechanism in target.mechanisms:
        name = f"{target.name}.{mechanism.lower()}"
        title = f"{mechanism}, right password"
        yield Check(f"{name}.right", target, title, "235", _right_password(target, account, mechanism))
        title = f"{mechanism}, wrong password refused"
        yield Check(f"{name}.wrong", target, title, "535", _wrong_password(account, mechanism), last=True)


def _right_password(target: Target, account: Account | None, mechanism: str) -> Probe:
    if mechanism not in SPOKEN:
        return partial(probes.skipped, why=words.unspoken(mechanism))
    if account is None:
        return partial(probes.skipped, why=words.NO_ACCOUNT)
    if not _may_say(target, mechanism):
        return partial(probes.skipped, why=words.NOT_IN_CLEAR)
    return partial(probes.right_password, mechanism=mechanism, account=account)


def _wrong_password(account: Account | None, mechanism: str) -> Probe:
    if mechanism not in SPOKEN:
        return partial(probes.skipped, why=words.unspoken(mechanism))
    user = account.user if account and account.disposable else ""
    return partial(probes.wrong_password, mechanism=mechanism, user=user)


def _may_say(target: Target, mechanism: str) -> bool:
    """Whether the right password may be said: under TLS, to this host, or never in clear."""
    return target.has_tls or target.is_loopback or mechanism not in PLAINTEXT


def _relaying(target: Target, account: Account | None, stranger_source: str) -> Iterator[Check]:
    source = stranger_source if "." in target.host else ""  # IPv4 both, or neither
    probe: Probe = probes.stranger_relays
    if target.trusts_networks and not source:
        probe = partial(probes.skipped, why=words.NO_STRANGER)
    title = "no relaying without a log-in"
    yield Check(f"{target.name}.relay.stranger", target, title, "refused", probe, source_address=source)
    if target.mechanisms:
        probe = _user_relays(target, account)
        yield Check(f"{target.name}.relay.user", target, "relaying after a log-in", "250", probe)


def _user_relays(target: Target, account: Account | None) -> Probe:
    if account is None:
        return partial(probes.skipped, why=words.NO_ACCOUNT)
    usable = (name for name in target.mechanisms if name in SPOKEN and _may_say(target, name))
    mechanism = next(usable, None)
    if mechanism is None:
        return partial(probes.skipped, why=words.NOTHING_TO_LOG_IN_WITH)
    return partial(probes.user_relays, mechanism=mechanism, account=account)


def run(
    checks: Sequence[Check], *, timeout: float = 20.0, on_result: Callable[[Result], None] | None = None
) -> tuple[Result, ...]:
    """Run ``checks``, many at once, and return their results in the same order.

    ``timeout``: seconds for each answer. ``on_result`` is called in this thread as each check ends.
    """
    own_addresses = _can_bind(f"{_NET}1")
    results: dict[int, Result] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for last in (False, True):
            running = {
                pool.submit(_run, check, _source(check, number if own_addresses else None), timeout): number
                for number, check in enumerate(checks)
                if check.last is last
            }
            for done in as_completed(running):
                results[running[done]] = done.result()
                if on_result:
                    on_result(done.result())
    return tuple(results[number] for number in range(len(checks)))


def _source(check: Check, number: int | None) -> str:
    """Return the address to call from; "": any. ``number``: of its own one, None: it can't have one."""
    if check.source_address or number is None or not (check.target.is_loopback and "." in check.target.host):
        return check.source_address
    return f"{_NET}{1 + number % _LARGEST_NET}"


def _can_bind(address: str) -> bool:
    """Whether this host lets us call from ``address``; on Linux all of 127.0.0.0/8 is its own by default."""
    with socket.socket() as attempt:
        try:
            attempt.bind((address, 0))
        except OSError:
            return False
    return True


def _run(check: Check, source_address: str, timeout: float) -> Result:
    caller = Caller(check.target, source_address, timeout)
    started = time.time()
    seen = _look(check, caller)
    return Result(
        check=check,
        ok=seen.ok,
        observed=seen.observed,
        explanation=seen.explanation,
        skipped=seen.skipped,
        dialogue=caller.dialogue,
        started=started,
        ended=time.time(),
        source_address=caller.own_address,
    )


def _look(check: Check, caller: Caller) -> Seen:
    try:
        return check.probe(caller)
    except UnmetError as unmet:
        return Seen(False, unmet.observed, unmet.explanation)
    except SmtpError as error:
        return Seen(False, str(error), words.broken_off(error))


def as_json(results: Sequence[Result]) -> dict[str, object]:
    """Return ``results`` as what ``test --json`` prints: ``{"ok": …, "tests": [{"id", …}, …]}``."""
    tests = [
        {
            "id": result.id,
            "service": result.service,
            "ok": result.ok,
            "expected": result.expected,
            "observed": result.observed,
            "explanation": result.explanation,
            "skipped": result.skipped,
        }
        for result in results
    ]
    return {"ok": all(result.ok for result in results), "tests": tests}
