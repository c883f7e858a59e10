"""Settings of old howtos are named with what replaces them, as far as this Postfix has the replacement."""

from __future__ import annotations

import pytest

from wizard import obsolete
from wizard.postfix import Postfix, Service


def postfix(
    version: str,
    settings: dict[str, str],
    *,
    options: dict[str, str] | None = None,
    complaints: tuple[str, ...] = (),
) -> Postfix:
    columns = ("submission", "inet", "n", "-", "y", "-", "-", "smtpd")
    own = options or {}
    service = Service("submission", "inet", "y", "smtpd", columns, options=own, expanded=own)
    return Postfix(
        directory="/etc/postfix",
        parameters={"mail_version": version, **settings},
        expanded={"mail_version": version, **settings},
        explicit=frozenset(settings),
        services=(service,),
        complaints=complaints,
    )


def found(version: str, name: str, value: str) -> list[str]:
    return [one.instead for one in obsolete.found(postfix(version, {name: value}))]


@pytest.mark.parametrize(
    ("version", "name", "value", "words"),
    [
        ("3.7.11", "smtpd_use_tls", "yes", "smtpd_tls_security_level = may"),
        ("3.7.11", "smtpd_use_tls", "yes", "Postfix 3.9 will warn"),
        ("3.10.13", "smtpd_use_tls", "yes", "Postfix 3.9 warns"),
        ("3.10.13", "smtpd_use_tls", "no", "leave it out"),
        ("3.10.13", "smtpd_enforce_tls", "yes", "smtpd_tls_security_level = encrypt"),
        ("3.10.13", "smtp_use_tls", "yes", "smtp_tls_security_level = may"),
        ("3.10.13", "smtp_enforce_tls", "yes", "smtp_tls_security_level = encrypt"),
        ("3.10.13", "lmtp_tls_per_site", "hash:/x", "lmtp_tls_policy_maps"),
        ("3.11.6", "smtp_tls_enforce_peername", "no", "smtp_tls_security_level = encrypt"),
        ("3.7.11", "smtpd_tls_dh1024_param_file", "/x.pem", "leave it out"),
        ("3.7.11", "tls_random_source", "dev:/dev/urandom", "leave it out"),
        ("3.7.11", "fallback_relay", "a.example", "smtp_fallback_relay"),
        (
            "3.10.13",
            "smtpd_recipient_restrictions",
            "permit_mynetworks, reject_maps_rbl",
            "reject_rbl_client",
        ),
        ("3.10.13", "smtpd_recipient_restrictions", "check_relay_domains", "gone, mail is refused"),
        ("3.7.11", "smtpd_recipient_restrictions", "check_relay_domains", "gone in Postfix 3.9"),
        ("3.7.11", "smtpd_tls_mandatory_protocols", "SSLv3, TLSv1", ">=TLSv1.2; as it stands TLS 1.2"),
        ("3.5.25", "smtpd_tls_protocols", "TLSv1", "!TLSv1.1; as it stands TLS 1.2"),
        ("3.5.25", "smtpd_tls_protocols", ">=TLSv1.2", "here it switches TLS off"),
    ],
)
def test_what_is_obsolete_is_named_with_its_replacement(
    version: str, name: str, value: str, words: str
) -> None:
    [instead] = found(version, name, value)
    assert words in instead


@pytest.mark.parametrize(
    ("version", "name", "value"),
    [
        ("3.0.5", "smtpd_tls_dh1024_param_file", "/x.pem"),
        ("3.7.11", "smtpd_tls_session_cache_database", ""),
        ("3.7.11", "smtpd_tls_protocols", ">=TLSv1.2"),
        ("3.7.11", "smtpd_tls_protocols", "!SSLv2, !SSLv3"),
        ("3.7.11", "smtpd_tls_mandatory_protocols", "TLSv1.2, TLSv1.3"),
        ("3.7.11", "smtp_tls_protocols", ""),
        ("3.10.13", "smtpd_tls_security_level", "may"),
        ("3.10.13", "smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination"),
        ("3.10.13", "smtpd_tls_cert_file", "/x.pem"),
    ],
)
def test_what_is_not_obsolete_is_not_named(version: str, name: str, value: str) -> None:
    assert found(version, name, value) == []


def test_a_parameter_that_postfix_has_forgotten_is_found_in_its_complaint() -> None:
    said = "warning: /etc/postfix/main.cf: unused parameter: smtpd_sasl_application_name=smtpd"
    [one] = obsolete.found(postfix("3.7.11", {}, complaints=(said, "warning: unused parameter: mine=1")))
    assert (one.parameter, one.name) == ("smtpd_sasl_application_name", "smtpd_sasl_application_name = smtpd")
    assert "smtpd_sasl_path" in one.instead


def test_an_option_of_a_service_is_named_with_the_service() -> None:
    [one] = obsolete.found(postfix("3.7.11", {}, options={"smtpd_enforce_tls": "yes"}))
    assert one.name == "submission/inet: -o smtpd_enforce_tls=yes"


def test_the_older_certificate_parameters_lose_against_the_newer_one() -> None:
    both = {"smtpd_tls_chain_files": "/k, /c", "smtpd_tls_cert_file": "/c", "smtpd_tls_key_file": ""}
    [one] = obsolete.found(postfix("3.7.11", both))
    assert (one.name, one.parameter) == ("smtpd_tls_cert_file = /c", "smtpd_tls_cert_file")
