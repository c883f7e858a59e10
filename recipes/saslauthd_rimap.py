"""saslauthd -a rimap: a log-in at an IMAP server tells whether a password is right (saslauthd(8)).

It speaks no TLS, and looks the server's name up only when it starts; without an address it does not start.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING

from recipes import user_names
from recipes.saslauthd_way import Realm, Way
from recipes.shown import NO_SASLAUTHD, Shown
from recipes.user_names import Called
from wizard import reach
from wizard.errors import PolicyError
from wizard.numbers import number
from wizard.policy import SaslauthdRimap
from wizard.steps import Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recipes.user_names import Names
    from wizard import sasl
    from wizard.host import Host
    from wizard.steps import Step, Wanted

_PORT = 143
_NAMED_PORTS = {"": _PORT, "imap": _PORT, "imap2": _PORT}


def _option(wanted: Wanted) -> str:
    backend = wanted.backend(SaslauthdRimap)
    return f"{backend.server}/{backend.port}"


def _steps(wanted: Wanted) -> Iterator[Step]:
    host, backend = wanted.host, wanted.backend(SaslauthdRimap)
    if not wanted.given.backend:
        return
    new = host.root.live and _read(host, host.saslauthd) != backend
    if new and (trouble := reach.imap_trouble(backend.server, backend.port)):
        raise PolicyError("backend.server", trouble)
    if not _is_here(host, backend):
        yield Note(
            f"{backend.server} is another host and saslauthd speaks no TLS to it: whoever is on the line "
            "between reads every password. Take a protected line (a VPN, a tunnel to a port of this host)"
        )
    if not _is_address(backend.server):
        yield Note(
            f"saslauthd looks {backend.server} up once, when it starts, and does not start without: an IP "
            "address or a name in /etc/hosts is safer at boot"
        )


def _is_address(server: str) -> bool:
    try:
        ipaddress.ip_address(server)
    except ValueError:
        return server == "localhost"
    return True


def _is_here(host: Host, backend: SaslauthdRimap) -> bool:
    """Whether the server is on this host, as far as that can be seen."""
    if host.is_here(backend.server) or not host.root.live:
        return host.is_here(backend.server)
    found: tuple[str, ...] = ()
    with suppress(reach.UnreachableError):
        found = reach.addresses(backend.server, backend.port)
    return bool(found) and all(map(host.is_here, found))


def _read(_host: Host, found: sasl.Saslauthd) -> SaslauthdRimap | None:
    server, _, port = found.option.partition("/")
    found_port = number(port) or _NAMED_PORTS.get(port)
    if not server or found_port is None:
        return None
    return SaslauthdRimap(server, found_port, threads=found.threads, cache=found.caches)


def _names(host: Host) -> Names:
    server, cut = host.saslauthd.option.partition("/")[0], not host.saslauthd.joins_realm
    about = f"just as at the IMAP server {server}{', which is told no domain' if cut else ''}"
    return user_names.found(host, about, Called.EITHER, cut=cut)


_SHOWN = Shown(
    SaslauthdRimap,
    "Another IMAP server",
    "tries the password there",
    "the accounts are those of the IMAP server {0.server}, and made there",
    NO_SASLAUTHD,
    remote=True,
)
WAY = Way(_SHOWN, "rimap", Realm.KEPT, _read, _names, option=_option, steps=_steps)
