"""What a configuration means for the tests: where to call, what is offered, where a stranger comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from wizard import check_networks, check_targets
from wizard.postfix import Postfix, Service

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wizard.host import Host


def postfix(**parameters: str) -> Postfix:
    return Postfix("/etc/postfix", parameters, parameters, frozenset(parameters), (), ())


def service(name: str, options: Mapping[str, str] | None = None) -> Service:
    columns = (name, "inet", "n", "-", "y", "-", "-", "smtpd")
    return Service(name, "inet", "y", "smtpd", columns, options or {}, options or {})


@pytest.mark.parametrize(
    ("name", "interfaces", "protocols", "called"),
    [
        ("smtp", "all", "all", "127.0.0.1"),
        ("smtp", "all", "ipv6", "::1"),
        ("smtp", "loopback-only", "ipv4", "127.0.0.1"),
        ("smtp", "192.0.2.1, 127.0.0.1", "all", "127.0.0.1"),
        ("smtp", "[2001:db8::1] 192.0.2.1", "all", "2001:db8::1"),
        ("192.0.2.1:587", "all", "all", "192.0.2.1"),
        ("[::1]:587", "all", "all", "::1"),
        ("localhost:587", "192.0.2.1", "all", "127.0.0.1"),
        ("0.0.0.0:587", "192.0.2.1", "all", "127.0.0.1"),
        ("smtp", "no.such.name.invalid", "all", "127.0.0.1"),
    ],
)
def test_the_loopback_is_called_if_the_service_listens_there(
    name: str, interfaces: str, protocols: str, called: str
) -> None:
    configured = postfix(inet_interfaces=interfaces, inet_protocols=protocols)
    assert check_targets.address(configured, service(name)) == called


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ("noanonymous", ("SCRAM-SHA-256", "DIGEST-MD5", "PLAIN")),
        ("noanonymous, NOPLAINTEXT", ("SCRAM-SHA-256", "DIGEST-MD5")),
        ("mutual_auth noactive", ("SCRAM-SHA-256",)),
        ("mutual_auth", ("SCRAM-SHA-256", "DIGEST-MD5")),
        ("nodictionary", ()),
        ("", ("SCRAM-SHA-256", "DIGEST-MD5", "PLAIN", "ANONYMOUS")),
    ],
)
def test_security_options_hide_mechanisms(options: str, left: tuple[str, ...]) -> None:
    every = ("SCRAM-SHA-256", "DIGEST-MD5", "PLAIN", "ANONYMOUS")
    assert check_targets.allowed(every, options) == left


@pytest.mark.parametrize(
    ("parameters", "level"),
    [
        ({}, "none"),
        ({"smtpd_tls_security_level": "may"}, "may"),
        ({"smtpd_tls_security_level": "encrypt"}, "encrypt"),
        ({"smtpd_tls_security_level": "secure"}, "encrypt"),
        ({"smtpd_use_tls": "yes"}, "may"),
        ({"smtpd_use_tls": "yes", "smtpd_enforce_tls": "yes"}, "encrypt"),
        ({"smtpd_tls_security_level": "none", "smtpd_enforce_tls": "yes"}, "none"),
    ],
)
def test_the_security_level_replaces_older_parameters(parameters: dict[str, str], level: str) -> None:
    assert postfix(**parameters).tls_level(service("smtp")) == level


def test_an_override_of_the_service_counts() -> None:
    configured = postfix(smtpd_tls_security_level="may")
    strict = service("submission", {"smtpd_tls_security_level": "encrypt"})
    assert configured.tls_level(strict) == "encrypt"


def test_a_default_follows_what_the_service_says() -> None:
    before, inside = "smtpd_sasl_security_options", "smtpd_sasl_tls_security_options"
    written = {before: "noanonymous", inside: f"${before}"}
    configured = Postfix("", written, {before: "noanonymous", inside: "noanonymous"}, frozenset(), (), ())
    own = service("submission", {before: "noplaintext"})
    assert configured.value(inside, own) == "noplaintext"
    assert configured.value(inside, service("smtp")) == "noanonymous"


class Addresses:
    """A host that trusts these networks, and does not offer AUTH to those."""

    addresses = ("127.0.0.1", "192.0.2.1", "198.51.100.7")

    def __init__(self, networks: str, exceptions: str = "") -> None:
        self.settled_postfix = postfix(mynetworks=networks, smtpd_sasl_exceptions_networks=exceptions)


@pytest.mark.parametrize(
    ("networks", "stranger"),
    [
        ("127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128", "192.0.2.1"),
        ("127.0.0.0/8, 192.0.2.0/24", "198.51.100.7"),
        ("127.0.0.0/8, !192.0.2.1, 192.0.2.0/24", "192.0.2.1"),
        ("0.0.0.0/0", ""),
        ("127.0.0.0/8 hash:/etc/postfix/networks", ""),
        ("/etc/postfix/networks", ""),
        ("", "192.0.2.1"),
    ],
)
def test_a_stranger_calls_from_outside_mynetworks(networks: str, stranger: str) -> None:
    assert check_networks.stranger(cast("Host", Addresses(networks))) == stranger


@pytest.mark.parametrize(
    ("networks", "open_to"),
    [
        ("127.0.0.0/8 0.0.0.0/0", "0.0.0.0/0"),
        ("hash:/etc/postfix/networks, 0.0.0.0/1, 128.0.0.0/1", "0.0.0.0/1"),
        ("[::]/0", "[::]/0"),
        ("[2000::]/3", "[2000::]/3"),
        ("198.51.0.0/16", "198.51.0.0/16"),
        ("127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 44.0.0.0/8 198.51.100.7 192.0.2.0/24", ""),
        ("[::1]/128 [fe80::]/10 [fc00::]/7 [2001:db8::]/32 [::ffff:127.0.0.0]/104", ""),
        ("!0.0.0.0/0 /etc/postfix/networks", ""),
    ],
)
def test_networks_that_nobody_has_alone_are_found(networks: str, open_to: str) -> None:
    assert check_networks.open_to(postfix(mynetworks=networks), service("smtp")) == open_to


@pytest.mark.parametrize(
    ("exceptions", "source"),
    [
        ("", ""),
        ("192.0.2.0/24", ""),
        ("127.0.0.0/8", "192.0.2.1"),
        ("0.0.0.0/0", None),
        ("!127.0.77.0/24, 127.0.0.0/8", ""),
        ("hash:/etc/postfix/networks", ""),
    ],
)
def test_who_calls_from_an_excepted_network_is_not_offered_auth(exceptions: str, source: str | None) -> None:
    host = cast("Host", Addresses("127.0.0.0/8", exceptions))
    assert check_networks.caller(host, service("submission")) == source
