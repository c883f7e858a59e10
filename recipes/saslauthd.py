"""Back ends behind saslauthd: a daemon that runs as root and is told user name and password (saslauthd(8)).

It can verify PLAIN and LOGIN only. Any other mechanism in ``mech_list`` would silently be checked in
/etc/sasldb2 by libsasl itself, past saslauthd.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from recipes import (
    chroot,
    pam,
    saslauthd_getpwent,
    saslauthd_kerberos5,
    saslauthd_ldap,
    saslauthd_rimap,
    user_names,
)
from recipes.backend import BackendRecipe, asked
from recipes.saslauthd_way import Realm, Way
from recipes.shown import IN_SASLDB, NO_SASLAUTHD, OF_THIS_HOST, Shown
from wizard import processes, sasl
from wizard.errors import HostError
from wizard.formats import shellvars
from wizard.policy import (
    Saslauthd,
    SaslauthdPam,
    SaslauthdSasldb,
    SaslauthdShadow,
)
from wizard.steps import Act, Edit, Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recipes.user_names import Names
    from wizard.host import Host
    from wizard.policy import Backend
    from wizard.steps import Step, Wanted


def _pam(wanted: Wanted) -> Iterator[Step]:
    backend = wanted.policy.backend
    if isinstance(backend, SaslauthdPam):
        yield from pam.steps(wanted, backend)
    yield from _open_to_any_domain(wanted)


def _read_pam(host: Host, found: sasl.Saslauthd) -> SaslauthdPam:
    return SaslauthdPam(pam.read(host), threads=found.threads, cache=found.caches)


def _read_shadow(_: Host, found: sasl.Saslauthd) -> SaslauthdShadow:
    return SaslauthdShadow(threads=found.threads, cache=found.caches)


def _read_sasldb(_: Host, found: sasl.Saslauthd) -> SaslauthdSasldb:
    return SaslauthdSasldb(threads=found.threads, cache=found.caches)


def _open_to_any_domain(wanted: Wanted) -> Iterator[Note]:
    """Say what a system account can do that its admin may not expect."""
    if not _keeps_realm(wanted):
        yield Note(
            "saslauthd runs without -r: user@anything is let in with the password of user; "
            + (
                "authorization.local_domain needs that, so nothing may depend on the domain of a login"
                if _realm(wanted)
                else f"add -r to OPTIONS in {wanted.host.saslauthd_defaults} if nobody logs in with a domain"
            )
        )


def _realm_of_bare_names(wanted: Wanted) -> Iterator[Note]:
    own, smtpd = wanted.host.name, wanted.postfix.value("myhostname")
    if not _realm(wanted) and own != smtpd:
        yield Note(
            f"saslauthd looks a name without realm up as NAME@{own}, this host's own name, and not as "
            f"NAME@{smtpd}: add accounts with postfix-auth user add, or set authorization.local_domain"
        )


_SHOWN_PAM = Shown(
    SaslauthdPam,
    "System accounts, through PAM",
    "logins on this host",
    OF_THIS_HOST,
    NO_SASLAUTHD,
    domains=False,
)
_SHOWN_SHADOW = Shown(
    SaslauthdShadow,
    "System accounts, from /etc/shadow",
    "like PAM, without its rules",
    OF_THIS_HOST,
    NO_SASLAUTHD,
    domains=False,
)
_SHOWN_SASLDB = Shown(
    SaslauthdSasldb,
    "Accounts in sasldb, through saslauthd",
    "sasldb itself offers more",
    IN_SASLDB,
    NO_SASLAUTHD,
)
_SYSTEM: tuple[Way, ...] = (
    Way(_SHOWN_PAM, "pam", Realm.CUT_IN_USE, _read_pam, user_names.of_this_host, steps=_pam),
    Way(
        _SHOWN_SHADOW,
        "shadow",
        Realm.CUT_IN_USE,
        _read_shadow,
        user_names.of_this_host,
        steps=_open_to_any_domain,
    ),
    saslauthd_getpwent.WAY,
)
_SASLDB = Way(
    _SHOWN_SASLDB, "sasldb", Realm.CUT, _read_sasldb, user_names.in_sasldb, steps=_realm_of_bare_names
)
_REMOTE: tuple[Way, ...] = (saslauthd_rimap.WAY, saslauthd_ldap.WAY, saslauthd_kerberos5.WAY)
_WAYS = (*_SYSTEM, _SASLDB, *_REMOTE)


def _keys(wanted: Wanted) -> dict[str, str]:
    keys = {"pwcheck_method": "saslauthd"}
    path = chroot.socket_path(wanted)
    return keys | ({"saslauthd_path": path} if path else {})


def _way(wanted: Wanted) -> Way:
    backend = wanted.backend(Saslauthd)
    return next(way for way in _WAYS if way.shown.kind is type(backend))


def _steps(wanted: Wanted) -> Iterator[Step]:
    yield from chroot.socket_steps(wanted)
    yield from _defaults(wanted)
    yield from _way(wanted).steps(wanted)
    yield from _notes(wanted)
    yield Act("saslauthd", "enable", "checks the passwords, after a reboot as well")


def _notes(wanted: Wanted) -> Iterator[Note]:
    if _way(wanted).realm is Realm.KEPT and not _keeps_realm(wanted):
        yield Note(
            "saslauthd runs without -r, and your users may be used to that: of user@domain it looks up user "
            f"only, whatever the domain is; -r in OPTIONS of {wanted.host.saslauthd_defaults} "
            "looks up the whole"
        )
    if wanted.backend(Saslauthd).cache and wanted.given.backend:
        yield Note(
            "saslauthd remembers who logged in (-c): a locked user or an old password gets in for up to "
            "8 hours; cache = false below [backend] in a policy file asks every time"
        )


# the defaults file


def _defaults(wanted: Wanted) -> Iterator[Step]:
    backend, platform = wanted.backend(Saslauthd), wanted.host.platform.saslauthd
    current, way = wanted.host.saslauthd, _way(wanted)
    _refuse_shared_socket(wanted)
    by_variable = current.mechanism_option if way.option(wanted) == current.mechanism_option else ""
    options = shlex.join(_options(wanted, way, by_variable))
    wish = {"MECHANISMS": (current.mechanism, way.mechanism, "which accounts saslauthd checks")}
    wish["OPTIONS"] = (shlex.join(current.options), options, _why(wanted, way))
    wish["THREADS"] = (str(current.threads), str(backend.threads), "how many logins are checked at a time")
    if current.mechanism_options and not by_variable:
        # unit and init script read it in two different ways; OPTIONS they read alike
        wish["MECH_OPTIONS"] = (current.mechanism_options, "", "what a mechanism needs is in OPTIONS")
    if not platform.native_unit:
        wish["START"] = ("yes" if current.start else "", "yes", "the init script starts nothing without it")
    for name, (before, after, why) in wish.items():
        if before != after:
            yield Edit(wanted.host.saslauthd_defaults, shellvars.SetVariable(name, after), why)
            yield Act("saslauthd", "restart", "reads its defaults file anew")


def _refuse_shared_socket(wanted: Wanted) -> None:
    host, directory = wanted.host, chroot.socket_directory(wanted)
    for path, other in host.saslauthds.items():
        if path != host.saslauthd_defaults and other.start and other.run_dir == directory:
            raise HostError(
                f"{path} starts a saslauthd whose socket is in {directory} (-m), where this policy needs the "
                f"one of {host.saslauthd_defaults}: give the other another -m, or START=no, first"
            )


def _why(wanted: Wanted, way: Way) -> str:
    inside = chroot.socket_directory(wanted).startswith(wanted.host.queue_directory)
    socket = "-m: the socket where chrooted smtpd finds it" if inside else "-m: saslauthd's socket"
    server = f"; -O: what {way.mechanism} asks" if way.option(wanted) else ""
    return f"saslauthd's own options, {socket}{server}{_realm_why(wanted)}"


def _realm_why(wanted: Wanted) -> str:
    had, has = wanted.host.saslauthd.joins_realm, _keeps_realm(wanted)
    if has and not had:
        return "; -r: user@domain is looked up as such, instead of letting user in whatever the domain is"
    gone = "; no -r: user@domain looked up as one name would be found nowhere"
    return gone if had and not has else ""


def _options(wanted: Wanted, way: Way, by_variable: str) -> Iterator[str]:
    """saslauthd's options as they should be: the present ones, with -c, -r, -O and -m as the policy needs."""
    if wanted.backend(Saslauthd).cache:
        yield "-c"
    words = iter(wanted.host.saslauthd.options)
    for word in words:
        if word in ("-m", "-O"):
            next(words, "")
        elif word not in ("-c", "-r") and not word.startswith(("-m", "-O")):
            yield word
    if _keeps_realm(wanted):
        yield "-r"
    if (option := way.option(wanted)) and not by_variable:
        yield from ("-O", option)
    yield from ("-m", chroot.socket_directory(wanted))


def _keeps_realm(wanted: Wanted) -> bool:
    """Whether saslauthd is to be given the whole of ``user@domain`` (-r); what is in use stays as it is."""
    way, current = _way(wanted), wanted.host.saslauthd
    if way.realm is Realm.KEPT:
        return current.joins_realm or current.mechanism != way.mechanism or _unused(wanted)
    # -r breaks sasldb, and system accounts as soon as Postfix adds a realm; where nobody logs in with a
    # domain yet it closes a hole
    if way.realm is Realm.CUT or _realm(wanted):
        return False
    return current.joins_realm or _unused(wanted)


def _unused(wanted: Wanted) -> bool:
    """Whether nobody can be used to saslauthd as it is: it is not running, and no smtpd asks it."""
    running = wanted.host.root.live and processes.running("saslauthd")
    return not running and asked(wanted.host) != "saslauthd"


def _realm(wanted: Wanted) -> str:
    """Return the realm behind a bare name, at one smtpd or more; empty: there is none."""
    given = wanted.given.authorization
    realms = (given.local_domain,) if given else wanted.postfix.auth_values("smtpd_sasl_local_domain")
    return next(filter(None, realms), "")


def _read(host: Host) -> Backend | None:
    if host.smtpd_conf.methods[:1] != ("saslauthd",):
        return None
    way = _way_of(host)
    return way.read(host, host.saslauthd) if way else None


def _way_of(host: Host) -> Way | None:
    return next((way for way in _WAYS if way.mechanism == host.saslauthd.mechanism), None)


def _names(host: Host) -> Names:
    way = _way_of(host)
    if way is None:
        raise TypeError(f"{host.saslauthd.mechanism} is no way of saslauthd's")
    return way.names(host)


SYSTEM_USERS = BackendRecipe(
    shown=tuple(way.shown for way in _SYSTEM),
    needs=("saslauthd",),
    usual=("PLAIN", "LOGIN"),
    owns_accounts=False,
    keys=_keys,
    steps=_steps,
    read=_read,
    names=_names,
)
SASLDB = replace(SYSTEM_USERS, shown=(_SHOWN_SASLDB,), needs=("saslauthd", "sasldb"), owns_accounts=True)
ELSEWHERE = replace(SYSTEM_USERS, shown=tuple(way.shown for way in _REMOTE))
