"""What an admin is told of a back end, before there is one and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from wizard.host import Host
    from wizard.policy import Backend


def _never(_: Host) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Shown:
    """The face of one back end.

    ``kind``: the policy's class for it. ``title`` and ``about``: its line in the wizard's list, 37 and 27
    characters at most. ``accounts``: who keeps them, and where they are made; ``silent``: why smtpd can't ask
    it, if it can't (454 to the client). In both ``{0}`` is its section.
    ``hopeless``: why nobody could log in that way on a host, empty if somebody may. ``domains``: whether
    there may be one in its accounts' names. ``remote``: whether it asks a server over the network.
    """

    kind: type[Backend]
    title: str
    about: str
    accounts: str
    silent: str
    hopeless: Callable[[Host], str] = _never
    domains: bool = True
    remote: bool = False


#: Where the accounts of this host are made.
OF_THIS_HOST = "the accounts are the system's own: adduser makes them, deluser removes them"
#: Where the accounts in sasldb are made.
IN_SASLDB = "the accounts are in sasldb: postfix-auth user add NAME makes one"
#: Why saslauthd can't be asked.
NO_SASLAUTHD = (
    "saslauthd does not run, or its socket is not where this smtpd looks (inside the chroot if it is "
    "chrooted), or postfix is not in group sasl, or joined it without a reload since."
)
#: Why sasldb can't be read by smtpd itself.
NO_SASLDB = "sasldb is damaged, or its owner and mode keep postfix out, inside the chroot or outside."
