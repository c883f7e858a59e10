"""Settings of old howtos, and what this Postfix wants instead.

Sources: Postfix DEPRECATION_README, the RELEASE_NOTES of 2.3 to 3.11, TLS_README and SASL_README.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wizard.postfix import Postfix

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Obsolete:
    """A setting of ``parameter`` that should not be: ``name`` as written there, and what replaces it."""

    parameter: str
    name: str
    instead: str


@dataclass(frozen=True, slots=True)
class _Replaced:
    """From Postfix ``since`` on something better is there; from ``warned`` on Postfix itself says so.

    ``instead`` replaces the setting; ``off`` replaces it where it is ``no``.
    """

    since: Version
    instead: str
    warned: Version | None = None
    off: str = "leave it out: no is the default"


_LEVEL = "{}_tls_security_level = {}"
_CLIENT_LEVEL = "encrypt (or secure, which checks the server's name as well)"
_DEFAULT = "leave it out"


def _tls_switches() -> Iterator[tuple[str, _Replaced]]:
    for program in ("smtp", "lmtp"):
        level = _LEVEL.format(program, "may")
        yield f"{program}_use_tls", _Replaced((2, 3), f"{level} does the same", (3, 9))
        level = _LEVEL.format(program, _CLIENT_LEVEL)
        yield f"{program}_enforce_tls", _Replaced((2, 3), level, (3, 9))
        level = _LEVEL.format(program, "secure")
        off = _LEVEL.format(program, "encrypt") + " does not check it"
        yield f"{program}_tls_enforce_peername", _Replaced((2, 3), f"{level} checks the name", (3, 11), off)
        maps = f"{program}_tls_policy_maps; its table has another format"
        yield f"{program}_tls_per_site", _Replaced((2, 3), maps, (3, 9))
    for program in ("smtpd", "postscreen", "tlsproxy"):
        level = _LEVEL.format(program, "may")
        since = (2, 3) if program == "smtpd" else (2, 8)
        yield f"{program}_use_tls", _Replaced(since, f"{level} does the same", (3, 9))
        level = _LEVEL.format(program, "encrypt")
        where = "for the submission services only: port 25 must not require TLS (RFC 3207)"
        yield f"{program}_enforce_tls", _Replaced(since, f"{level}, {where}", (3, 9))


_SETTINGS: Mapping[str, _Replaced] = {
    **dict(_tls_switches()),
    "smtpd_sasl_application_name": _Replaced((2, 3), "smtpd_sasl_path; today nothing reads it"),
    "tls_random_source": _Replaced((2, 2), f"{_DEFAULT}: the default is right"),
    "smtpd_tls_session_cache_database": _Replaced(
        (2, 11), f"{_DEFAULT}: session tickets have taken its place"
    ),
    "smtpd_tls_dh1024_param_file": _Replaced(
        (3, 1), f"{_DEFAULT}: the built-in parameters are better", (3, 9)
    ),
    "smtpd_tls_dh512_param_file": _Replaced((3, 6), f"{_DEFAULT}: it is ignored"),
    "smtpd_tls_eecdh_grade": _Replaced((3, 6), f"{_DEFAULT}: it is ignored", (3, 9)),
    "disable_dns_lookups": _Replaced((2, 11), "smtp_dns_support_level = disabled", (3, 9)),
    "fallback_relay": _Replaced((2, 3), "smtp_fallback_relay", (3, 11)),
    "virtual_maps": _Replaced((2, 0), "virtual_alias_maps", (3, 11)),
    "authorized_verp_clients": _Replaced((2, 3), "smtpd_authorized_verp_clients", (3, 11)),
    "postscreen_dnsbl_ttl": _Replaced((3, 1), "postscreen_dnsbl_max_ttl", (3, 11)),
    "postscreen_whitelist_interfaces": _Replaced((3, 6), "postscreen_allowlist_interfaces", (3, 11)),
    "postscreen_blacklist_action": _Replaced((3, 6), "postscreen_denylist_action", (3, 11)),
    "smtpd_client_connection_limit_exceptions": _Replaced(
        (2, 2), "smtpd_client_event_limit_exceptions", (3, 11)
    ),
}
#: Restrictions that Postfix 3.9 no longer has: each makes it refuse mail with a server configuration error.
_REMOVED = {
    "reject_maps_rbl": "reject_rbl_client",
    "check_relay_domains": "reject_unauth_destination",
    "permit_naked_ip_address": "permit_mynetworks or permit_sasl_authenticated",
}
_RESTRICTIONS = re.compile(r"smtpd_\w+_restrictions")
_PROTOCOLS = re.compile(r"(smtpd|smtp|lmtp)_tls(_mandatory)?_protocols")
_UNUSED = re.compile(r"unused parameter: (\w+)=(.*)")


def found(postfix: Postfix) -> Iterator[Obsolete]:
    """Yield every obsolete setting of ``postfix``'s main.cf and of the options in its master.cf."""
    for name, value, written in _settings(postfix):
        known = _SETTINGS.get(name)
        if known and value and postfix.version >= known.since:
            instead = known.off if value == "no" else known.instead
            yield Obsolete(name, written, instead + _warning(postfix, known))
        elif _RESTRICTIONS.fullmatch(name):
            yield from _restrictions(postfix, name, value)
        elif _PROTOCOLS.fullmatch(name):
            yield from _protocols(postfix, name, value, written)
    yield from _both_families(postfix)


def _settings(postfix: Postfix) -> Iterator[tuple[str, str, str]]:
    """Yield name, value, and the setting as it stands in its file, of main.cf first."""
    # a parameter that Postfix does not know any more is only complained about
    gone = {match[1]: match[2] for text in postfix.complaints if (match := _UNUSED.search(text))}
    main = {name: postfix.parameters.get(name, "") for name in postfix.explicit}
    for name, value in sorted((gone | main).items()):
        yield name, value, f"{name} = {value}".strip()
    for service in postfix.services:
        for name, value in service.options.items():
            yield name, value, f"{service.key}: -o {name}={value}"


def _warning(postfix: Postfix, known: _Replaced) -> str:
    if known.warned is None:
        return ""
    release = ".".join(str(part) for part in known.warned)
    said = "warns" if postfix.version >= known.warned else "will warn"
    return f" (Postfix {release} {said} that support ends)"


def _restrictions(postfix: Postfix, name: str, value: str) -> Iterator[Obsolete]:
    for word in value.replace(",", " ").split():
        if word in _REMOVED:
            state = "gone, mail is refused" if postfix.version >= (3, 9) else "gone in Postfix 3.9"
            yield Obsolete(name, f"{word} in {name}", f"{_REMOVED[word]} ({state})")
        elif word == "permit_mx_backup":
            yield Obsolete(
                name, f"{word} in {name}", "relay_domains names the domains this host is a backup for"
            )


def _protocols(postfix: Postfix, name: str, value: str, written: str) -> Iterator[Obsolete]:
    """Yield lists that switch today's TLS off: old names alone, or the new form on a Postfix before 3.6."""
    words = value.replace(",", " ").split()
    modern = ">=TLSv1.2" if postfix.version >= (3, 6) else "!SSLv2, !SSLv3, !TLSv1, !TLSv1.1"
    if words and not {"TLSv1.2", "TLSv1.3"}.intersection(words) and all(word[0].isalnum() for word in words):
        yield Obsolete(name, written, f"{modern}; as it stands TLS 1.2 and 1.3 are off")
    elif any(word.startswith((">", "<")) for word in words) and postfix.version < (3, 6):
        yield Obsolete(name, written, f"{modern}; this form came with Postfix 3.6, here it switches TLS off")


def _both_families(postfix: Postfix) -> Iterator[Obsolete]:
    """Yield the older parameters of the certificate beside the one that takes over (since 3.4)."""
    if not postfix.value("smtpd_tls_chain_files") or postfix.version < (3, 4):
        return
    for name in ("smtpd_tls_cert_file", "smtpd_tls_key_file"):
        if name in postfix.explicit and postfix.value(name):
            yield Obsolete(name, f"{name} = {postfix.value(name)}", "empty: smtpd_tls_chain_files is used")
