"""Lines over a socket to a server that nobody vouches for: never too long, never too many, never for ever."""

from __future__ import annotations

import socket
import ssl
import sys
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from wizard.errors import WizardError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_LINE = 12288  # bytes; RFC 4954, section 4.5.3, the longest line there is in SMTP
_CHUNK = 4096


class Trouble(StrEnum):
    """Why a conversation ended before its time."""

    REFUSED = "connection refused"
    UNANSWERED = "no answer"
    UNREACHABLE = "not reachable"
    CLOSED = "closed by the server"
    TIMEOUT = "no answer in time"
    TLS = "TLS handshake failed"
    PROTOCOL = "not an SMTP server's answer"


class SmtpError(WizardError):
    """The conversation broke off. ``doing``: what was going on; ``detail``: what the system said."""

    def __init__(self, trouble: Trouble, doing: str, detail: str = "") -> None:
        super().__init__(f"{doing}: {trouble}" + (f" ({shown(detail)})" if detail else ""))
        self.trouble = trouble
        self.doing = doing
        self.detail = shown(detail)


@dataclass(frozen=True, slots=True)
class TlsSeen:
    """A TLS connection as the client sees it.

    ``version`` such as "TLSv1.3"; ``chain``: the certificates sent, in DER, the server's own first (before
    Python 3.13 no others are told).
    """

    version: str
    cipher: str
    chain: tuple[bytes, ...]


def shown(text: str) -> str:
    """Make a server's text fit for a terminal: every control or invisible character becomes a ``?``."""
    return "".join(char if char.isprintable() else "?" for char in text)


class Wire:
    """A connected socket that speaks lines. ``timeout``: seconds that each reply may take, in all.

    Raises:
        SmtpError: here and in all its methods.

    """

    def __init__(self, host: str, port: int, *, source_address: str, timeout: float) -> None:
        self._timeout = timeout
        self._waiting = bytearray()
        source = (source_address, 0) if source_address else None
        try:
            self._socket = socket.create_connection((host, port), timeout, source)
        except ConnectionRefusedError:
            raise SmtpError(Trouble.REFUSED, f"connecting to {host} port {port}") from None
        except TimeoutError:
            raise SmtpError(Trouble.UNANSWERED, f"connecting to {host} port {port}") from None
        except OSError as error:
            detail = error.strerror or str(error)
            raise SmtpError(Trouble.UNREACHABLE, f"connecting to {host} port {port}", detail) from None

    @property
    def own_address(self) -> str:
        """This end's IP address, as the server sees it."""
        return str(self._socket.getsockname()[0])

    @property
    def has_unread(self) -> bool:
        """Whether the server said something more that nobody asked for yet."""
        return bool(self._waiting)

    def write_line(self, line: bytes, doing: str) -> None:
        """Send ``line``, without its line end."""
        try:
            self._socket.sendall(line + b"\r\n")
        except TimeoutError:
            raise SmtpError(Trouble.TIMEOUT, doing) from None
        except OSError as error:
            raise SmtpError(Trouble.CLOSED, doing, error.strerror or "") from None

    def read_lines(self, doing: str) -> Iterator[bytes]:
        """Yield the next lines, without their line ends, as many as come in time."""
        deadline = time.monotonic() + self._timeout
        while True:
            while b"\n" not in self._waiting:
                if len(self._waiting) > _LONGEST_LINE:
                    raise SmtpError(Trouble.PROTOCOL, doing, "a line without end")
                self._waiting += self._receive(deadline - time.monotonic(), doing)
            line, _, rest = self._waiting.partition(b"\n")
            self._waiting = rest
            yield bytes(line).removesuffix(b"\r")

    def _receive(self, seconds: float, doing: str) -> bytes:
        if seconds <= 0:  # a server that drips byte after byte is late as well
            raise SmtpError(Trouble.TIMEOUT, doing)
        self._socket.settimeout(seconds)
        try:
            received = self._socket.recv(_CHUNK)
        except TimeoutError:
            raise SmtpError(Trouble.TIMEOUT, doing) from None
        except OSError as error:
            raise SmtpError(Trouble.CLOSED, doing, error.strerror or "") from None
        finally:
            self._socket.settimeout(self._timeout)
        if not received:
            raise SmtpError(Trouble.CLOSED, doing)
        return received

    def secure(self, doing: str, *, server_name: str) -> TlsSeen:
        """Start TLS and accept any certificate: what is wrong with it is for the caller to find."""
        if self.has_unread:  # what came before TLS must not count as said under it (CVE-2011-0411)
            raise SmtpError(Trouble.PROTOCOL, doing, "the server spoke before TLS began")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            secured = context.wrap_socket(self._socket, server_hostname=server_name or None)
        except TimeoutError:
            raise SmtpError(Trouble.TIMEOUT, doing) from None
        except (ssl.SSLEOFError, ConnectionError):
            raise SmtpError(Trouble.TLS, doing, Trouble.CLOSED) from None
        except (OSError, ValueError) as error:  # ValueError: a name that can't be sent
            raise SmtpError(Trouble.TLS, doing, _reason(error)) from None
        self._socket = secured
        return _seen(secured)

    def close(self) -> None:
        """Hang up; never fails."""
        self._socket.close()


def _seen(secured: ssl.SSLSocket) -> TlsSeen:
    leaf = secured.getpeercert(binary_form=True)
    chain = (leaf,) if leaf else ()
    if sys.version_info >= (3, 13):
        chain = tuple(secured.get_unverified_chain()) or chain
    cipher = secured.cipher()
    return TlsSeen(secured.version() or "", cipher[0] if cipher else "", chain)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return str(error)
