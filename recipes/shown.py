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
    characters at most. ``accounts``: who keeps them, and where they are made; ``{0}`` is its section.
    ``hopeless``: why nobody could log in that way on a host, empty if somebody may. ``domains``: whether
    there may be one in its accounts' names. ``remote``: whether it asks a server over the network.
    """

    kind: type[Backend]
    title: str
    about: str
    accounts: str
    hopeless: Callable[[Host], str] = _never
    domains: bool = True
    remote: bool = False


#: Where the accounts of this host are made.
OF_THIS_HOST = "the accounts are the system's own: adduser makes them, deluser removes them"
#: Where the accounts in sasldb are made.
IN_SASLDB = "the accounts are in sasldb: postfix-auth user add NAME makes one"
