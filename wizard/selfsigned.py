"""A certificate that a host makes and signs itself, for a TLS server (RFC 5280)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wizard.errors import WizardError

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_COMMON_NAME = 64  # characters; RFC 5280, appendix A, ub-common-name


@dataclass(frozen=True, slots=True)
class Made:
    """A new certificate and its private key (PKCS #8, without a passphrase), both as PEM."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


def self_signed(names: Iterable[str], days: int = 825) -> Made:
    """Make a certificate for ``names`` (host names and addresses) that is signed by its own new EC key.

    It is for a TLS server and no CA, and valid for ``days`` from an hour ago, for clocks differ.

    Raises:
        WizardError: when there is no name, or one that no certificate can hold.

    """
    wanted = tuple(names)
    key = ec.generate_private_key(ec.SECP256R1())
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    try:
        subject = _subject(wanted)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            # both ends are part of the validity (RFC 5280, section 4.1.2.5)
            .not_valid_after(start + timedelta(days=days, seconds=-1))
        )
        for extension, critical in _extensions(wanted, key.public_key()):
            builder = builder.add_extension(extension, critical=critical)
        made = builder.sign(key, hashes.SHA256())
    except (ValueError, IndexError) as error:
        raise WizardError(f"no certificate can be made for {', '.join(wanted) or 'no name'}") from error
    return Made(
        certificate_pem=made.public_bytes(serialization.Encoding.PEM),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def _subject(names: tuple[str, ...]) -> x509.Name:
    """Return the first name as the common name; a longer one stands in the subjectAltName only."""
    if len(names[0]) <= _LONGEST_COMMON_NAME:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "self-signed")])


def _extensions(
    names: tuple[str, ...], key: ec.EllipticCurvePublicKey
) -> tuple[tuple[x509.ExtensionType, bool], ...]:
    """Return the extensions, each with whether it is critical."""
    return (
        (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.KeyUsage(True, *[False] * 8), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
