"""A test and its result, and how tests are run: many at once, and no more of a service that gave up.

Each test calls from a loopback address of its own (127.0.77.N) where it can, so that the log lines it causes
can be told from those of all others by the client's address in them.
"""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from wizard import check_probes as probes
from wizard import check_words as words
from wizard.check_caller import Caller, Seen, Target, UnmetError
from wizard.check_networks import OWN_NETWORK
from wizard.smtp_wire import SmtpError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wizard.smtp import Way

Probe: TypeAlias = "Callable[[Caller], Seen]"

_AT_ONCE = 16  # far below Postfix's default_process_limit of 100, which real clients need too
_LARGEST_NET = 254


class Stage(IntEnum):
    """When a check runs: what another one needs comes before it, what makes a server wary comes last."""

    GREETING = 0
    TLS = 1
    OFFERS = 2
    LOGINS = 3
    WRONG_PASSWORDS = 4


@dataclass(frozen=True, slots=True)
class Check:
    """One test of ``target``. ``name`` tells it from the others ("plain.right").

    ``title`` and ``expected`` are for the admin. ``source_address``: what it must call from; "": any.
    """

    target: Target
    name: str
    stage: Stage
    title: str
    expected: str
    probe: Probe = field(repr=False, compare=False)
    source_address: str = ""

    @property
    def id(self) -> str:
        """What it is called for ever, on every host: "submission.plain.right"."""
        return f"{self.target.name}.{self.name}"

    @property
    def service(self) -> str:
        """The service it tests, by its name in master.cf."""
        return self.target.name

    @property
    def admits(self) -> bool:
        """Whether it expects the right password to let somebody in."""
        return self.name.endswith(".right")

    @property
    def refuses(self) -> bool:
        """Whether it expects a wrong password to let nobody in."""
        return self.name.endswith(".wrong")


@dataclass(frozen=True, slots=True)
class Result:
    """How a check went. A skipped one is ``ok``, for nothing is known against it, and says why it was.

    ``broken``: it failed because the conversation could not go on. ``started`` and ``ended`` are seconds
    since the epoch; ``dialogue`` is who said what, without secrets; ``source_address`` is the client's
    address, which Postfix logs. ``explanation`` is told from the server's reply, ``causes`` from the log;
    ``log``: the last lines of it that the test caused.
    """

    check: Check
    ok: bool
    observed: str
    explanation: str
    skipped: str
    broken: bool
    dialogue: tuple[tuple[Way, str], ...]
    started: float
    ended: float
    source_address: str
    causes: tuple[str, ...] = ()
    log: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """All that is known of why it failed."""
        return " ".join([self.explanation, *(f"The log says: {cause}" for cause in self.causes)]).strip()

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


def run(
    checks: Sequence[Check], *, timeout: float = 20.0, on_result: Callable[[Result], None] | None = None
) -> tuple[Result, ...]:
    """Run ``checks``, many at once, and return their results in the same order.

    What a service can't do any more after one of them broke off is skipped. ``timeout``: seconds for each
    answer. ``on_result`` is called in this thread as each check ends.
    """
    own_addresses = _can_bind(f"{OWN_NETWORK}1")
    results: dict[int, Result] = {}
    gave_up: dict[Target, str] = {}
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for stage in Stage:
            running = {
                pool.submit(
                    _run, check, _source(check, number if own_addresses else None), timeout, why
                ): number
                for number, check in enumerate(checks)
                if check.stage is stage
                for why in [gave_up.get(check.target, "")]
            }
            for done in as_completed(running):
                result = results[running[done]] = done.result()
                if on_result:
                    on_result(result)
            broken = [result for result in results.values() if result.broken]
            gave_up = {result.check.target: words.gave_up(result.check.title) for result in broken}
    return tuple(results[number] for number in range(len(checks)))


def _source(check: Check, number: int | None) -> str:
    """Return the address to call from; "": any. ``number``: of its own one, None: it can't have one."""
    wanted = check.source_address or check.target.source_address
    if wanted or number is None or not (check.target.is_loopback and "." in check.target.host):
        return wanted
    return f"{OWN_NETWORK}{1 + number % _LARGEST_NET}"


def _can_bind(address: str) -> bool:
    """Whether this host lets us call from ``address``; on Linux all of 127.0.0.0/8 is its own by default."""
    with socket.socket() as attempt:
        try:
            attempt.bind((address, 0))
        except OSError:
            return False
    return True


def _run(check: Check, source_address: str, timeout: float, unless: str) -> Result:
    """Run one check, or skip it for the reason ``unless``."""
    caller = Caller(check.target, source_address, timeout)
    started = time.time()
    seen, broken = _look(partial(probes.skipped, why=unless) if unless else check.probe, caller)
    return Result(
        check=check,
        ok=seen.ok,
        observed=seen.observed,
        explanation=seen.explanation,
        skipped=seen.skipped,
        broken=broken,
        dialogue=caller.dialogue,
        started=started,
        ended=time.time(),
        source_address=caller.own_address,
    )


def _look(probe: Probe, caller: Caller) -> tuple[Seen, bool]:
    """Return what ``probe`` saw, and whether the conversation broke off."""
    try:
        return probe(caller), False
    except UnmetError as unmet:
        return Seen(False, unmet.observed, unmet.explanation), True
    except SmtpError as error:
        return Seen(False, str(error), words.broken_off(error)), True


def as_json(results: Sequence[Result]) -> dict[str, object]:
    """Return ``results`` as what ``test --json`` prints: ``{"ok": …, "tests": [{"id", …}, …]}``."""
    tests = [
        {
            "id": result.id,
            "service": result.service,
            "ok": result.ok,
            "expected": result.expected,
            "observed": result.observed,
            "explanation": result.why,
            "skipped": result.skipped,
            "log": result.log,
        }
        for result in results
    ]
    return {"ok": all(result.ok for result in results), "tests": tests}
