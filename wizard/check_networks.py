"""Where the tests call from: what Postfix's lists of networks say of this host's addresses (postconf(5))."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from wizard.host import Host
    from wizard.postfix import Postfix, Service

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_Patterns: TypeAlias = "list[tuple[bool, _Network]]"

#: The network of the addresses that tests call from, a test each.
OWN_NETWORK = "127.0.77."


def stranger(host: Host) -> str:
    """Return an address of this host that is outside mynetworks; "" if there is none, or nobody can tell."""
    patterns = _patterns(host.settled_postfix.value("mynetworks"))
    if patterns is None:
        return ""
    found = (own for own in host.addresses if not ipaddress.ip_address(own).is_loopback)
    return next((own for own in found if not _contains(patterns, own)), "")


#: What nobody's own network takes in: the networks for documentation (RFC 5737, RFC 3849).
_NOBODYS = tuple(
    map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))
)
_INTERNET = ipaddress.ip_network("2000::/3")  # the IPv6 addresses in use there (RFC 4291)
_LARGEST = {4: 8, 6: 16}  # bits; no network that one organization has is larger


def open_to(postfix: Postfix, service: Service) -> str:
    """Return what in mynetworks takes in others than one's own hosts, with certainty; "" if nothing does."""
    for word in postfix.value("mynetworks", service).replace(",", " ").split():
        with suppress(ValueError):  # a table: nobody can tell
            taken_in, network = _pattern(word)
            if taken_in and _is_beyond(network):
                return word
    return ""


def _is_beyond(network: _Network) -> bool:
    if isinstance(network, ipaddress.IPv6Network) and not network.overlaps(_INTERNET):
        return False  # such as fe80::/10, the addresses of one link
    if network.prefixlen < _LARGEST[network.version]:
        return True
    return any(network != each and each.network_address in network for each in _NOBODYS)


def caller(host: Host, service: Service) -> str | None:
    """Return where to call ``service`` from so that it offers AUTH: "" anywhere; None if it never does.

    Clients in smtpd_sasl_exceptions_networks are not offered AUTH, and often that is $mynetworks.
    """
    patterns = _patterns(host.settled_postfix.value("smtpd_sasl_exceptions_networks", service))
    if patterns is None or not _contains(patterns, f"{OWN_NETWORK}1"):
        return ""
    own = stranger(host)
    return own if own and not _contains(patterns, own) else None


def _patterns(value: str) -> _Patterns | None:
    """Read networks: whether each takes in or leaves out (``!``), and what; None: a table is in it."""
    try:
        return [_pattern(word) for word in value.replace(",", " ").split()]
    except ValueError:
        return None


def _pattern(word: str) -> tuple[bool, _Network]:
    network = word.removeprefix("!")
    return network == word, ipaddress.ip_network(network.replace("[", "").replace("]", ""), strict=False)


def _contains(patterns: _Patterns, address: str) -> bool:
    """Whether the list takes ``address`` in; the first pattern that matches decides."""
    ip = ipaddress.ip_address(address)
    return next((taken_in for taken_in, network in patterns if ip in network), False)
