"""What the engine is asked about accounts. All of it takes a while: for workers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from wizard import accountcheck, accountplaces, accounts, choices, engine
from wizard.accountgroups import Members
from wizard.accounts import typed
from wizard.errors import HostError
from wizard.policy import SaslauthdPam

if TYPE_CHECKING:
    from collections.abc import Callable

    from wizard.accountplaces import Place
    from wizard.accountverdict import Tried, Verdict
    from wizard.host import Host
    from wizard.policy import Policy
    from wizard.root import Root
    from wizard.secret import Secret

_MOST_NAMED = 6


class Keeper(StrEnum):
    """Who keeps the accounts: a file that only mail uses, a group of the system, somebody else."""

    SASLDB = "sasldb"
    GROUP = "group"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Row:
    """One account, and what its user has to type."""

    name: str
    typed: str


@dataclass(frozen=True, slots=True)
class Done:
    """What was done, in words, and the account that it was done with."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Listed:
    """The accounts of the back end in force. ``about`` says where they are."""

    keeper: Keeper
    about: str
    rows: tuple[Row, ...] = ()


def listed(root: Root) -> Listed:
    """Return the accounts there are.

    Raises:
        WizardError: when they can't be read.

    """
    host = engine.observe(root)
    try:
        place = engine.accounts(host)
    except HostError as elsewhere:
        return Listed(Keeper.ELSEWHERE, f"{str(elsewhere).partition(';')[0]}.".capitalize())
    rows = tuple(Row(str(each), typed(each, place.realm)) for each in place.accounts())
    trouble = "" if rows else accountplaces.trouble(host, place)
    wrong = f"{trouble[0].upper()}{trouble[1:]}." if trouble else ""
    if isinstance(place, Members):
        about = f"The system's users in the group {' or '.join(place.groups)} may log in."
        return Listed(Keeper.GROUP, wrong or about, rows)
    about = f"Accounts in {place.path}. A name without @ belongs to {place.realm}."
    return Listed(Keeper.SASLDB, wrong or about, rows)


def set_password(root: Root, name: str, password: Secret) -> Done:
    """Make the account ``name``, or give it a new password.

    Raises:
        WizardError: when that can't be done.

    """
    host, place = _place(root)
    if isinstance(place, Members):
        raise HostError("the password is the system's: passwd sets it")
    account = accountplaces.to_add(host, place, name)
    accountplaces.set_password(host, place, account, password)
    return Done(str(account), f"{account}: the user name to type is {typed(account, place.realm)}")


def join(root: Root, name: str) -> Done:
    """Let the system's user ``name`` in.

    Raises:
        WizardError: when that can't be done.

    """
    host, place = _place(root)
    account = accountplaces.to_add(host, place, name)
    if isinstance(place, Members):
        accountplaces.join(host, place, account)
    return Done(str(account), f"{account} may log in, with the password on this host")


def remove(root: Root, name: str) -> Done:
    """Take the account ``name`` out.

    Raises:
        WizardError: when that can't be done.

    """
    host, place = _place(root)
    accountplaces.remove(host, place, place.account(name))
    return Done(name, f"{name} can't log in any more")


def check(root: Root, name: str, password: Secret, tell: Callable[[Tried], None]) -> Verdict:
    """Try the account at both layers, and ``tell`` each answer.

    Raises:
        WizardError: when that can't be done.

    """
    return accountcheck.check(engine.observe(root), name, password, tell)


def there_already(host: Host, policy: Policy) -> str:
    """Return who can log in with ``policy`` without being made anew, in a line; empty: nothing is known.

    Raises:
        WizardError: when they can't be read.

    """
    backend = policy.backend
    if isinstance(backend, SaslauthdPam) and backend.allowed_groups:
        found = Members(host, backend.allowed_groups).accounts()
        where = f"In the group {' or '.join(backend.allowed_groups)}"
        return f"{where}: {_named([str(each) for each in found]) or 'nobody yet'}"
    if backend is None or not choices.owns_accounts(backend) or host.postfix is None:
        return ""
    sasldb = accounts.of(host)
    names = _named([typed(each, sasldb.realm) for each in sasldb.accounts()])
    return f"There already: {names}" if names else ""


def _named(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _place(root: Root) -> tuple[Host, Place]:
    host = engine.observe(root)
    return host, engine.accounts(host)
