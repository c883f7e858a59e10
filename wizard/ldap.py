"""As much of LDAP as it takes to log in to a directory and look at its entries (RFC 4511).

Requests and answers are BER (RFC 4511, section 5.1). An answer is somebody else's: nothing in it is trusted.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from wizard import reach

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PORTS = {"ldap": 389, "ldaps": 636}
_LOCAL = "/var/run/slapd/ldapi"  # where ldapi:/// is on Debian
_SECONDS = 3.0
_LONGEST = 1 << 16  # bytes of an answer
_MOST_ENTRIES = 1000
_INTEGER, _OCTETS, _ENUMERATED, _SEQUENCE, _BOOLEAN = 0x02, 0x04, 0x0A, 0x30, 0x01
_BIND, _SEARCH, _FOUND = 0x60, 0x63, 0x64
_SASL, _EQUALS, _WHOLE_TREE = 0xA3, 0xA3, b"\2"
_EXTENDED, _PASSWORD, _PRESENT, _NAME, _UNBIND = 0x77, 0x80, 0x87, 0x80, b"\x42\x00"
_STARTTLS = b"1.3.6.1.4.1.1466.20037"
_MULTI_BYTE = 0x80  # a length of more than one byte
SUCCESS = 0


class LdapError(Exception):
    """The conversation could not go on. The message is the end of a sentence about the server."""


class TlsError(LdapError):
    """There is no TLS with this server that can be trusted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server says to a request: the result's ``code`` (RFC 4511, appendix A), and its ``text``."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry's distinguished ``name``, and its values by their attribute, which is in lower case."""

    name: str
    values: Mapping[str, tuple[str, ...]] = field(repr=False)

    def of(self, attribute: str) -> tuple[str, ...]:
        """Return the values of ``attribute``, none if there are none or they are hidden."""
        return self.values.get(attribute.lower(), ())


class Connection:
    """A connection to the server of an LDAP URI, to be used in a ``with``."""

    def __init__(self, uri: str, ca_file: str) -> None:
        """Connect; ``ca_file`` names the authorities that a certificate is checked with.

        Raises:
            LdapError: when nobody is there.

        """
        parts = urlsplit(uri)
        self._uri, self._host, self._ca_file = uri, parts.hostname or "localhost", ca_file
        self._number = 0
        if parts.scheme == "ldapi":
            self._line = _local(unquote(parts.netloc) or _LOCAL)
            return
        try:
            self._line = reach.connect(self._host, parts.port or _PORTS[parts.scheme])
        except reach.UnreachableError as error:
            raise LdapError(str(error)) from None
        if parts.scheme == "ldaps":
            self._encrypt()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._line.sendall(_message(self._number + 1, _UNBIND))
        self._line.close()

    def start_tls(self) -> Answer:
        """Encrypt the connection.

        Raises:
            TlsError: when the server agrees, but there is no trust.
            LdapError: when the conversation breaks off.

        """
        answer = self._ask(_tlv(_EXTENDED, _tlv(_NAME, _STARTTLS)))
        if answer.code == SUCCESS:
            self._encrypt()
        return answer

    def bind(self, name: str, password: str) -> Answer:
        """Log in as the distinguished ``name``; both empty: as nobody. LdapError as for ``start_tls``."""
        return self._ask(
            _tlv(_BIND, _number(3), _tlv(_OCTETS, name.encode()), _tlv(_PASSWORD, password.encode()))
        )

    def bind_as_process(self) -> Answer:
        """Log in, over ``ldapi``, as the user of this process (RFC 4422, appendix A: EXTERNAL)."""
        external = _tlv(_SASL, _tlv(_OCTETS, b"EXTERNAL"), _tlv(_OCTETS))
        return self._ask(_tlv(_BIND, _number(3), _tlv(_OCTETS), external))

    def look_up(self, name: str) -> Answer:
        """Ask for the entry ``name`` itself. LdapError as for ``start_tls``."""
        return self._ask(_search(name, b"\0", _tlv(_PRESENT, b"objectClass"), ("1.1",), 1))

    def entry(self, name: str, *attributes: str) -> Entry | None:
        """Return the entry ``name`` with those ``attributes``; None: there is none, or it is hidden."""
        found: list[Entry] = []
        self._ask(_search(name, b"\0", _tlv(_PRESENT, b"objectClass"), attributes, 1), found)
        return found[0] if found else None

    def below(self, base: str, attribute: str, value: str = "", *, most: int) -> tuple[Entry, ...]:
        """Return up to ``most`` entries below ``base`` with that ``value``, or any, of ``attribute``."""
        name, found = attribute.encode(), list[Entry]()
        wanted = (
            _tlv(_EQUALS, _tlv(_OCTETS, name), _tlv(_OCTETS, value.encode()))
            if value
            else _tlv(_PRESENT, name)
        )
        self._ask(_search(base, _WHOLE_TREE, wanted, (attribute,), most), found)
        return tuple(found[:most])

    def _encrypt(self) -> None:
        import ssl  # noqa: PLC0415 - slow to import, and most directories need none

        try:
            context = ssl.create_default_context(cafile=self._ca_file)
            self._line = context.wrap_socket(self._line, server_hostname=self._host)
        except ssl.SSLCertVerificationError as error:
            raise TlsError(
                f"{self._uri} has a certificate that is not trusted: {error.verify_message}"
            ) from None
        except OSError as error:
            raise TlsError(f"{self._uri}: no TLS: {error.strerror or error}") from None

    def _ask(self, request: bytes, entries: list[Entry] | None = None) -> Answer:
        """Return the answer to ``request``; the entries that come before it are added to ``entries``."""
        self._number += 1
        try:
            self._line.sendall(_message(self._number, request))
            while True:
                kind, content = self._receive()
                if kind != _FOUND:
                    return _answer(content)
                if entries is not None and len(entries) < _MOST_ENTRIES:
                    entries.append(_entry(content))
        except TimeoutError:
            raise LdapError(f"{self._uri} does not answer") from None
        except OSError as error:
            raise LdapError(f"{self._uri}: {error.strerror or error}") from None
        except (IndexError, ValueError):
            raise LdapError(f"{self._uri} does not answer as an LDAP server") from None

    def _receive(self) -> tuple[int, bytes]:
        """Return kind and content of the next operation in answer to ours."""
        head = self._exactly(2)
        length = head[1]
        if length >= _MULTI_BYTE:
            length = int.from_bytes(self._exactly(length - _MULTI_BYTE))
        if head[0] != _SEQUENCE or length > _LONGEST:
            raise ValueError
        (_, _), (kind, content), *_ = _parts(self._exactly(length))
        return kind, content

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            piece = self._line.recv(count - len(found))
            if not piece:
                raise LdapError(f"{self._uri} ended the conversation")
            found += piece
        return found


def _local(path: str) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(_SECONDS)
    try:
        line.connect(path)
    except OSError as error:
        line.close()
        raise LdapError(f"{path}: {error.strerror}") from None
    return line


def _message(number: int, operation: bytes) -> bytes:
    return _tlv(_SEQUENCE, _number(number), operation)


def _search(base: str, scope: bytes, wanted: bytes, attributes: tuple[str, ...], most: int) -> bytes:
    """Return a SearchRequest (RFC 4511, section 4.5.1): no alias is followed, and values come with types."""
    return _tlv(
        _SEARCH,
        *(_tlv(_OCTETS, base.encode()), _tlv(_ENUMERATED, scope), _tlv(_ENUMERATED, b"\0")),
        *(_number(most), _number(int(_SECONDS)), _tlv(_BOOLEAN, b"\0"), wanted),
        _tlv(_SEQUENCE, *(_tlv(_OCTETS, name.encode()) for name in attributes)),
    )


def _tlv(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    if len(content) < _MULTI_BYTE:
        return bytes([tag, len(content)]) + content
    digits = len(content).to_bytes(4)
    return bytes([tag, _MULTI_BYTE + len(digits)]) + digits + content


def _number(value: int) -> bytes:
    return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1))


def _parts(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element in ``content``."""
    at = 0
    while at < len(content):
        tag, length = content[at], content[at + 1]
        at += 2
        if length >= _MULTI_BYTE:
            digits = length - _MULTI_BYTE
            length = int.from_bytes(content[at : at + digits])
            at += digits
        yield tag, content[at : at + length]
        at += length


def _answer(content: bytes) -> Answer:
    """Read an LDAPResult (RFC 4511, section 4.1.9)."""
    (_, code), _, (_, text), *_ = _parts(content)
    words = text.decode(errors="replace")
    return Answer(int.from_bytes(code), "".join(letter for letter in words if letter.isprintable())[:200])


def _entry(content: bytes) -> Entry:
    """Read a SearchResultEntry (RFC 4511, section 4.5.2)."""
    (_, name), (_, attributes), *_ = _parts(content)
    values: dict[str, tuple[str, ...]] = {}
    for _, attribute in _parts(attributes):
        (_, kind), (_, each), *_ = _parts(attribute)
        values[_text(kind).lower()] = tuple(_text(value) for _, value in _parts(each))
    return Entry(_text(name), values)


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
