"""What is to be tested on this host, read from its own configuration: each smtpd, and what it must offer.

Sources: postconf(5) for the parameters named here, master(5) for the names of services, SASL_README and
Cyrus SASL's plugins for what the security options hide.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

import recipes
import recipes.tls
from wizard import certificates, check_dovecot, check_networks, lookup, ours
from wizard.check_caller import Target
from wizard.errors import HostError, WizardError
from wizard.host import MASTER_CF
from wizard.numbers import number
from wizard.sasl_client import PLAINTEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wizard.certificates import Certificate
    from wizard.host import Host
    from wizard.postfix import Postfix, Service

#: Where a rehearsal shows that it is one: no other server can be reached there.
SHADOW = "/run/postfix-auth.shadow"
_PATIENCE = 8.0  # seconds
_PORTS = {"smtp": 25, "submission": 587, "submissions": 465, "smtps": 465}
_SCRAM = frozenset({f"SCRAM-SHA-{size}" for size in ("512", "384", "256", "224", "1")})
_KERBEROS = frozenset({"GSSAPI", "GS2-KRB5", "GSS-SPNEGO"})
#: What is left of the mechanisms with each word of smtpd_sasl_security_options; the others hide nothing more.
_LEFT: Mapping[str, frozenset[str]] = {
    "noactive": _SCRAM | _KERBEROS,
    "mutual_auth": _SCRAM | _KERBEROS | {"DIGEST-MD5"},
    "forward_secrecy": frozenset({"OTP"}),
    "nodictionary": frozenset(),
}


def targets(host: Host) -> tuple[Target, ...]:
    """Return every smtpd service that offers AUTH, and port 25.

    Raises:
        HostError: when Postfix is not installed, or master.cf names a port that nobody knows.
        ParseError: when smtpd.conf can't be read.

    """
    postfix = host.settled_postfix
    return tuple(_target(host, service, smtpd) for service, smtpd in _services(postfix))


def _services(postfix: Postfix) -> Iterator[tuple[Service, Service]]:
    """Yield the services that listen, each with the smtpd that answers (behind postscreen another one)."""
    for service in postfix.services:
        if service.type != "inet":
            continue
        if service.command == "postscreen":
            behind = postfix.service("smtpd", "pass")
            if behind:
                yield service, behind
        elif service.command == "smtpd" and (
            service in postfix.smtp_services or postfix.yes("smtpd_sasl_auth_enable", service)
        ):
            yield service, service


def _target(host: Host, service: Service, smtpd: Service) -> Target:
    postfix = host.settled_postfix
    wrapper = postfix.yes("smtpd_tls_wrappermode", smtpd)
    tls = postfix.tls_level(smtpd)
    certificate = _certificate(host, smtpd)
    source = check_networks.caller(host, smtpd)
    trusts_networks = "permit_mynetworks" in _relay_restrictions(postfix, smtpd)
    before, after = ((), ()) if source is None else _offers(host, smtpd)
    return Target(
        name=service.name,
        host=address(postfix, service),
        port=port(service),
        wrapper=wrapper,
        tls=tls,
        auth_before_tls=() if wrapper or tls == "encrypt" else before,
        auth_after_tls=after if wrapper or tls != "none" else (),
        names=certificate.names if certificate else (),
        fingerprint=certificate.fingerprint if certificate else None,
        trusts_networks=trusts_networks,
        open_to=check_networks.open_to(postfix, smtpd) if trusts_networks else "",
        source_address=source or "",
        knows_strangers=_knows_strangers(host),
        silent=_silent(host),
        unfit=_unfit(host),
    )


def _silent(host: Host) -> str:
    """Return why smtpd can't ask the back end, if it can't; empty where nobody can know."""
    backend = recipes.read(host).backend
    return recipes.shown(type(backend)).silent.format(backend) if backend else ""


def _knows_strangers(host: Host) -> bool:
    """Whether the back end says of an unknown user that there is none."""
    keys = host.smtpd_conf.keys
    plugin = keys.get("auxprop_plugin")
    if plugin in ("ldapdb", "sql") and (not host.root.live or host.exists(SHADOW)):
        return False
    if plugin != "ldapdb":
        return True
    if ours.in_slapd(host.root):
        return True
    nobody = lookup.check(keys, lookup.Smtpd.of(host, chrooted=False, realm=""), timeout=_PATIENCE)
    # only who may not become somebody is not told whether there is anybody (RFC 4370); the rest are faults
    return nobody.unknown or nobody.unreachable or nobody.refused


def _relay_restrictions(postfix: Postfix, service: Service) -> list[str]:
    """The list that decides about relaying: before Postfix 2.10, and if it is empty, the recipient's."""
    value = postfix.value("smtpd_relay_restrictions", service)
    return (value or postfix.value("smtpd_recipient_restrictions", service)).replace(",", " ").split()


# what EHLO must offer


def _offers(host: Host, service: Service) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the mechanisms before and after TLS."""
    postfix = host.settled_postfix
    if not postfix.yes("smtpd_sasl_auth_enable", service):
        return (), ()
    shown = postfix.value("smtpd_sasl_mechanism_filter", service)
    known = tuple(name for name in _served(host, service) if _passes(shown, name))
    before = allowed(known, postfix.value("smtpd_sasl_security_options", service))
    after = allowed(known, postfix.value("smtpd_sasl_tls_security_options", service))
    return () if postfix.yes("smtpd_tls_auth_only", service) else before, after


def _served(host: Host, service: Service) -> Iterable[str]:
    """Return what the SASL library or server has for ``service``."""
    postfix = host.settled_postfix
    if postfix.value("smtpd_sasl_type", service) == "dovecot":
        found = check_dovecot.mechanisms(postfix.value("smtpd_sasl_path", service), host.queue_directory)
        return found or ("PLAIN",)  # there must be something, or smtpd ends at every connection
    # libsasl wants blanks; who wrote commas meant the same, and shall hear that it does not work
    listed = " ".join(host.smtpd_conf.mech_list).replace(",", " ").split() or sorted(host.mechanisms)
    return (name for name in listed if name in host.mechanisms)


def allowed(mechanisms: tuple[str, ...], options: str) -> tuple[str, ...]:
    """Return those ``mechanisms`` that ``options``, a value of smtpd_sasl_security_options, leaves."""
    left = set(mechanisms)
    for option in options.lower().replace(",", " ").split():
        if option == "noplaintext":
            left -= PLAINTEXT
        elif option == "noanonymous":
            left.discard("ANONYMOUS")
        elif option in _LEFT:
            left &= _LEFT[option]
    return tuple(name for name in mechanisms if name in left)


def _passes(wanted: str, mechanism: str) -> bool:
    """Whether smtpd_sasl_mechanism_filter shows ``mechanism``; the first pattern that matches decides."""
    for pattern in wanted.replace(",", " ").split():
        if pattern.startswith("static:") or pattern.lower().lstrip("!") == mechanism.lower():
            return not pattern.startswith("!")
    return not wanted


# where it listens


def address(postfix: Postfix, service: Service) -> str:
    """Return the IP address to call ``service`` at: the loopback if it listens there."""
    named = service.name.rpartition(":")[0].strip("[]")
    listed = [named] if named else postfix.value("inet_interfaces").replace(",", " ").split()
    loopback = "::1" if postfix.value("inet_protocols") == "ipv6" else "127.0.0.1"
    if any(name in ("all", "loopback-only") for name in listed):
        return loopback
    found = [one for name in listed for one in _addresses(name.strip("[]"))]
    if any(ipaddress.ip_address(one).is_unspecified for one in found):
        return loopback
    near = [one for one in found if ipaddress.ip_address(one).is_loopback]
    return next(iter((*near, *found)), loopback)


def _addresses(name: str) -> list[str]:
    """The addresses that ``name`` means, IPv4 first; none if nobody knows it."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    ordered = sorted(found, key=lambda one: one[0] != socket.AF_INET)
    return [str(sockaddr[0]).partition("%")[0] for *_, sockaddr in ordered]


def port(service: Service) -> int:
    """Return the number of the port of ``service``; HostError if nobody knows it."""
    name = service.name.rpartition(":")[2]
    if (found := number(name)) is not None:
        return found
    try:
        return _PORTS.get(name) or socket.getservbyname(name, "tcp")
    except OSError:
        raise HostError(
            f"{MASTER_CF}: nobody knows the port of the service {service.name}; give its number"
        ) from None


# what it shows


def _certificate(host: Host, service: Service) -> Certificate | None:
    """Return the certificate that clients must see; None where that is not clear or can't be read."""
    postfix = host.settled_postfix
    chain = postfix.value("smtpd_tls_chain_files", service).replace(",", " ").split()
    single = ("smtpd_tls_cert_file", "smtpd_tls_eccert_file", "smtpd_tls_dcert_file")
    files = chain or [value for name in single if (value := postfix.value(name, service)) not in ("", "none")]
    found = [certificate for path in files for certificate in _load(host, path)[:1]]
    return found[0] if len(found) == 1 else None


def _unfit(host: Host) -> str:
    """Return what keeps Postfix from using its certificate and key; empty if nothing is known to."""
    files = recipes.tls.certificate_files(host.settled_postfix)
    if len(files) != 2:  # noqa: PLR2004 - certificate and key
        return ""
    found = certificates.examine(files[0], files[1], (), host.root)
    return next((one.message for one in found.problems if one.severity is certificates.Severity.ERROR), "")


def _load(host: Host, path: str) -> tuple[Certificate, ...]:
    try:
        return certificates.load(host.read(path) or b"", path)
    except WizardError:
        return ()  # a chain file may hold the key alone; what is wrong with the others, the handshake tells
