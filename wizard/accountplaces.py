"""Where the accounts of the back end in force are kept, and what can be done about them from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import recipes
from wizard import accounts, lock, lookup, passwordlimit, services
from wizard.accountgroups import Members
from wizard.accounts import Sasldb
from wizard.choices import owns_accounts
from wizard.errors import HostError, PolicyError
from wizard.policy import Saslauthd, SaslauthdPam
from wizard.processes import running

if TYPE_CHECKING:
    from wizard.accounts import Account
    from wizard.host import Host
    from wizard.policy import Backend
    from wizard.secret import Secret

Place: TypeAlias = Sasldb | Members
_PATIENCE = 20.0  # seconds


def of(host: Host) -> Place:
    """Return the accounts of the back end in force.

    Raises:
        HostError: when they can be neither listed nor made from here, with the words where that is done.

    """
    backend = recipes.read(host).backend
    if backend is None:
        raise HostError("no back end is set up, so there are no accounts yet")
    if owns_accounts(backend):
        return accounts.of(host)
    if isinstance(backend, SaslauthdPam) and backend.allowed_groups:
        return Members(host, backend.allowed_groups)
    raise HostError(f"{elsewhere(backend)}; postfix-auth user check NAME tries one")


def elsewhere(backend: Backend) -> str:
    """Return who keeps the accounts of ``backend``, and where they are made."""
    return recipes.shown(type(backend)).accounts.format(backend)


def to_add(host: Host, place: Place, name: str) -> Account:
    """Return the account called ``name``, which is to be added to ``place`` or to get a new password there.

    Raises:
        PolicyError: when there can be no account of that name.
        HostError: when nobody who is added there could log in.

    """
    account = place.account(name)
    if isinstance(place, Sasldb) and account not in place.accounts() and (rule := accounts.broken_rule(name)):
        raise PolicyError("NAME", rule)
    if found := trouble(host, place):
        raise HostError(found)
    return account


def trouble(host: Host, place: Place) -> str:
    """Return why nobody who is added to ``place`` could log in; empty: nothing is known against it."""
    found = _without_group(place) if isinstance(place, Members) else _unseen(host, place)
    return f"{found}; {accounts.APPLY_ANEW} mends that" if found else ""


def _without_group(place: Members) -> str:
    group, host = place.groups[0], place.host
    served = host.root.live and host.group_id(group) is not None  # by a directory
    known = host.members(group) is not None or served
    return "" if known else f"there is no group {group} any more"


def _unseen(host: Host, sasldb: Sasldb) -> str:
    """Return why smtpd itself would not find a new account in ``sasldb``."""
    if host.smtpd_conf.methods[:1] == ("saslauthd",):  # root, and in no chroot
        return ""
    own = host.root.file(sasldb.path)
    if not own.exists():
        dangling = host.root.path(sasldb.path).is_symlink()
        return (
            f"{sasldb.path} is a link that leads nowhere: remove it"
            if dangling
            else f"there is no {sasldb.path}"
        )
    seen = f"{host.queue_directory}{sasldb.path}"
    inside = host.root.file(seen)
    if lookup.in_chroot(host) and not (inside.exists() and inside.samefile(own)):
        return f"chrooted smtpd reads {seen}, which is {'another file' if inside.exists() else 'not there'}"
    if not host.root.live:
        return ""
    nobody = lookup.check_in_force(host, timeout=_PATIENCE)
    told = nobody.said[-1] if nobody.said else "no answer"
    return "" if nobody.unknown or nobody.refused else f"smtpd can't look accounts up: {told}"


def set_password(host: Host, sasldb: Sasldb, account: Account, password: Secret) -> None:
    """Make ``account``, or give it a new password; then no earlier one lets anybody in.

    Raises:
        PolicyError: when mail programs or the back end can't carry the name or the password.
        HostError: when another run is at work.
        WizardError: when it can't be done.

    """
    passwordlimit.refuse_longer(recipes.read(host).backend, password)
    with lock.holding(host.root):
        known = account in sasldb.accounts()
        sasldb.set_password(account, password)
        if known:
            _forget(host)


def join(host: Host, members: Members, account: Account) -> None:
    """Let ``account``, one of the system's, in.

    Raises:
        HostError: when another run is at work.
        WizardError: when it can't be done.

    """
    with lock.holding(host.root):
        members.add(account)


def remove(host: Host, place: Place, account: Account) -> None:
    """Take ``account`` away, and see to it that it is not remembered.

    Raises:
        HostError: when another run is at work.
        WizardError: when it can't be done.

    """
    with lock.holding(host.root):
        place.remove(account)
        _forget(host)


def _forget(host: Host) -> None:
    """Restart a saslauthd that remembers who logged in, for up to eight hours (saslauthd(8), -c)."""
    asked = isinstance(recipes.read(host).backend, Saslauthd)
    if asked and host.saslauthd.caches and host.root.live and running("saslauthd"):
        services.restart("saslauthd")
