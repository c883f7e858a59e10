"""saslauthd -a ldap: a directory is asked for the user's entry, and a bind as that entry tells the rest.

Its keys in /etc/saslauthd.conf are those of Cyrus SASL's LDAP_SASLAUTHD; others that somebody set there stay.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from recipes import ldap_trial, user_names
from recipes.saslauthd_way import Realm, Way
from recipes.shown import NO_SASLAUTHD, Shown
from recipes.user_names import Called
from wizard.changes import WriteFile
from wizard.errors import ParseError, PolicyError
from wizard.formats import saslauthdconf
from wizard.passwordfile import read_unpadded_password_file
from wizard.policy import SaslauthdLdap
from wizard.secret import Secret
from wizard.steps import Act, Note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recipes.user_names import Names
    from wizard import sasl
    from wizard.host import Host
    from wizard.steps import Step, Wanted

_FILE = "/etc/saslauthd.conf"
_LONGEST_PASSWORD = 127  # bytes; saslauthd cuts off the rest without a word (lak.h, LAK_BUF_LEN)
_OURS = b"# the directory that saslauthd asks; written by postfix-auth\n"
#: What turns "look the user up, then bind as the user" into something else.
_OTHER_METHODS = ("ldap_auth_method", "ldap_use_sasl", "ldap_group_dn", "ldap_scope", "ldap_default_realm")

#: What a filter asks with: each macro, those that hold a domain; each attribute that %u alone is compared
#: with, those that hold addresses.
_MACRO = re.compile(r"%([A-Za-z0-9])")
_OF_DOMAIN = frozenset("drR123456789")
_COMPARED = re.compile(r"([A-Za-z][\w.;-]*)=%u(?=\)|$)")
_ADDRESSES = frozenset({"mail", "rfc822mailbox", "mailaddress", "maillocaladdress", "userprincipalname"})


def _path(host: Host) -> str:
    """Return the file that saslauthd reads: ``-O`` names another one."""
    named = host.saslauthd.option if host.saslauthd.mechanism == "ldap" else ""
    return named if named.startswith("/") else _FILE


def _option(wanted: Wanted) -> str:
    path = _path(wanted.host)
    return path if path != _FILE else ""


def _steps(wanted: Wanted) -> Iterator[Step]:
    host, backend, path = wanted.host, wanted.backend(SaslauthdLdap), _path(wanted.host)
    if not wanted.given.backend:
        return
    current = host.read(path)
    found = saslauthdconf.read(path, current or b"")
    values = _values(wanted, backend, found)
    text = saslauthdconf.edit(path, _OURS if current is None else current, values)
    why = "which directory saslauthd asks, and as whom; readable by root only, for its password"
    write = WriteFile(path, before=current, after=text, owner="root", group="root", mode=0o600, reason=why)
    yield write
    if text != current:
        if host.root.live:
            password = Secret(values["ldap_password"] or "")
            ldap_trial.refuse(backend, password, values["ldap_tls_cacert_file"] or host.platform.ca_file)
        yield Act("saslauthd", "restart", f"reads {path} anew")
    yield from ldap_trial.unprotected(host, backend)
    for key in _OTHER_METHODS:
        if key in found:
            yield Note(f"set by hand: {path} has {key}: {found[key]}; kept")


def _values(wanted: Wanted, backend: SaslauthdLdap, found: Mapping[str, str]) -> dict[str, str | None]:
    encrypted = backend.start_tls or any(uri.startswith("ldaps:") for uri in backend.servers)
    authorities = found.get("ldap_tls_cacert_file", wanted.host.platform.ca_file)
    return {
        "ldap_servers": " ".join(backend.servers),
        "ldap_search_base": backend.search_base,
        "ldap_filter": backend.filter,
        "ldap_bind_dn": backend.bind_dn or None,
        "ldap_password": _password(backend, found) or None,
        "ldap_start_tls": "yes" if backend.start_tls else None,
        # without it, what libldap's own configuration says
        "ldap_tls_check_peer": "yes" if encrypted else None,
        "ldap_tls_cacert_file": authorities if encrypted else None,
    }


def _password(backend: SaslauthdLdap, found: Mapping[str, str]) -> str:
    """Return the password to bind with; where no file is named, the one that is there already."""
    key = "backend.password_file"
    if backend.password_file:
        password = read_unpadded_password_file(Path(backend.password_file), key, "saslauthd").reveal()
        if len(password.encode()) > _LONGEST_PASSWORD:
            raise PolicyError(
                key, f"the password is longer than the {_LONGEST_PASSWORD} bytes saslauthd takes"
            )
        return password
    if not backend.bind_dn:
        return ""
    if found.get("ldap_bind_dn") != backend.bind_dn or "ldap_password" not in found:
        raise PolicyError(key, f"must be given: there is no password of {backend.bind_dn} on this host yet")
    return found["ldap_password"]


def leave(wanted: Wanted) -> Iterator[Step]:
    """Yield what becomes of the file with the password once saslauthd does not need it any more."""
    host = wanted.host
    try:
        path = _path(host)
    except ParseError:
        path = _FILE  # nobody can tell another one
    current = host.read(path)
    if current is None or isinstance(wanted.policy.backend, SaslauthdLdap):
        return
    keys = saslauthdconf.read(path, current)
    if current.startswith(_OURS) and all(key.startswith("ldap_") for key in keys):
        why = "the directory is not asked any more, and its password is not needed"
        yield WriteFile(path, before=current, after=None, reason=why)
    elif "ldap_password" in keys:
        yield Note(f"{path} still has the password of {keys.get('ldap_bind_dn', 'the directory')}; kept")


def _read(host: Host, found: sasl.Saslauthd) -> SaslauthdLdap | None:
    path = _path(host)
    keys = saslauthdconf.read(path, host.read(path) or b"")
    if "ldap_search_base" not in keys:
        return None
    return SaslauthdLdap(
        tuple(keys.get("ldap_servers", "ldap://localhost").split()),
        keys["ldap_search_base"],
        keys.get("ldap_filter", "uid=%u"),
        keys.get("ldap_bind_dn", ""),
        start_tls=keys.get("ldap_start_tls", "no").lower() in ("yes", "on", "true", "1"),
        threads=found.threads,
        cache=found.caches,
    )


def called(pattern: str, *, joined: bool) -> tuple[Called, bool]:
    """Return what accounts are called that the filter ``pattern`` finds, and whether any domain will do.

    ``joined``: saslauthd has ``-r``, so that %u is the whole name. %r is the domain in either case.
    """
    macros = frozenset(_MACRO.findall(pattern))
    if macros <= {"U"}:
        return Called.BARE, True
    compared = [name.lower() for name in _COMPARED.findall(pattern)]
    whole = bool(macros & _OF_DOMAIN) or (bool(compared) and _ADDRESSES.issuperset(compared))
    cut = not joined and not macros & {"r", "R"}
    return Called.WHOLE if whole and "|" not in pattern else Called.EITHER, cut


def _names(host: Host) -> Names:
    backend = _read(host, host.saslauthd)
    pattern = backend.filter if backend else ""
    kind, cut = called(pattern, joined=host.saslauthd.joins_realm)
    told = "; %u ends before the @" if cut and "%u" in pattern else ""
    return user_names.found(host, f"just as the filter {pattern} finds it{told}", kind, cut=cut)


_SHOWN = Shown(
    SaslauthdLdap,
    "An LDAP directory, through saslauthd",
    "tries the password there",
    "the accounts are those of the directory at {0.servers[0]}, and made there",
    NO_SASLAUTHD,
    remote=True,
)
WAY = Way(_SHOWN, "ldap", Realm.KEPT, _read, _names, option=_option, steps=_steps)
