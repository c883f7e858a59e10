"""The client's side of the SASL mechanisms that a mail program uses to log in.

Each mechanism is a generator: it yields what the client says and is sent what the server answered. The first
thing it yields is the initial response, or None where the server speaks first. ``Exchange`` runs one.

Sources: RFC 4422 (SASL), RFC 4616 (PLAIN), draft-murchison-sasl-login (LOGIN), RFC 2195 (CRAM-MD5), RFC 2831
(DIGEST-MD5), RFC 5802 and 7677 (SCRAM), RFC 4013 (SASLprep).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import stringprep
import unicodedata
from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from wizard.errors import WizardError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from wizard.secret import Secret

#: The mechanisms that say the password itself, so that whoever listens has it.
PLAINTEXT = frozenset({"PLAIN", "LOGIN"})
#: What the client says in turn (None: nothing before the server spoke); what the server said is sent in.
Steps: TypeAlias = "Generator[bytes | None, bytes, None]"

_MOST_ITERATIONS = 1_000_000  # about a second; a hostile server must not keep us computing
_LEAST_NONCE = 18  # random bytes


class SaslError(WizardError):
    """A log-in can't go on: the server broke the mechanism's rules, or they forbid this user or password."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logs in. ``host`` is the server's name or address, which only DIGEST-MD5 needs (its digest-uri)."""

    user: str
    password: Secret
    host: str = "localhost"


class Exchange:
    """One log-in with one mechanism.

    ``initial`` is the initial response; None where the server speaks first.

    Raises:
        SaslError: a mechanism that is not spoken here, or one that can't carry this user or password.

    """

    def __init__(self, mechanism: str, credentials: Credentials, *, nonce: str = "") -> None:
        steps = _MECHANISMS.get(mechanism)
        if steps is None:
            raise SaslError(f"this program does not speak the mechanism {mechanism}")
        self._steps = steps(credentials, nonce or secrets.token_urlsafe(_LEAST_NONCE))
        self.initial = next(self._steps)

    def respond(self, challenge: bytes) -> bytes:
        """Return the answer to the server's ``challenge`` (both without base64).

        Raises:
            SaslError: the challenge breaks the mechanism's rules, or the server asks for more than there is.

        """
        try:
            return self._steps.send(challenge) or b""
        except StopIteration:
            raise SaslError("the server asks for more than this mechanism says") from None

    def finish(self) -> None:
        """Accept the server's word that the log-in succeeded.

        Raises:
            SaslError: it came too early; SCRAM and DIGEST-MD5 demand that the server proves itself first.

        """
        try:
            self._steps.send(b"")
        except StopIteration:
            return
        raise SaslError("the server accepts the log-in before the mechanism is through")


def _plain(credentials: Credentials, _nonce: str) -> Steps:
    """RFC 4616: everything in one message; preparing the strings is the server's business (section 2)."""
    if "\0" in credentials.user + credentials.password.reveal():
        raise SaslError("PLAIN can't carry a NUL character in user or password")
    yield f"\0{credentials.user}\0{credentials.password.reveal()}".encode()


def _login(credentials: Credentials, _nonce: str) -> Steps:
    """Answer two questions, whose wording means nothing (draft-murchison-sasl-login)."""
    yield None
    yield credentials.user.encode()
    yield credentials.password.reveal().encode()


def _cram_md5(credentials: Credentials, _nonce: str) -> Steps:
    """RFC 2195, section 2."""
    challenge = yield None
    proof = hmac.new(credentials.password.reveal().encode(), challenge, "md5").hexdigest()
    yield f"{credentials.user} {proof}".encode()


def _digest_md5(credentials: Credentials, nonce: str) -> Steps:
    """RFC 2831, section 2.1, with qop=auth: no security layer is wanted below TLS."""
    challenge = _directives((yield None))
    missing = [name for name in ("nonce", "algorithm") if not challenge.get(name)]
    if missing or challenge.get("algorithm") != "md5-sess":
        raise SaslError("the server's DIGEST-MD5 challenge lacks nonce or algorithm=md5-sess")
    uri = f"smtp/{credentials.host}"
    answer, proof_of_server = _digest(credentials, challenge, nonce, uri)
    said = {"username": credentials.user, "realm": challenge.get("realm", ""), "nonce": challenge["nonce"]}
    quoted = ",".join(f'{name}="{_quoted(value)}"' for name, value in {**said, "cnonce": nonce}.items())
    final = yield f'charset=utf-8,{quoted},nc=00000001,qop=auth,digest-uri="{uri}",response={answer}'.encode()
    rspauth = _directives(final).get("rspauth", "")
    if not hmac.compare_digest(rspauth.encode(), proof_of_server.encode()):
        raise SaslError("the server does not prove that it knows the password (DIGEST-MD5 rspauth)")
    yield b""


def _digest(credentials: Credentials, challenge: Mapping[str, str], nonce: str, uri: str) -> tuple[str, str]:
    """Return the client's response-value and the server's, of RFC 2831, section 2.1.2.1, in hexadecimal."""
    password = credentials.password.reveal()
    secret = _md5(f"{credentials.user}:{challenge.get('realm', '')}:{password}".encode())
    a1 = _md5(secret + f":{challenge['nonce']}:{nonce}".encode()).hex()

    def value(method: str) -> str:
        a2 = _md5(f"{method}:{uri}".encode()).hex()
        return _md5(f"{a1}:{challenge['nonce']}:00000001:{nonce}:auth:{a2}".encode()).hex()

    return value("AUTHENTICATE"), value("")


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


_DIRECTIVE = re.compile(r'\s*([A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|$)')


def _directives(challenge: bytes) -> dict[str, str]:
    """Read ``name=value, name="value"`` (RFC 2831, section 7.1). Of several realms the first counts."""
    found: dict[str, str] = {}
    for name, quoted, bare in _DIRECTIVE.findall(challenge.decode(errors="replace")):
        found.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or bare)
    return found


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _scram(algorithm: str, credentials: Credentials, nonce: str) -> Steps:
    """RFC 5802, sections 3 and 5, without channel binding (``n,,``)."""
    name = saslprep(credentials.user, stored=False).replace("=", "=3D").replace(",", "=2C")
    first = f"n={name},r={nonce}"
    challenge = yield f"n,,{first}".encode()
    server = _attributes(challenge)
    if not server.get("r", "").startswith(nonce) or server["r"] == nonce:
        raise SaslError("the server's SCRAM nonce does not continue ours")
    salted = _salted_password(algorithm, credentials.password, server)
    without_proof = f"c={b64encode(b'n,,').decode()},r={server['r']}"
    signed = b",".join((first.encode(), challenge, without_proof.encode()))

    client_key = hmac.digest(salted, b"Client Key", algorithm)
    signature = hmac.digest(hashlib.new(algorithm, client_key).digest(), signed, algorithm)
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    final = _attributes((yield f"{without_proof},p={b64encode(proof).decode()}".encode()))

    server_key = hmac.digest(salted, b"Server Key", algorithm)
    proof_of_server = b64encode(hmac.digest(server_key, signed, algorithm))
    if not hmac.compare_digest(final.get("v", "").encode(), proof_of_server):
        raise SaslError("the server does not prove that it knows the password (SCRAM server signature)")
    yield b""


_COUNT = re.compile(r"[1-9][0-9]{0,8}")


def _salted_password(algorithm: str, password: Secret, server: Mapping[str, str]) -> bytes:
    """Return Hi() of RFC 5802, section 2.2, with the server's salt and iteration count."""
    count = server.get("i", "")
    if not _COUNT.fullmatch(count) or int(count) > _MOST_ITERATIONS:
        raise SaslError("the server's SCRAM iteration count is missing or out of range")
    try:
        salt = b64decode(server.get("s", ""), validate=True)
    except ValueError:
        raise SaslError("the server's SCRAM salt is no base64") from None
    return hashlib.pbkdf2_hmac(algorithm, saslprep(password.reveal(), stored=True).encode(), salt, int(count))


def _attributes(message: bytes) -> dict[str, str]:
    """Read ``a=value,b=value`` (RFC 5802, section 5.1)."""
    pairs = (part.partition("=") for part in message.decode(errors="replace").split(","))
    return {name: value for name, equals, value in pairs if equals}


def saslprep(text: str, *, stored: bool) -> str:
    """Prepare a user name or password (RFC 4013); ``stored``: refuse what Unicode 3.2 did not know yet.

    Raises:
        SaslError: a character that the profile forbids. It does not say which one: it may be of a password.

    """
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in text if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    forbidden = (*_PROHIBITED, stringprep.in_table_a1) if stored else _PROHIBITED
    if any(table(char) for char in prepared for table in forbidden) or not _bidi_is_sound(prepared):
        raise SaslError("a character in the user name or password is not allowed by SASLprep (RFC 4013)")
    return prepared


_PROHIBITED: tuple[Callable[[str], bool], ...] = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def _bidi_is_sound(text: str) -> bool:
    """Tell whether right-to-left text stands alone and at both ends (RFC 3454, section 6)."""
    if not any(stringprep.in_table_d1(char) for char in text):
        return True
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends and not any(stringprep.in_table_d2(char) for char in text)


_MECHANISMS: dict[str, Callable[[Credentials, str], Steps]] = {
    "SCRAM-SHA-512": partial(_scram, "sha512"),
    "SCRAM-SHA-384": partial(_scram, "sha384"),
    "SCRAM-SHA-256": partial(_scram, "sha256"),
    "SCRAM-SHA-224": partial(_scram, "sha224"),
    "SCRAM-SHA-1": partial(_scram, "sha1"),
    "DIGEST-MD5": _digest_md5,
    "CRAM-MD5": _cram_md5,
    "PLAIN": _plain,
    "LOGIN": _login,
}
#: The mechanisms spoken here, best first. NTLM is not among them: it is broken and no standard.
SPOKEN = tuple(_MECHANISMS)
