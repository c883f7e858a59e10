"""saslauthd -a getpwent: the password hash is taken from what getpwnam(3) returns, which is /etc/passwd.

Where shadow(5) is in use it holds an x instead, so nobody could ever log in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipes import user_names
from recipes.saslauthd_way import Realm, Way
from recipes.shown import NO_SASLAUTHD, OF_THIS_HOST, Shown
from wizard.errors import PolicyError
from wizard.policy import SaslauthdGetpwent
from wizard.steps import Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard import sasl
    from wizard.host import Host
    from wizard.steps import Step, Wanted

_NO_HASH = ("", "x", "*", "!", "!!")  # passwd(5); an empty one is refused by saslauthd
_LOCAL = frozenset({"files", "systemd", "compat", "altfiles"})  # sources of nsswitch.conf(5) that add no hash


def hopeless(host: Host) -> str:
    """Return why nobody can log in this way on ``host``; empty if somebody may."""
    if any(hash_ not in _NO_HASH for hash_ in _hashes(host)) or _sources(host) - _LOCAL:
        return ""
    return (
        "the passwords of this host are in /etc/shadow, where getpwent does not look: nobody could log in. "
        "saslauthd-pam and saslauthd-shadow know them"
    )


def _hashes(host: Host) -> Iterator[str]:
    for line in (host.read("/etc/passwd") or b"").decode(errors="replace").splitlines():
        yield "".join(line.split(":")[1:2])


def _sources(host: Host) -> frozenset[str]:
    """Return where accounts come from (nsswitch.conf(5))."""
    for line in (host.read("/etc/nsswitch.conf") or b"").decode(errors="replace").splitlines():
        name, _, rest = line.partition("#")[0].partition(":")
        if name.strip() == "passwd":
            return frozenset(word for word in rest.split() if not word.startswith("["))
    return frozenset()


def _steps(wanted: Wanted) -> Iterator[Step]:
    if wanted.given.backend and (why := hopeless(wanted.host)):
        raise PolicyError("backend.type", f"saslauthd-getpwent can't work here: {why}")
    yield Note(
        "saslauthd-getpwent lets in only whose password hash stands in /etc/passwd, or in a directory that "
        "nsswitch.conf names: everybody on this host can read these hashes"
    )


def _read(_: Host, found: sasl.Saslauthd) -> SaslauthdGetpwent:
    return SaslauthdGetpwent(threads=found.threads, cache=found.caches)


_SHOWN = Shown(
    SaslauthdGetpwent,
    "System accounts, through getpwent",
    "where there is no /etc/shadow",
    OF_THIS_HOST,
    NO_SASLAUTHD,
    hopeless,
    domains=False,
)
WAY = Way(_SHOWN, "getpwent", Realm.CUT_IN_USE, _read, user_names.of_this_host, steps=_steps)
