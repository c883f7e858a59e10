"""This host's own OpenLDAP server: its configuration in ``cn=config``, read and changed by root.

Root is known at the socket ``ldapi:///`` by who it is, so there is no password (slapd-config(5); OpenLDAP
Administrator's Guide, "Configuring slapd" and "SASL EXTERNAL").
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard import ldap, services
from wizard.commands import run
from wizard.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.commands import Outcome

#: Who root is to slapd.
ROOT = "gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth"
CONFIG = "cn=config"
_SOCKET = "ldapi:///"
_ENVIRONMENT = {"LDAPNOINIT": "1"}  # what ldap.conf(5) says is for others
_MOST_DATABASES = 50
# values of an attribute that is X-ORDERED are numbered by slapd
_NUMBER = re.compile(r"\{(-?\d+)\}")


@dataclass(frozen=True, slots=True)
class Database:
    """One database: its ``entry`` in cn=config, what is below its ``suffix``, who may do all there."""

    entry: str
    suffix: str
    root_dn: str


@dataclass(frozen=True, slots=True)
class Slapd:
    """What slapd is told about who speaks for whom: ``authz-policy`` ("": nothing) and ``authz-regexp``."""

    policy: str
    regexps: tuple[str, ...]
    databases: tuple[Database, ...]


def installed() -> bool:
    """Whether there is a slapd on this host."""
    return services.installed("slapd")


@contextmanager
def connected() -> Iterator[ldap.Connection]:
    """Give a connection as root.

    Raises:
        HostError: when there is none, or it breaks.

    """
    if not installed():
        raise HostError("there is no slapd on this host")
    try:
        with ldap.Connection(_SOCKET, "") as server:
            if (answer := server.bind_as_process()).code:
                raise HostError(f"slapd does not let root in at {_SOCKET} (SASL EXTERNAL): {answer.text}")
            yield server
    except ldap.LdapError as error:
        raise HostError(
            f"slapd does not answer at {_SOCKET} ({error}): it does not run, or SLAPD_SERVICES in "
            f"/etc/default/slapd lacks {_SOCKET}"
        ) from None


def observe() -> Slapd:
    """Return how this host's slapd is configured.

    Raises:
        HostError: when it does not run, or root can't see its configuration there.

    """
    with connected() as server:
        config = server.entry(CONFIG, "olcAuthzPolicy", "olcAuthzRegexp")
        if config is None:
            raise HostError(f"slapd is configured by slapd.conf, or does not show root {CONFIG}")
        entries = server.below(CONFIG, "olcSuffix", most=_MOST_DATABASES)
        databases = []
        for entry in entries:
            admin = server.entry(entry.name, "olcRootDN")
            root_dn = (admin.of("olcRootDN") or ("",))[0] if admin else ""
            databases += [Database(entry.name, suffix, root_dn) for suffix in entry.of("olcSuffix")]
    policy = config.of("olcAuthzPolicy")
    return Slapd(policy[0] if policy else "", _in_order(config.of("olcAuthzRegexp")), tuple(databases))


def values(entry: str, attribute: str) -> tuple[str, ...]:
    """Return the values of the ``entry``'s ``attribute`` in their order, none if there is no such entry.

    Raises:
        HostError: when slapd can't be asked.

    """
    with connected() as server:
        found = server.entry(entry, attribute)
    return _in_order(found.of(attribute)) if found else ()


def _in_order(numbered: tuple[str, ...]) -> tuple[str, ...]:
    def number(value: str) -> int:
        found = _NUMBER.match(value)
        return int(found[1]) if found else 0

    return tuple(_NUMBER.sub("", value, count=1) if _NUMBER.match(value) else value
                 for value in sorted(numbered, key=number))  # fmt: skip


def modify(ldif: str) -> Outcome:
    """Let ldapmodify(1) do what ``ldif`` says, as root."""
    argv = ["ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", _SOCKET]
    return run(argv, stdin=ldif.encode(), env=_ENVIRONMENT)


def may_write(who: str, entry: str, attribute: str) -> bool:
    """Whether slapd lets ``who`` write that ``attribute``, as slapacl(8) works out."""
    done = run(["slapacl", "-u", "-D", who, "-b", entry, f"{attribute}/write"])
    return f"write access to {attribute}: ALLOWED" in done.stdout + done.stderr
