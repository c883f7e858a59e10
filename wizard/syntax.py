"""What may stand in a name, an address, a path: each function says what is wrong with a text, or None.

They are strict where Postfix, Cyrus SASL or Dovecot would read something else than was meant: blanks and
commas split lists, ``$`` expands (postconf(5)), a line end begins another setting.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: Says what is wrong with a text, as the end of a sentence about it; None: nothing.
    Rule = Callable[[str], str | None]

#: RFC 4616 and the registry "SASL Mechanisms", as far as Cyrus SASL or Dovecot serve them.
MECHANISMS = (
    *("SCRAM-SHA-512", "SCRAM-SHA-384", "SCRAM-SHA-256", "SCRAM-SHA-224", "SCRAM-SHA-1"),
    *("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "NTLM", "OTP", "GSSAPI", "GS2-KRB5"),
    *("EXTERNAL", "XOAUTH2", "OAUTHBEARER"),
)
_LONGEST_NAME = 253
_LONGEST_TEXT = 1024
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_GROUP = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
# names which Unicode's older and newer rules spell differently get no proposal
_AMBIGUOUS = frozenset("ßς\u200c\u200d")
_PORT = re.compile(r"[0-9]{1,5}")
_LAST_PORT = 65535


def text(value: str) -> str | None:
    """One line of visible characters, with no blank at either end (a configuration file would drop it)."""
    for character in value:
        if not character.isprintable():
            return f"must not contain the character U+{ord(character):04X}, which can't be seen"
    if value != value.strip():
        return "must not begin or end with a blank"
    if len(value) > _LONGEST_TEXT:
        return f"is too long: {len(value)} characters, at most {_LONGEST_TEXT}"
    return None


def host_name(value: str) -> str | None:
    """A host name in letters, digits and hyphens (RFC 1123, section 2.1)."""
    if len(value) > _LONGEST_NAME:
        return f"is too long for a host name: {len(value)} characters, at most {_LONGEST_NAME}"
    if not value.isascii():
        return _in_ascii(value)
    if value.endswith("."):
        return "must be written without the dot at its end"
    labels = value.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return "must be a host name: letters, digits and hyphens, in parts joined by dots"
    if labels[-1].isdigit():
        return "must be a host name, and those never end in a number"
    return None


def _in_ascii(value: str) -> str:
    """Ask for the A-label form (RFC 5890), and spell it if there is no doubt about it."""
    try:
        proposal = value.encode("idna").decode("ascii")
    except UnicodeError:
        proposal = ""
    if not proposal or _AMBIGUOUS & set(value) or host_name(proposal):
        return "must be a host name in ASCII (an international name in its xn-- form)"
    return f'must be a host name in ASCII: write "{proposal}"'


def certificate_name(value: str) -> str | None:
    """A host name, or a wildcard for one level of a domain (RFC 6125, section 6.4.3)."""
    if not value.startswith("*."):
        return host_name(value)
    domain = value.removeprefix("*.")
    if "." not in domain:
        return "must be a wildcard below a domain, such as *.example.com"
    return host_name(domain)


def host(value: str) -> str | None:
    """A host name or an IP address, never in brackets."""
    if value.startswith("["):
        return "must be written without brackets; they are added where they are needed"
    try:
        ipaddress.ip_address(value)
    except ValueError:
        if ":" in value:
            return "must be a host name or an IP address alone; a port has its own key"
        return host_name(value)
    return "must be an address without an interface" if "%" in value else None


def port(value: str) -> str | None:
    """A TCP port in digits."""
    if _PORT.fullmatch(value) and 1 <= int(value) <= _LAST_PORT:
        return None
    return f"must be a port from 1 to {_LAST_PORT}"


def database_host(value: str) -> str | None:
    """``HOST``, ``HOST:PORT`` or the absolute path of a socket's directory (Cyrus SASL, sql_hostnames)."""
    if value.startswith("/"):
        return path(value)
    name, colon, number = value.rpartition(":")
    if ":" in name:
        return "can't be an IPv6 address: libsasl takes what follows the first colon for a port; say its name"
    return host(name) or port(number) if colon else host(value)


def path(value: str) -> str | None:
    """An absolute path of a file, without what means something else in main.cf: ``$`` and list separators."""
    if not value.startswith("/"):
        return "must be an absolute path, beginning with /"
    return _in_path(value)


def _in_path(value: str) -> str | None:
    for character, name in ((" ", "a blank"), (",", "a comma"), ("$", "a $")):
        if character in value:
            return f"must not contain {name}: Postfix would not take it as part of the path"
    if value.endswith("/"):
        return "must be a file, not a directory"
    return text(value)


def dovecot_address(value: str) -> str | None:
    """``smtpd_sasl_path`` for Dovecot: a socket's path, or ``inet:HOST:PORT`` (postconf(5))."""
    if not value.startswith("inet:"):
        return "must be the path of a socket, or inet:HOST:PORT" if ":" in value else _in_path(value)
    name, colon, number = value.removeprefix("inet:").rpartition(":")
    if not colon:
        return "must be inet:HOST:PORT"
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
        return port(number) if ":" in name and host(name) is None else "must have an IPv6 address in brackets"
    return "must have an IPv6 address in brackets" if ":" in name else host(name) or port(number)


def group(value: str) -> str | None:
    """A group's name as useradd(8) allows it."""
    if _GROUP.fullmatch(value):
        return None
    return "must be a group's name: up to 32 of a-z, 0-9, _ and -, not beginning with a digit or -"


def mechanism(value: str) -> str | None:
    """A mechanism that a mail server may offer."""
    if value == "ANONYMOUS":
        return "must not be ANONYMOUS: it lets everybody in"
    if value in MECHANISMS:
        return None
    if value.upper() in MECHANISMS:
        return f"must be written in upper case: {value.upper()}"
    return f"must be one of {', '.join(MECHANISMS)}"


def relay_user(value: str) -> str | None:
    """A user in Postfix's password table, which splits ``user:password`` at the first colon (SASL_README)."""
    if ":" in value:
        return "must not contain a colon: Postfix's password table ends the user's name there"
    return text(value)


def ldap_uri(value: str) -> str | None:
    """``ldap://``, ``ldaps://`` or ``ldapi://``; with a host, but for ``ldapi`` (RFC 4516)."""
    if problem := text(value):
        return problem
    if " " in value or "," in value:
        return "must be one LDAP URI, without blanks and commas"
    try:
        parts = urlsplit(value)
        at_host = parts.port != 0 and "@" not in parts.netloc and host(parts.hostname or "") is None
    except ValueError:
        at_host = False
    if value.startswith("ldapi://") or (at_host and value.startswith(("ldap://", "ldaps://"))):
        return None
    return "must be an LDAP URI, such as ldap://ldap.example.com or ldaps://ldap.example.com"


def ldap_uris(value: str) -> str | None:
    """One LDAP URI or several, with one blank between them (``ldapdb_uri``)."""
    return next((problem for uri in value.split(" ") if (problem := ldap_uri(uri))), None)


def ldap_filter(value: str) -> str | None:
    """An LDAP filter that asks for the user: ``%u``, or ``%U`` without the domain (LDAP_SASLAUTHD)."""
    if "%u" not in value and "%U" not in value:
        return "must contain %u, where the user's name goes; otherwise all users are one"
    if not _is_filter(value):
        return "must be one LDAP filter, such as uid=%u or (&(uid=%u)(objectClass=mailUser))"
    return text(value)


#: An assertion of a filter; a parenthesis in its value is written \28 or \29.
_ASSERTION = re.compile(r"\s*[^\s()=&|!]+\s*=[^()]*")


def _is_filter(value: str) -> bool:
    """Whether ``value`` is a filter (RFC 4515); libldap takes one assertion without parentheses too."""
    if _ASSERTION.fullmatch(value):
        return True
    shorter = value.strip()
    # from the inside out: what is a filter stands for an assertion in the next one
    while shorter != (shorter := _INNERMOST.sub("\0", shorter)):
        pass
    return shorter == "\0"


_INNERMOST = re.compile(rf"\((?:{_ASSERTION.pattern}|\s*[&|]\s*(?:\0\s*)+|\s*!\s*\0\s*)\)")


def sql_name(value: str) -> str | None:
    """A database, its file or its user; the ``sql`` plugin puts it between quotes without escaping it."""
    if "'" in value or "\\" in value:
        return "must not contain a quote or a backslash"
    return text(value)


def sql_select(value: str) -> str | None:
    """The statement that finds a password: ``%u`` is the user, ``%r`` the realm, ``%p`` the property."""
    if "%u" not in value:
        return "must contain %u, where the user's name goes; otherwise all users have one password"
    for macro in ("%u", "%r"):
        if any(before.count("'") % 2 == 0 for before in _before(value, macro)):
            return f"must have {macro} between single quotes: a name is whatever somebody types, SQL included"
    return text(value)


def _before(value: str, part: str) -> Iterator[str]:
    """Yield what stands before each ``part`` of ``value``."""
    at = value.find(part)
    while at >= 0:
        yield value[:at]
        at = value.find(part, at + 1)
