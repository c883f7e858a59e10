"""Certificates: read, made, and examined with their keys before Postfix is told to use them.

Sources: Postfix TLS_README ("Server-side certificate and private key configuration"),
``smtpd_tls_chain_files`` in postconf(5), and OpenSSL's security level 2, which Debian's Postfix runs with.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509 import ExtendedKeyUsage, ExtensionNotFound, SubjectAlternativeName
from cryptography.x509.oid import ExtendedKeyUsageOID

from wizard.changes import owners
from wizard.errors import HostError, WizardError
from wizard.pem import (
    WEAK_DIGESTS,
    Block,
    Certificate,
    blocks,
    described,
    digest,
    load,
    name_matches,
    parsed,
    presented,
    signed_by,
)
from wizard.selfsigned import Made, self_signed
from wizard.smallfiles import read_small_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

    from wizard.root import Root

__all__ = [
    "Certificate",
    "Examined",
    "Made",
    "Problem",
    "Severity",
    "examine",
    "load",
    "name_matches",
    "presented",
    "self_signed",
]

_LARGEST = 1 << 20  # bytes; the longest of chains is far below
_SOON = timedelta(days=21)
_FEWEST_RSA, _FEWEST_EC = 2048, 224  # bits
_KEY_GROUP = "ssl-cert"  # Debian's group of programs that may read keys below /etc/ssl/private


class Severity(StrEnum):
    """An error keeps Postfix or every client from using the certificate; a warning does not, or not yet."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a certificate or its key, in words that name the file and the remedy."""

    severity: Severity
    message: str


@dataclass(frozen=True, slots=True)
class Examined:
    """The certificates of a file in its order, none if it can't be read, and all that is wrong with them."""

    chain: tuple[Certificate, ...]
    problems: tuple[Problem, ...]


def examine(
    certificate: str, key: str, names: tuple[str, ...], root: Root, now: datetime | None = None
) -> Examined:
    """Check the files ``certificate`` and ``key`` (paths inside ``root``; they may be the same one).

    ``names`` are those that clients connect to; ``now`` is the time to judge the dates by, in UTC.
    Problems come in the order to mend them. Nothing is raised: what can't be read is a problem as well.
    """
    try:
        pem = _content(root, certificate)
        found = parsed(pem, certificate)
    except HostError as error:
        return Examined((), (_error(str(error)),))
    chain = tuple(described(one) for one in found)
    problems = (
        *_stray_key(certificate, key, pem),
        *_key_problems(root, certificate, key or certificate, found),
        *_order_problems(certificate, found),
        *_name_problems(certificate, chain[0], names),
        *_purpose_problems(certificate, found[0]),
        *_date_problems(certificate, chain, now or datetime.now(UTC)),
        *_weaknesses(certificate, found),
    )
    return Examined(chain, problems)


def _error(message: str) -> Problem:
    return Problem(Severity.ERROR, message)


def _warning(message: str) -> Problem:
    return Problem(Severity.WARNING, message)


def _content(root: Root, path: str) -> bytes:
    try:
        return read_small_file(root.file(path), _LARGEST).content
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}") from error


# the key


def _stray_key(certificate: str, key: str, pem: bytes) -> Iterator[Problem]:
    """Yield that Postfix would read two keys in a row and switch TLS off (seen with 3.10)."""
    if key and key != certificate and any(_is_key(block) for block in blocks(pem)):
        yield _error(
            f"{certificate} holds a private key as well, which Postfix refuses beside {key}: "
            "take it out, or name this file as the key too"
        )


def _key_problems(
    root: Root, certificate: str, path: str, chain: tuple[x509.Certificate, ...]
) -> Iterator[Problem]:
    try:
        pem = _content(root, path)
        yield from _access_problems(root, path)
        key = _private_key(pem, path)
    except HostError as error:
        yield _error(str(error))
        return
    if path == certificate and not _key_comes_first(pem):
        yield _error(f"{path}: the key must stand before the certificate in a file that holds both")
    fits = [_same_key(key.public_key(), one.public_key()) for one in chain]
    if not any(fits):
        yield _error(f"{path}: the key does not fit the certificate in {certificate}")
    elif not fits[0]:
        yield _error(
            f"{certificate}: the server's certificate must come first; "
            f"the one that fits the key is number {fits.index(True) + 1}"
        )


def _private_key(pem: bytes, path: str) -> PrivateKeyTypes:
    block = next((block for block in blocks(pem) if _is_key(block)), None)
    if block is None:
        raise HostError(f"{path} holds no private key in PEM form (a line -----BEGIN PRIVATE KEY-----)")
    if block.label.startswith("ENCRYPTED") or b"Proc-Type: 4,ENCRYPTED" in block.pem:
        raise HostError(
            f"{path}: the key has a passphrase, which Postfix can't ask for; "
            f"write it without one: openssl pkey -in {path} -out NEW-FILE"
        )
    try:
        return load_pem_private_key(block.pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # not "from error": the parser's words may quote the key
        raise HostError(f"{path}, line {block.line}: the private key that begins here is broken") from None


def _is_key(block: Block) -> bool:
    return block.label.endswith("PRIVATE KEY")


def _key_comes_first(pem: bytes) -> bool:
    order = [_is_key(block) for block in blocks(pem) if _is_key(block) or block.label == "CERTIFICATE"]
    return order[:1] == [True]


def _same_key(one: PublicKeyTypes, other: PublicKeyTypes) -> bool:
    return _public_bytes(one) == _public_bytes(other)


def _public_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _access_problems(root: Root, path: str) -> Iterator[Problem]:
    """Yield who but root may read or change the key: smtpd reads it as root, nobody else needs to."""
    info = root.path(path).stat()
    remedy = f"chown root:root {path}; chmod 600 {path}"
    if info.st_uid != 0:
        yield _error(f"{path}: the key belongs to user {info.st_uid}, not to root: {remedy}")
    if info.st_mode & stat.S_IRWXO:
        yield _error(f"{path}: every user of this host may read or change the key: {remedy}")
    group = info.st_mode & stat.S_IRWXG
    if group == stat.S_IRGRP and info.st_gid == _group_id(root, _KEY_GROUP):
        yield _warning(f"{path}: members of the group {_KEY_GROUP} may read the key")
    elif group and info.st_gid != 0:
        yield _error(f"{path}: members of group {info.st_gid} may read or change the key: {remedy}")


def _group_id(root: Root, name: str) -> int | None:
    try:
        return owners.gid(root, name)
    except WizardError:
        return None


# the chain


def _order_problems(path: str, chain: tuple[x509.Certificate, ...]) -> Iterator[Problem]:
    """Yield what is out of order: each certificate has to be signed by the one after it (RFC 8446, 4.4.2)."""
    subjects = {one.subject for one in chain}
    for number, (one, after) in enumerate(zip(chain, (*chain[1:], None), strict=True), start=1):
        if (after and signed_by(one, after)) or signed_by(one, one):
            continue
        name, issuer = described(one).subject, described(one).issuer
        if after and one.issuer == after.subject:
            yield _error(f"{path}: certificate {number} ({name}) was not signed by the {issuer} that follows")
        elif one.issuer in subjects:
            yield _error(f"{path}: out of order; certificate {number} ({name}) must be followed by {issuer}")
        elif number == 1:
            yield _warning(
                f"{path}: the certificate of its issuer ({issuer}) is missing; clients that do not know "
                "that issuer themselves will refuse it: append the intermediate certificates"
            )
        elif after:
            yield _error(f"{path}: certificate {number} ({name}) is followed by one that did not sign it")


def _name_problems(path: str, leaf: Certificate, names: tuple[str, ...]) -> Iterator[Problem]:
    for name in names:
        if not name_matches(leaf, name):
            has = ", ".join(leaf.names) or "no name at all"
            yield _error(f"{path}: the certificate is not for {name}, but for {has}")


def _purpose_problems(path: str, leaf: x509.Certificate) -> Iterator[Problem]:
    """Yield what keeps clients from taking it for a server's (RFC 5280, 4.2.1.12; RFC 9525, 6.3)."""
    name = described(leaf).subject
    try:
        purposes = set(leaf.extensions.get_extension_for_class(ExtendedKeyUsage).value)
    except ExtensionNotFound:
        purposes = {ExtendedKeyUsageOID.SERVER_AUTH}
    if not purposes & {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}:
        yield _error(
            f"{path}: {name} is not for servers, so clients refuse it: its extendedKeyUsage lacks "
            "serverAuth; get one that has it"
        )
    try:
        leaf.extensions.get_extension_for_class(SubjectAlternativeName)
    except ExtensionNotFound:
        yield _warning(
            f"{path}: {name} has no subjectAltName; today's mail programs look for the server's name "
            "nowhere else and refuse it: get one that has"
        )


def _date_problems(path: str, chain: tuple[Certificate, ...], now: datetime) -> Iterator[Problem]:
    for one in chain:
        if now < one.not_before:
            yield _error(f"{path}: {one.subject} is not valid before {one.not_before:%Y-%m-%d %H:%M} UTC")
        elif now > one.not_after:
            yield _error(f"{path}: {one.subject} expired on {one.not_after:%Y-%m-%d}")
        elif now > one.not_after - _SOON:
            days = (one.not_after - now).days
            yield _warning(f"{path}: {one.subject} expires in {days} days, on {one.not_after:%Y-%m-%d}")


def _weaknesses(path: str, chain: tuple[x509.Certificate, ...]) -> Iterator[Problem]:
    """Yield what OpenSSL refuses today; the signature of a root that comes along is never looked at."""
    for one in chain:
        name, key = described(one).subject, one.public_key()
        if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            fewest = _FEWEST_RSA if isinstance(key, rsa.RSAPublicKey) else _FEWEST_EC
            if key.key_size < fewest:
                yield _error(
                    f"{path}: the key of {name} has {key.key_size} bits; at least {fewest} are needed"
                )
        is_root = one is not chain[0] and signed_by(one, one)
        if digest(one) in WEAK_DIGESTS and not is_root:
            yield _error(f"{path}: {name} is signed with {digest(one).upper()}, which TLS no longer accepts")
