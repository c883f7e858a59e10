"""saslauthd -a kerberos5: a ticket that the password gets from the realm's KDC tells that it is right.

So that nobody can play the KDC, saslauthd then proves the ticket with a key of this host; without that key
it refuses everybody (krb5_verify_init_creds(3), with ap_req_nofail). It puts the realm behind the name by
itself; with ``-r`` it would be there twice.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from recipes import user_names
from recipes.saslauthd_way import Realm, Way
from recipes.shown import NO_SASLAUTHD, Shown
from recipes.user_names import Called
from wizard import kerberos, reach
from wizard.errors import PolicyError
from wizard.formats import saslauthdconf
from wizard.policy import SaslauthdKerberos5
from wizard.steps import Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recipes.user_names import Names
    from wizard import sasl
    from wizard.host import Host
    from wizard.kerberos import Configuration
    from wizard.steps import Step, Wanted

_SASLAUTHD_CONF = "/etc/saslauthd.conf"  # read if it is there, whatever else it is for
_PORT = 88
_SERVER = re.compile(r"\[?(?P<name>[^:\[\]]+|(?<=\[)[^\[\]]+)\]?:(?P<port>[0-9]{1,5})")


def _steps(wanted: Wanted) -> Iterator[Step]:
    host = wanted.host
    if not (wanted.given.backend or wanted.given.authorization):
        return
    found = _configuration(host)
    _refuse_no_realm(found)
    _refuse_other_realm(wanted, found)
    yield from _key_of_this_host(host)
    if host.root.live and host.saslauthd.mechanism != "kerberos5":
        _refuse_silent(found)


def _configuration(host: Host) -> Configuration:
    return kerberos.configuration((host.read(kerberos.CONFIGURATION) or b"").decode(errors="replace"))


def _refuse_no_realm(found: Configuration) -> None:
    if not found.realm and not found.elsewhere:
        raise PolicyError(
            "backend.type",
            f"saslauthd-kerberos5 needs a realm, and {kerberos.CONFIGURATION} names none: write "
            "default_realm = EXAMPLE.NET there, under [libdefaults] (Debian: apt-get install krb5-config)",
        )


def _refuse_other_realm(wanted: Wanted, found: Configuration) -> None:
    """Refuse to put a domain behind names that Kerberos would take for another realm."""
    authorization = wanted.policy.authorization
    domain = authorization.local_domain if authorization else ""
    if domain and found.realm and domain != found.realm:
        raise PolicyError(
            "authorization.local_domain",
            f"must be empty or {found.realm}: names without @ would be looked up in a realm {domain}",
        )


def _key_of_this_host(host: Host) -> Iterator[Note]:
    settings = saslauthdconf.read(_SASLAUTHD_CONF, host.read(_SASLAUTHD_CONF) or b"")
    path = settings.get("krb5_keytab", kerberos.KEYTAB).removeprefix("FILE:")
    service = settings.get("krb5_verify_principal", "host")
    name = f"{service}/{settings.get('krb5_servername', host.fqdn)}"
    held = kerberos.principals(host.read(path) or b"") if path.startswith("/") else frozenset({name})
    how = f"at the KDC: addprinc -randkey {name}; here, in kadmin: ktadd -k {path} {name}"
    if not any(one.startswith(f"{service}/") for one in held):
        raise PolicyError(
            "backend.type",
            f"saslauthd-kerberos5 needs a key of this host, {name}, and {path} has none: without it "
            f"saslauthd can't tell your KDC from a forged one and lets nobody in. {how}",
        )
    if (found := host.metadata(path)) and found.mode & 0o077:
        yield Note(
            f"{path} has mode {found.mode:04o}: whoever reads it can pass for this host; chmod 600 {path}"
        )
    if name not in held:
        yield Note(
            f"{path} has no key of {name}, which saslauthd looks for if that is this host's full name. {how}"
        )


def _refuse_silent(found: Configuration) -> None:
    """Refuse when none of the KDCs that are named answers; those in DNS are not looked for."""
    troubles = [reach.trouble(*_address(server)) for server in found.servers]
    if troubles and all(troubles):
        raise PolicyError("backend.type", f"no KDC of {found.realm} answers: {'; '.join(troubles)}")


def _address(server: str) -> tuple[str, int]:
    """Split ``host``, ``host:port`` or ``[address]:port``."""
    named = _SERVER.fullmatch(server)
    return (named["name"], int(named["port"])) if named else (server.strip("[]"), _PORT)


def _read(_: Host, found: sasl.Saslauthd) -> SaslauthdKerberos5:
    return SaslauthdKerberos5(threads=found.threads, cache=found.caches)


def _names(host: Host) -> Names:
    realm = _configuration(host).realm
    about = f"a principal of the realm {realm}; capitals count" if realm else "a principal"
    return user_names.found(host, about, Called.WHOLE, realm=realm)


_SHOWN = Shown(
    SaslauthdKerberos5,
    "Kerberos 5",
    "tries the password at the KDC",
    "the accounts are those of the Kerberos realm: its kadmin makes and removes them",
    NO_SASLAUTHD,
    remote=True,
)
WAY = Way(_SHOWN, "kerberos5", Realm.CUT, _read, _names, steps=_steps)
