"""What becomes of the name that a user types, on its way to the back end: so, what there is to type.

Sources: postconf(5), smtpd_sasl_local_domain; saslauthd(8), -r; Cyrus SASL's lib/canonusr.c, lib/checkpw.c
and plugins. All of it is measured against each back end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from recipes import authorization
from wizard import accounts

if TYPE_CHECKING:
    from wizard.host import Host


class Called(StrEnum):
    """What the accounts of a back end are called there."""

    BARE = "bare"  # there is no domain in their names
    WHOLE = "whole"  # each has one
    EITHER = "either"  # only who runs it can know


@dataclass(frozen=True, slots=True)
class Names:
    """How a back end looks names up.

    ``about``: whose names they are, in words. ``domain``: the one in examples, if nothing else gives one.
    ``appended``: put behind a name without @ on the way (smtpd_sasl_local_domain). ``cut``: the back end is
    told only what stands before the @. ``realm``: where it looks for a name that still has none.
    """

    about: str
    called: Called
    domain: str
    appended: str = ""
    cut: bool = False
    realm: str = ""

    def looked_up(self, typed: str) -> str:
        """Return the name that the back end looks for when a user types ``typed``."""
        name = typed if "@" in typed or not self.appended else f"{typed}@{self.appended}"
        if self.cut:
            return name.rpartition("@")[0] or name
        return name if "@" in name or not self.realm else f"{name}@{self.realm}"

    def forms(self, user: str) -> tuple[str, ...]:
        """Return what ``user`` may type, the shortest first; nothing if no form of the name is found."""
        whole = f"{user}@{self.appended or self.realm or self.domain}"
        there = {Called.BARE: {user}, Called.WHOLE: {whole}, Called.EITHER: {user, whole}}[self.called]
        possible = (user,) if self.cut else (user, whole)
        return tuple(typed for typed in possible if self.looked_up(typed) in there)

    def traps(self, user: str) -> tuple[str, ...]:
        """Return what may surprise the admin, each as a sentence."""
        if not self.forms(user):
            return (f"nobody gets in: {user} is looked up as {self.looked_up(user)}, which is nobody",)
        if self.cut:
            return (f"{user}@anything gets in too: let nothing depend on what follows the @",)
        if self.called is Called.EITHER and self.appended:
            return (f"{user} means {self.looked_up(user)}: accounts without a domain are not found",)
        return ()


def found(host: Host, about: str, called: Called, *, cut: bool = False, realm: str = "") -> Names:
    """Return ``Names`` with what Postfix on ``host`` adds to them: the realm, an example's domain."""
    postfix = host.settled_postfix
    section = authorization.read(host)
    appended = section.local_domain if section else ""
    return Names(about, called, postfix.value("mydomain"), appended, cut, realm)


def in_sasldb(host: Host) -> Names:
    """Return the names of accounts in sasldb, each of which has a realm."""
    realm = accounts.of(host).realm
    about = f"an account of the realm {realm} in sasldb; of another one NAME@REALM"
    return found(host, about, Called.WHOLE, realm=realm)


def of_this_host(host: Host) -> Names:
    """Return the names of system accounts, which saslauthd looks up."""
    about = "the login name on this host, without @"
    return found(host, about, Called.BARE, cut=not host.saslauthd.joins_realm)
