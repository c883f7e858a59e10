"""Tests the live server against its own configuration, with an account made for it where that can be done."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import recipes
from wizard import accounts, checks
from wizard.check_caller import Account
from wizard.check_cause import Causes
from wizard.check_log import RunLog
from wizard.check_networks import stranger
from wizard.check_targets import targets
from wizard.choices import owns_accounts
from wizard.listening import open_ports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wizard.checks import Check, Result, Target
    from wizard.host import Host
    from wizard.secret import Secret

_PATIENCE = 3.0  # seconds; after a reload Postfix opens its ports when it gets round to it


def run(
    host: Host,
    *,
    user: str = "",
    password: Secret | None = None,
    on_result: Callable[[Result], None] | None = None,
    on_checks: Callable[[tuple[Check, ...]], None] | None = None,
) -> tuple[Result, ...]:
    """Test every service of ``host`` that users send through, and port 25; nothing is sent.

    ``user`` and ``password``: who may log in; without them, where accounts can be made in the back end
    itself, one is, and is gone afterwards. ``on_checks`` is told what will be tested, ``on_result`` how each
    test went.

    Raises:
        WizardError: when the host can't be read, or the account can't be made or removed.

    """
    called = targets(host)
    told: dict[Check, Result] = {}
    with RunLog(host) as log, _account(host, user, password) as account:
        _await(called)
        causes = Causes(host, account, log)
        wanted = checks.derive(called, account, stranger_source=stranger(host))
        if on_checks:
            on_checks(wanted)

        def tell(result: Result) -> None:
            told[result.check] = causes.judged(result)
            if on_result:
                on_result(told[result.check])

        checks.run(wanted, on_result=tell)
    return tuple(told[check] for check in wanted)


@contextmanager
def _account(host: Host, user: str, password: Secret | None) -> Iterator[Account | None]:
    if user and password:
        yield Account(user, password)
        return
    sasldb = accounts.of(host) if _owns_accounts(host) else None
    if sasldb is None or not host.exists(sasldb.path):
        yield None
        return
    with accounts.temporary(sasldb) as (made, secret):
        # a bare name is another account at each smtpd that has a realm of its own
        user = made.name if len(accounts.realms(host)) == 1 else str(made)
        yield Account(user, secret, disposable=True)


def _owns_accounts(host: Host) -> bool:
    backend = recipes.read(host).backend
    return backend is not None and owns_accounts(backend)


def _await(called: Sequence[Target]) -> None:
    """Wait a little until every port is open; whether it is then, the tests tell."""
    wanted = {target.port for target in called}
    deadline = time.monotonic() + _PATIENCE
    while not wanted <= open_ports() and time.monotonic() < deadline:
        time.sleep(0.1)
