"""Why a back end refuses an account, as far as this host's own files tell."""

from __future__ import annotations

import os
import pwd
import shlex
import time
from typing import TYPE_CHECKING

from wizard import accountplaces, accounts
from wizard.accountgroups import Members
from wizard.accounts import typed
from wizard.errors import PolicyError
from wizard.numbers import number
from wizard.policy import SaslauthdPam

if TYPE_CHECKING:
    from wizard.host import Host
    from wizard.policy import Backend

_SHADOW = "/etc/shadow"
_PASSWORD, _EXPIRES, _FIELDS = 1, 7, 9  # shadow(5)
_DAY = 86400  # seconds


def in_sasldb(host: Host, name: str) -> str:
    """Return why the account called ``name`` is not in sasldb; empty: it is.

    Raises:
        HostError: when sasldb can't be read.

    """
    sasldb = accounts.of(host)
    try:
        account = sasldb.account(name)
    except PolicyError as refused:
        return f"It is no possible account: {refused.message}."
    known = sasldb.accounts()
    if account in known:
        return ""
    elsewhere = [each for each in known if each.name == account.name]
    if elsewhere:
        names = " or ".join(typed(each, sasldb.realm) for each in elsewhere)
        return f"There is no {account.name} in the realm {account.realm}: the user name to type is {names}."
    trouble = accountplaces.trouble(host, sasldb)
    return f"There is no {account}: {trouble or f'postfix-auth user add {shlex.quote(name)} makes it'}."


def of_system(host: Host, backend: Backend, name: str) -> str:
    """Return why the system's user ``name`` can't log in whatever the password; empty: nothing is known."""
    user, _, realm = name.rpartition("@") if "@" in name else (name, "", "")
    if realm and host.saslauthd.joins_realm:
        return f"With -r saslauthd looks for a user called {name}: the user name to type is {user}."
    try:
        pwd.getpwnam(user)
    except (KeyError, ValueError):
        return f"There is no user {user} on this host."
    if isinstance(backend, SaslauthdPam) and backend.allowed_groups:
        members = Members(host, backend.allowed_groups)
        if all(user != each.name for each in members.accounts()):
            groups = " or ".join(backend.allowed_groups)
            remedy = accountplaces.trouble(host, members) or f"postfix-auth user add {user} changes that"
            return f"The user {user} is not in the group {groups}: {remedy}."
    return _shadowed(host, user)


def shut_out(host: Host, backend: Backend | None, name: str) -> str:
    """Return why the system's user ``name`` could not log in with ``backend``; empty: nothing is known.

    Its groups are the system's own (nsswitch.conf(5)); one that a plan is about to make has nobody in it.
    """
    if not isinstance(backend, SaslauthdPam) or not backend.allowed_groups or not name or not host.root.live:
        return ""
    user, allowed = name.partition("@")[0], backend.allowed_groups
    try:
        numbers = os.getgrouplist(user, pwd.getpwnam(user).pw_gid)
    except (KeyError, ValueError, OSError):
        return f"there is no user {user} on this host, and only members of {' or '.join(allowed)} may log in"
    if any(host.group_id(group) in numbers for group in allowed):
        return ""
    missing = host.group_id(allowed[0]) is None
    way = f"usermod -aG {allowed[0]} {user}"
    way = f"groupadd --system {allowed[0]}; {way}" if missing else way
    return f"{user} is not in the group {' or '.join(allowed)}, so no log-in would work; first: {way}"


def refuse_shut_out(host: Host, backend: Backend | None, name: str) -> None:
    """Refuse to test ``backend`` as a user who can't log in there: everything would be taken back.

    Raises:
        PolicyError: with the way out.

    """
    if why := shut_out(host, backend, name):
        raise PolicyError("", f"the tests can't log in: {why}")


def _shadowed(host: Host, user: str) -> str:
    """Say what /etc/shadow has against ``user`` (shadow(5))."""
    text = (host.read(_SHADOW) or b"").decode(errors="replace")
    lines = [line.split(":") for line in text.splitlines()]
    fields = next((line for line in lines if line[0] == user and len(line) == _FIELDS), None)
    if fields is None:
        return ""
    if fields[_PASSWORD][:1] in ("!", "*"):
        return f"The user {user} has no password, or a locked one: passwd {user}, or passwd -u {user}."
    expires = number(fields[_EXPIRES])
    if expires is not None and expires <= time.time() / _DAY:
        return f"The account {user} has expired: chage -E -1 {user} changes that."
    return ""
