"""A small SMTP client that looks closely: it speaks up to RCPT, sends no message, and keeps the dialogue.

Sources: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 2034 (enhanced status codes).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Self

from wizard.errors import WizardError
from wizard.sasl_client import Credentials, Exchange, SaslError
from wizard.smtp_wire import SmtpError, TlsSeen, Trouble, Wire, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wizard.secret import Secret

_MOST_LINES = 128  # of one reply
_MOST_CHALLENGES = 8  # of one AUTH; no mechanism spoken here needs more than two
_LONGEST_COMMAND = 510  # bytes, without the line end (RFC 5321, section 4.5.3.1.4)
_SHORTEST_HIDDEN = 4  # characters; a shorter secret is in every text anyway
_SUCCESS, _TEMPORARY = 2, 4  # the first digit of a reply code (RFC 5321, section 4.2.1)
_HIDDEN = "(secret)"
#: The reply code with which a server goes along with AUTH (RFC 4954, section 4).
MORE = 334


class Way(StrEnum):
    """Who said a line of the dialogue."""

    CLIENT = "C"
    SERVER = "S"
    NOTE = "*"


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's reply: ``code``, the ``enhanced`` status code or "", and its lines without either."""

    code: int
    enhanced: str
    lines: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the server did what was asked (2yz)."""
        return self.code // 100 == _SUCCESS

    @property
    def temporary(self) -> bool:
        """Whether it may work later (4yz)."""
        return self.code // 100 == _TEMPORARY

    @property
    def text(self) -> str:
        """What it says in words, in one line."""
        return " ".join(self.lines)

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What EHLO answered: each keyword in upper case with its parameters (RFC 5321, section 4.1.1.1)."""

    reply: Reply
    keywords: Mapping[str, tuple[str, ...]]

    @property
    def starttls(self) -> bool:
        """Whether STARTTLS is offered."""
        return "STARTTLS" in self.keywords

    @property
    def auth(self) -> tuple[str, ...]:
        """The mechanisms offered, in the server's order."""
        return tuple(name.upper() for name in self.keywords.get("AUTH", ()))


class Session:
    """One conversation with an SMTP server; use it in a ``with``.

    ``source_address``: this host's IP address to connect from, empty: any. ``timeout``: seconds for each
    answer. ``implicit_tls``: TLS from the start (RFC 8314). ``server_name``: sent as TLS server name (SNI).
    Any certificate is accepted, and kept in ``tls``.

    Raises:
        SmtpError: in all its methods, when the conversation breaks off.

    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        source_address: str = "",
        timeout: float = 20.0,
        implicit_tls: bool = False,
        server_name: str = "",
    ) -> None:
        self.host, self.port = host, port
        self.dialogue: list[tuple[Way, str]] = []
        self.tls: TlsSeen | None = None
        self.own_address = source_address
        self._source_address, self._timeout = source_address, timeout
        self._implicit_tls, self._server_name = implicit_tls, server_name
        self._wire: Wire | None = None
        self._secrets: set[str] = set()
        self._challenge = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> Reply:
        """Connect, begin TLS if it is from the start, and return the greeting."""
        try:
            self._wire = Wire(
                self.host, self.port, source_address=self._source_address, timeout=self._timeout
            )
        except SmtpError as error:
            self._note(str(error))
            raise
        self.own_address = self._wire.own_address
        self._note(f"connected to {self.host} port {self.port} from {self.own_address}")
        with self._talking() as wire:
            if self._implicit_tls:
                self._secure(wire, "beginning TLS")
            return self._reply(wire, "waiting for the greeting")

    def ehlo(self) -> Capabilities:
        """Say EHLO with our own address as name (RFC 5321, section 4.1.3)."""
        name = f"[IPv6:{self.own_address}]" if ":" in self.own_address else f"[{self.own_address}]"
        return _capabilities(self.command(f"EHLO {name}"))

    def starttls(self) -> Reply:
        """Say STARTTLS and, if the server is ready, begin TLS; ``tls`` then says how it looks."""
        reply = self.command("STARTTLS")
        if reply.ok:
            with self._talking() as wire:
                self._secure(wire, "beginning TLS after STARTTLS")
        return reply

    def auth(self, mechanism: str, user: str, password: Secret) -> Reply:
        """Log in; the reply is the server's last word, 235 if it accepts.

        Raises:
            SaslError: the mechanism is not spoken here or can't carry the password; or the server broke its
                rules.

        """
        exchange = Exchange(mechanism, Credentials(user, password, self._server_name or self.host))
        self._secrets.add(password.reveal())
        command, unsaid = f"AUTH {mechanism}", exchange.initial
        first = _encoded(unsaid) or "=" if unsaid is not None else ""  # "=": RFC 4954, section 4
        if first and len(command) + 1 + len(first) <= _LONGEST_COMMAND:
            reply, unsaid = self._tell(f"{command} {first}", f"{command} {_HIDDEN}"), None
        else:
            reply = self.command(command)
        for _ in range(_MOST_CHALLENGES):
            if reply.code != MORE:
                break
            reply = self._tell(_encoded(self._respond(exchange) if unsaid is None else unsaid), _HIDDEN)
            unsaid = None
        if reply.ok:
            exchange.finish()
        return reply

    def _respond(self, exchange: Exchange) -> bytes:
        """Answer the challenge that came last; where that can't be done, say so to the server as well."""
        try:
            return exchange.respond(b64decode(self._challenge, validate=True))
        except SaslError:
            self.command("*")
            raise
        except ValueError:
            self.command("*")
            raise SaslError("the server's challenge is no base64") from None

    def attempt(self, mechanism: str) -> Reply:
        """Ask for ``mechanism`` without saying who we are, and give it up if the server goes along (334)."""
        reply = self.command(f"AUTH {mechanism}")
        if reply.code == MORE:
            self.command("*")
        return reply

    def mail(self, sender: str) -> Reply:
        """Say MAIL FROM; an empty ``sender`` is the null sender."""
        return self.command(f"MAIL FROM:<{sender}>")

    def rcpt(self, recipient: str) -> Reply:
        """Say RCPT TO."""
        return self.command(f"RCPT TO:<{recipient}>")

    def rset(self) -> Reply:
        """Forget sender and recipients (RSET)."""
        return self.command("RSET")

    def command(self, line: str) -> Reply:
        """Send one command ``line`` and return the reply."""
        return self._tell(line, line)

    def close(self) -> None:
        """Say QUIT if there is still somebody to hear it, and hang up. Never fails."""
        if self._wire is not None:
            with suppress(SmtpError):
                self.command("QUIT")
        self._hang_up()

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = None

    def _tell(self, line: str, in_public: str) -> Reply:
        """Send ``line``, which the dialogue shows as ``in_public``, and return the reply."""
        if _UNSAFE.search(line):
            raise WizardError("a control character or line break can't be part of an SMTP command")
        if line != in_public:
            self._secrets.add(line.rpartition(" ")[2])
        self._note(in_public, Way.CLIENT)
        with self._talking() as wire:
            wire.write_line(line.encode(), f"saying {in_public}")
            return self._reply(wire, f"waiting for the answer to {in_public}")

    def _reply(self, wire: Wire, doing: str) -> Reply:
        """Read one reply, of one line or more (RFC 5321, section 4.2.1)."""
        code, lines = "", []
        for line in islice(wire.read_lines(doing), _MOST_LINES):
            said = line.decode(errors="replace")
            parsed = _LINE.fullmatch(said)
            self._note(said, Way.SERVER)
            if parsed is None or (code and parsed["code"] != code):
                raise SmtpError(Trouble.PROTOCOL, doing, self._in_public(said[:80]))
            code = parsed["code"]
            self._challenge = parsed["text"]
            lines.append(self._in_public(parsed["text"]))
            if parsed["more"] != "-":
                return _assembled(int(code), lines)
        raise SmtpError(Trouble.PROTOCOL, doing, "a reply without end")

    def _secure(self, wire: Wire, doing: str) -> None:
        self.tls = wire.secure(doing, server_name=self._server_name)
        self._note(f"{self.tls.version} with {self.tls.cipher}")

    @contextmanager
    def _talking(self) -> Iterator[Wire]:
        """Give the connection; when the conversation breaks off, note why, and hang up."""
        if self._wire is None:
            raise SmtpError(Trouble.CLOSED, "speaking")
        try:
            yield self._wire
        except SmtpError as error:
            self._note(str(error))
            self._hang_up()
            raise

    def _note(self, text: str, way: Way = Way.NOTE) -> None:
        self.dialogue.append((way, self._in_public(text)))

    def _in_public(self, text: str) -> str:
        """Hide every secret said so far, should the server repeat one, and what a terminal must not get."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST_HIDDEN:
                text = text.replace(secret, _HIDDEN)
        return shown(text)


_LINE = re.compile(r"(?P<code>[2-5][0-9]{2})(?:(?P<more>[ -])(?P<text>.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|$)")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")


def _assembled(code: int, lines: list[str]) -> Reply:
    found = _ENHANCED.match(lines[0])
    return Reply(code, found[1] if found else "", tuple(_ENHANCED.sub("", line, count=1) for line in lines))


def _capabilities(reply: Reply) -> Capabilities:
    """Read EHLO's answer; "AUTH=PLAIN" is how servers of before 1999 and some clients write AUTH."""
    keywords: dict[str, tuple[str, ...]] = {}
    for line in reply.lines[1:] if reply.ok else ():
        name, *parameters = line.replace("AUTH=", "AUTH ", 1).split() or [""]
        known = keywords.get(name.upper(), ())
        keywords[name.upper()] = known + tuple(word for word in parameters if word not in known)
    return Capabilities(reply, keywords)


def _encoded(response: bytes) -> str:
    return b64encode(response).decode()
