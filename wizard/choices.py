"""What can be chosen on this host, and why the rest can't: the wizard's lists, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import recipes
from recipes import dovecot_facts, measured, saslauthd_getpwent
from recipes.dovecot import DOVECOT
from recipes.mechanism_words import word
from wizard.policy import (
    AuxpropLdapdb,
    AuxpropSasldb,
    AuxpropSql,
    Dovecot,
    SaslauthdGetpwent,
    SaslauthdKerberos5,
    SaslauthdLdap,
    SaslauthdPam,
    SaslauthdRimap,
    SaslauthdSasldb,
    SaslauthdShadow,
)
from wizard.sasl import PREFERENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recipes.backend import BackendRecipe
    from wizard.host import Host
    from wizard.policy import Backend


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that may be chosen. ``about``: what it is for; ``off``: why it can't be, empty if it can."""

    value: str
    title: str
    about: str
    off: str = ""
    recommended: bool = False


#: A title and a few words: with both on one line the list leaves room for the chosen one's fields.
_BACKENDS: Mapping[type[Backend], tuple[str, str]] = {
    SaslauthdPam: ("System accounts, through PAM", "logins on this host"),
    AuxpropSasldb: ("Accounts of their own, in sasldb", "mail only; all mechanisms"),
    SaslauthdShadow: ("System accounts, from /etc/shadow", "like PAM, without its rules"),
    SaslauthdSasldb: ("Accounts in sasldb, through saslauthd", "sasldb itself offers more"),
    SaslauthdRimap: ("Another IMAP server", "tries the password there"),
    SaslauthdLdap: ("An LDAP directory, through saslauthd", "tries the password there"),
    SaslauthdKerberos5: ("Kerberos 5", "tries the password at the KDC"),
    SaslauthdGetpwent: ("System accounts, through getpwent", "where there is no /etc/shadow"),
    AuxpropSql: ("An SQL database", "passwords in clear in a table"),
    AuxpropLdapdb: ("An LDAP directory, read by SASL", "passwords in clear in it"),
    Dovecot: ("Dovecot", "the accounts that Dovecot knows"),
}


def backends(host: Host) -> tuple[Choice, ...]:
    """Return every back end, the ones that can't be set up on ``host`` with the reason."""
    return tuple(
        Choice(
            kind.type,
            title,
            about,
            off=_why_not(kind, host),
            recommended=kind is SaslauthdPam,
        )
        for kind, (title, about) in _BACKENDS.items()
    )


def _why_not(kind: type[Backend], host: Host) -> str:
    if kind is SaslauthdGetpwent:
        return saslauthd_getpwent.hopeless(host)
    return "" if recipes.recipe_of(kind) else "not available in this version"


def mechanisms(host: Host, backend: Backend) -> tuple[Choice, ...]:
    """Return every mechanism in the order to offer them, with the reason where ``backend`` can't serve it."""
    recipe = recipes.recipe_of(type(backend))
    if isinstance(backend, Dovecot):
        return tuple(_dovecots_mechanism(host, name, backend) for name in PREFERENCE)
    return tuple(_mechanism(host, name, recipe, backend) for name in PREFERENCE) if recipe else ()


def _dovecots_mechanism(host: Host, name: str, backend: Dovecot) -> Choice:
    offered = () if backend.configure else dovecot_facts.answer(backend.address, host)
    off = _unserved(name, DOVECOT, backend)
    if not off and offered and name not in offered:
        off = f"Dovecot at {backend.address} does not offer it: see its auth_mechanisms"
    if not offered:
        off = off or dovecot_facts.refusal(host, name)
    return Choice(name, name, str(word(name)), off, recommended=name in DOVECOT.usual)


def _mechanism(host: Host, name: str, recipe: BackendRecipe, backend: Backend) -> Choice:
    off = _unserved(name, recipe, backend)
    if not off and host.platform.package_of(name) is None:
        off = f"{host.platform.name} has no plugin for it"
    return Choice(name, name, str(word(name)), off, recommended=name in recipe.usual)


def _unserved(name: str, recipe: BackendRecipe, backend: Backend) -> str:
    """Return why the back end can't serve the mechanism, as measured; empty: it can."""
    return "" if name in recipe.serves else measured.refusal(backend.type, name)


def usual_mechanisms(backend: Backend) -> tuple[str, ...]:
    """Return what ``backend`` offers unless told otherwise."""
    recipe = recipes.recipe_of(type(backend))
    return recipe.usual if recipe else ()


def has_realms(backend: Backend) -> bool:
    """Whether there may be a domain in the names of ``backend``'s accounts, so that a realm finds them.

    Dovecot, which has realms of its own, is not told Postfix's.
    """
    return not isinstance(backend, SaslauthdPam | SaslauthdShadow | SaslauthdGetpwent | Dovecot)


def owns_accounts(backend: Backend) -> bool:
    """Whether accounts are made in ``backend`` itself, so that one can be made for a test."""
    recipe = recipes.recipe_of(type(backend))
    return bool(recipe and recipe.owns_accounts)
