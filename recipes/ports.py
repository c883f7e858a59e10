"""The addresses and ports that Postfix opens: whether another program has them, and who can reach them.

Postfix's master ends with all of its ports when it can't open one (master(8)). It binds each at every
address of ``inet_interfaces``, or at the one that the service's name in master.cf begins with (master(5)).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from wizard.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wizard.host import Host
    from wizard.postfix import Postfix, Service

_EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - as others have bound it
_LOOPBACK = ("127.0.0.1", "::1")


def addresses(postfix: Postfix, service: Service | None = None) -> tuple[str, ...]:
    """Return where Postfix listens, ``all`` among them: ``service``, or one that names no address."""
    named = service.name.rpartition(":")[0] if service else ""
    words = [named] if named else postfix.value("inet_interfaces").replace(",", " ").split()
    bare = [word.strip("[]") for word in words]
    return tuple(address for word in bare for address in (_LOOPBACK if word == "loopback-only" else (word,)))


def out_of_reach(postfix: Postfix, services: Sequence[Service | None]) -> str:
    """Return in words that nobody but this host itself can connect to ``services``; empty: that is not so.

    None stands for a service that is yet to be made.
    """
    where = [address for service in services for address in addresses(postfix, service)]
    if not where or not all(name == "localhost" or _is_loopback(name) for name in where):
        return ""
    return (
        f"the ports that users send through are open on {' and '.join(dict.fromkeys(where))} only: nobody "
        "outside this host can reach them; inet_interfaces = all and a restart of Postfix change that"
    )


def refuse_taken(host: Host, port: int, where: tuple[str, ...], instead: str) -> None:
    """Refuse to open ``port`` at the addresses ``where`` while another program has it.

    Raises:
        HostError: names the program. ``instead``: what to do if it is to keep the port.

    """
    found = host.listeners.get(port, ())
    if any(listener.service == "postfix" for listener in found):
        return  # open already
    for listener in found:
        if listener.address in _EVERYWHERE or not _apart(listener.address, where):
            who = f"{listener.program} (process {listener.pid})" if listener.program else "another program"
            raise HostError(
                f"port {port} is taken: {who} listens on {listener.address}. Postfix could not open it and "
                f"would end, with port 25 and all others. Stop that program, or {instead}"
            )


def _apart(taken: str, where: tuple[str, ...]) -> bool:
    """Whether all of ``where`` are addresses, and none of them is ``taken``."""
    try:
        return ipaddress.ip_address(taken) not in {ipaddress.ip_address(name) for name in where}
    except ValueError:
        return False


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
