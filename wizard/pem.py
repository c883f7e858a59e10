"""Certificates as files hold them (RFC 7468) or servers present them (RFC 5280), and the names they serve."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from wizard.errors import HostError, ParseError, WizardError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

#: Digests that a signature must not be over any more.
WEAK_DIGESTS = ("md5", "sha1")
#: What the parser raises on a certificate that is none; ``ValueError`` for most.
_BROKEN = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What an admin wants to know of a certificate.

    ``names``: the DNS names and addresses it is for; without a subjectAltName its common name.
    ``fingerprint``: SHA-256 of its DER form in hexadecimal. Texts are fit to be shown, whoever wrote them.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    fingerprint: str
    self_signed: bool


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a PEM file (RFC 7468): its label, itself, and the ``line`` it begins on, from 1."""

    label: str
    pem: bytes = field(repr=False)
    line: int


def blocks(pem: bytes) -> Iterator[Block]:
    """Yield the PEM blocks of a file in their order; whatever stands between them is comment."""
    label, begin, lines = "", 0, pem.splitlines(keepends=True)
    for at, line in enumerate(lines):
        text = line.strip().decode("ascii", "replace")
        if text.startswith("-----BEGIN ") and text.endswith("-----"):
            label, begin = text[11:-5], at
        elif label and text == f"-----END {label}-----":
            yield Block(label, b"".join(lines[begin : at + 1]), begin + 1)
            label = ""


def parsed(pem: bytes, where: str) -> tuple[x509.Certificate, ...]:
    """Return the certificates of the PEM file ``where``, in its order.

    Raises:
        HostError: when it holds none.
        ParseError: when one of them is broken.

    """
    found = [block for block in blocks(pem) if block.label in ("CERTIFICATE", "X509 CERTIFICATE")]
    if not found:
        raise HostError(f"{where} holds no certificate in PEM form (a line -----BEGIN CERTIFICATE-----)")
    return tuple(_parsed(block, where) for block in found)


def _parsed(block: Block, where: str) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(block.pem)
        described(certificate)
    except _BROKEN as error:
        raise ParseError(where, block.line, "the certificate that begins here is broken") from error
    return certificate


def load(pem: bytes, where: str) -> tuple[Certificate, ...]:
    """Return the certificates of the PEM file ``where``, whose content is ``pem``, in its order.

    Raises:
        HostError: when it holds none.
        ParseError: when one of them is broken.

    """
    return tuple(described(certificate) for certificate in parsed(pem, where))


def presented(der: bytes) -> Certificate:
    """Return the certificate that a server presented, in DER form.

    Raises:
        WizardError: when it is broken.

    """
    try:
        return described(x509.load_der_x509_certificate(der))
    except _BROKEN as error:
        raise WizardError("the server presented a certificate that can't be read") from error


def described(certificate: x509.Certificate) -> Certificate:
    """Put ``certificate`` in words; raises what the parser raises, for it reads parts only when asked."""
    return Certificate(
        subject=_shown(certificate.subject.rfc4514_string()),
        issuer=_shown(certificate.issuer.rfc4514_string()),
        names=tuple(_shown(name) for name in _names(certificate)),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        self_signed=signed_by(certificate, certificate),
    )


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return [str(attribute.value) for attribute in common]
    return [str(name.value) for name in found if isinstance(name, x509.DNSName | x509.IPAddress)]


def _shown(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether ``issuer`` is named as the issuer of ``certificate`` and signed it.

    A signature over MD5 or SHA-1 is no longer verified by the library; then the names must do.
    """
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return digest(certificate) in WEAK_DIGESTS
    return True


def digest(certificate: x509.Certificate) -> str:
    """Return what its signature is over, such as ``sha256``; empty for what knows none (Ed25519)."""
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return ""
    return algorithm.name if algorithm else ""


def name_matches(certificate: Certificate, name: str) -> bool:
    """Whether ``certificate`` is for ``name``, a host name or an address (RFC 6125, section 6.4).

    A wildcard counts for one label, as the whole of the left-most one, above a domain with a dot in it.
    """
    return any(_matches(_plain(pattern), _plain(name)) for pattern in certificate.names)


def _plain(name: str) -> str:
    """``name`` in the form that equal names share."""
    address = _address(name.strip("[]"))
    return str(address) if address else name.lower().removesuffix(".")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _matches(pattern: str, name: str) -> bool:
    if pattern == name or _address(name):
        return pattern == name
    label, _, domain = name.partition(".")
    return pattern == f"*.{domain}" and "." in domain and bool(label) and "*" not in label
