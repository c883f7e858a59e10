"""Settings of old howtos, and what Postfix wants instead (DEPRECATION_README, release notes)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.postfix import Postfix


@dataclass(frozen=True, slots=True)
class Obsolete:
    """A parameter that is set and should not be, and what replaces it."""

    name: str
    instead: str


_REPLACED = {
    "smtpd_use_tls": "smtpd_tls_security_level = may does the same (since 2.3; Postfix 3.9 warns)",
    "smtpd_enforce_tls": "smtpd_tls_security_level = encrypt, for submission only (Postfix 3.9 warns)",
    "smtp_use_tls": "smtp_tls_security_level = may does the same (Postfix 3.9 warns)",
    "smtp_enforce_tls": "smtp_tls_security_level = encrypt, or secure (Postfix 3.9 warns)",
    "smtp_tls_enforce_peername": "smtp_tls_security_level = secure checks the name (Postfix 3.11 warns)",
    "smtp_tls_per_site": "smtp_tls_policy_maps; the format of the table differs (Postfix 3.9 warns)",
    "smtpd_sasl_application_name": "smtpd_sasl_path, since 2.3; today it is ignored",
    "smtpd_tls_dh1024_param_file": "leave it out: the built-in parameters are better (Postfix 3.9 warns)",
    "smtpd_tls_dh512_param_file": "leave it out: ignored since 3.6",
    "smtpd_tls_eecdh_grade": "leave it out: ignored since 3.6",
    "smtpd_tls_session_cache_database": "leave it out: session tickets do this since 2.11",
    "tls_random_source": "leave it out: the default is the same",
    "disable_dns_lookups": "smtp_dns_support_level = disabled (Postfix 3.9 warns)",
    "fallback_relay": "smtp_fallback_relay (Postfix 3.11 warns)",
    "virtual_maps": "virtual_alias_maps (Postfix 3.11 warns)",
}
_PROTOCOLS = (
    "smtpd_tls_protocols",
    "smtpd_tls_mandatory_protocols",
    "smtp_tls_protocols",
    "smtp_tls_mandatory_protocols",
)


def found(postfix: Postfix) -> Iterator[Obsolete]:
    """Yield every obsolete setting of ``postfix``'s main.cf."""
    for name in sorted(postfix.explicit & _REPLACED.keys()):
        yield Obsolete(name, _REPLACED[name])
    for name in _PROTOCOLS:
        value = postfix.value(name) if name in postfix.explicit else ""
        old = [word for word in value.replace(",", " ").split() if word in ("SSLv2", "SSLv3", "TLSv1")]
        if old and "!" not in value:
            yield Obsolete(f"{name} = {value}", "it switches TLS 1.2 and 1.3 off; write >=TLSv1.2")
