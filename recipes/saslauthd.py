"""Back ends behind saslauthd: a daemon that runs as root and is told user name and password (saslauthd(8)).

It can verify PLAIN and LOGIN only. Any other mechanism in ``mech_list`` would silently be checked in
/etc/sasldb2 by libsasl itself, past saslauthd.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from recipes import chroot, pam
from recipes.backend import BackendRecipe
from wizard import processes
from wizard.formats import shellvars
from wizard.policy import Saslauthd, SaslauthdPam, SaslauthdSasldb, SaslauthdShadow
from wizard.steps import Act, Edit, Note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wizard.host import Host
    from wizard.policy import Backend
    from wizard.steps import Step, Wanted

_MECHANISM: Mapping[type[SaslauthdPam | SaslauthdShadow | SaslauthdSasldb], str] = {
    SaslauthdPam: "pam",
    SaslauthdShadow: "shadow",
    SaslauthdSasldb: "sasldb",
}


def _keys(wanted: Wanted) -> dict[str, str]:
    keys = {"pwcheck_method": "saslauthd"}
    path = chroot.socket_path(wanted)
    return keys | ({"saslauthd_path": path} if path else {})


def _backend(wanted: Wanted) -> Saslauthd:
    backend = wanted.policy.backend
    if not isinstance(backend, Saslauthd):
        raise TypeError(f"{backend} is not behind saslauthd")
    return backend


def _steps(wanted: Wanted) -> Iterator[Step]:
    yield from chroot.socket_steps(wanted)
    yield from _defaults(wanted)
    backend = _backend(wanted)
    if isinstance(backend, SaslauthdPam):
        yield from pam.steps(wanted, backend)
    if isinstance(backend, SaslauthdSasldb):
        yield from _realm_of_bare_names(wanted)
    yield Act("saslauthd", "enable", "checks the passwords, after a reboot as well")


def _realm_of_bare_names(wanted: Wanted) -> Iterator[Note]:
    own, smtpd = wanted.host.name, wanted.postfix.value("myhostname")
    if not _realm(wanted) and own != smtpd:
        yield Note(
            f"saslauthd looks a name without realm up as NAME@{own}, this host's own name, and not as "
            f"NAME@{smtpd}: add accounts with postfix-auth user add, or set authorization.local_domain"
        )


def _defaults(wanted: Wanted) -> Iterator[Step]:
    backend, platform = _backend(wanted), wanted.host.platform.saslauthd
    current = wanted.host.saslauthd
    options = tuple(_options(wanted, backend))
    wish = {"MECHANISMS": (current.mechanism, _mechanism(backend), "which accounts saslauthd checks")}
    wish["OPTIONS"] = (shlex.join(current.options), shlex.join(options), _why(wanted))
    wish["THREADS"] = (str(current.threads), str(backend.threads), "how many logins are checked at a time")
    if not platform.native_unit:
        wish["START"] = ("yes" if current.start else "", "yes", "the init script starts nothing without it")
    for name, (before, after, why) in wish.items():
        if before != after:
            yield Edit(platform.defaults, shellvars.SetVariable(name, after), why)
            yield Act("saslauthd", "restart", "reads its defaults file anew")
    if isinstance(backend, SaslauthdPam | SaslauthdShadow):
        yield from _notes(wanted, options)


def _notes(wanted: Wanted, options: tuple[str, ...]) -> Iterator[Note]:
    """Yield what a system account can do that its admin may not expect."""
    defaults = wanted.host.platform.saslauthd.defaults
    if "-r" not in options:
        yield Note(
            "saslauthd runs without -r: user@anything is let in with the password of user; "
            + (
                "authorization.local_domain needs that, so nothing may depend on the domain of a login"
                if _realm(wanted)
                else f"add -r to OPTIONS in {defaults} if nobody logs in with a domain"
            )
        )
    if "-c" in options and wanted.given.backend:
        yield Note(
            "saslauthd remembers who logged in (-c): a locked user or an old password gets in for up to "
            "8 hours; backend.cache = false asks every time"
        )


def _mechanism(backend: Saslauthd) -> str:
    return next(word for kind, word in _MECHANISM.items() if isinstance(backend, kind))


def _why(wanted: Wanted) -> str:
    inside = chroot.socket_directory(wanted).startswith(wanted.host.queue_directory)
    return (
        "-m: the socket where chrooted smtpd finds it"
        if inside
        else "saslauthd's own options, -m: its socket"
    )


def _options(wanted: Wanted, backend: Saslauthd) -> Iterator[str]:
    """saslauthd's options as they should be: the present ones, with -c, -m and -r as the policy needs."""
    current = list(wanted.host.saslauthd.options)
    # -r breaks sasldb, and system accounts as soon as Postfix adds a realm; where nobody logs in with a
    # domain yet it closes a hole
    realm_joined = "-r" in current or _unused(wanted)
    if isinstance(backend, SaslauthdSasldb) or _realm(wanted):
        realm_joined = False
    if backend.cache:
        yield "-c"
    at = 0
    while at < len(current):
        word = current[at]
        if word == "-m":
            at += 1
        elif word not in ("-c", "-r") and not word.startswith("-m"):
            yield word
        at += 1
    if realm_joined:
        yield "-r"
    yield from ("-m", chroot.socket_directory(wanted))


def _unused(wanted: Wanted) -> bool:
    """Whether nobody can be used to saslauthd as it is: it is not running, and no smtpd asks it."""
    running = wanted.host.root.live and processes.running("saslauthd")
    return not running and not wanted.postfix.auth_services


def _realm(wanted: Wanted) -> str:
    authorization = wanted.policy.authorization
    return authorization.local_domain if authorization else ""


def _read(host: Host) -> Backend | None:
    if host.smtpd_conf.methods[:1] != ("saslauthd",):
        return None
    found = host.saslauthd
    for kind, mechanism in _MECHANISM.items():
        if mechanism == found.mechanism:
            if kind is SaslauthdPam:
                return SaslauthdPam(pam.read(host), threads=found.threads, cache=found.caches)
            return kind(threads=found.threads, cache=found.caches)
    return None


SYSTEM_USERS = BackendRecipe(
    types=(SaslauthdPam, SaslauthdShadow),
    needs=("saslauthd",),
    serves=frozenset({"PLAIN", "LOGIN"}),
    refusal="saslauthd is given the password itself, so it can check PLAIN and LOGIN only; "
    "anything else would be checked in sasldb, past it",
    usual=("PLAIN", "LOGIN"),
    owns_accounts=False,
    keys=_keys,
    steps=_steps,
    read=_read,
)
SASLDB = replace(SYSTEM_USERS, types=(SaslauthdSasldb,), needs=("saslauthd", "sasldb"), owns_accounts=True)
