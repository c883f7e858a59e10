"""Whom the tests call, as whom, and the call itself."""

from __future__ import annotations

import ipaddress
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wizard import check_words as words
from wizard.errors import WizardError
from wizard.listening import open_ports
from wizard.smtp import Capabilities, Reply, Session, Way
from wizard.smtp_wire import SmtpError, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.secret import Secret


@dataclass(frozen=True, slots=True)
class Target:
    """One smtpd service to be tested, and what the policy says of it.

    ``name`` as in master.cf ("smtp", "submission", …). ``host`` is the IP address to call. ``wrapper``: TLS
    from the start. ``tls``: its security level, "none", "may" or "encrypt". The mechanisms are those that
    EHLO must offer, before and after TLS; none: no AUTH. ``names``: what the certificate must be valid for;
    ``fingerprint``: the SHA-256 of the certificate in DER, in hexadecimal, None: any.
    ``trusts_networks``: clients in mynetworks may relay without logging in (permit_mynetworks); ``open_to``:
    what in there takes in strangers, so that anybody may call as one of them.
    ``source_address``: where it must be called from; "": anywhere. ``knows_strangers``: whether the back end
    tells a user who does not exist from trouble of its own. ``silent``: why smtpd can't ask it, if it can't.
    ``unfit``: what is wrong with its certificate or key, if that is known.
    """

    name: str
    host: str
    port: int
    wrapper: bool = False
    tls: str = "may"
    auth_before_tls: tuple[str, ...] = ()
    auth_after_tls: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    fingerprint: str | None = None
    trusts_networks: bool = False
    open_to: str = ""
    source_address: str = ""
    knows_strangers: bool = True
    silent: str = ""
    unfit: str = ""

    @property
    def has_tls(self) -> bool:
        """Whether a client can get TLS here."""
        return self.wrapper or self.tls != "none"

    @property
    def needs_tls(self) -> bool:
        """Whether nothing can be done here before TLS begins."""
        return self.wrapper or self.tls == "encrypt"

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The mechanisms to log in with: over TLS where there is TLS."""
        return self.auth_after_tls if self.has_tls else self.auth_before_tls

    @property
    def is_loopback(self) -> bool:
        """Whether calls stay within this host."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def server_name(self) -> str:
        """What a client takes the server for (TLS SNI); "" where no host name is known."""
        return next((name for name in self.names if not name.startswith("*")), "")


@dataclass(frozen=True, slots=True)
class Account:
    """A user who may log in. ``sender``: an address this user may send as; "": the null sender.

    ``disposable``: made for the tests alone, so that wrong passwords for it lock nobody out.
    """

    user: str
    password: Secret
    sender: str = ""
    disposable: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What a test saw. ``skipped``: why it could not tell, in words; then ``ok`` means nothing."""

    ok: bool
    observed: str
    explanation: str = ""
    skipped: str = ""


class UnmetError(WizardError):
    """A test can't go on, because something before what it tests is not as it must be."""

    def __init__(self, observed: str, explanation: str) -> None:
        super().__init__(observed)
        self.observed = observed
        self.explanation = explanation


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls one target for one test, from ``source_address`` ("": any), and keeps what was said."""

    target: Target
    source_address: str
    timeout: float
    sessions: list[Session] = field(default_factory=list)

    @property
    def dialogue(self) -> tuple[tuple[Way, str], ...]:
        """Everything said so far."""
        return tuple(line for session in self.sessions for line in session.dialogue)

    @property
    def own_address(self) -> str:
        """The address that the server saw last, or what we meant to call from."""
        return self.sessions[-1].own_address if self.sessions else self.source_address

    @contextmanager
    def call(self) -> Iterator[tuple[Session, Capabilities]]:
        """Call and greet the service; the answer to EHLO comes along.

        Raises:
            UnmetError: there is no greeting, or EHLO is refused.
            SmtpError: the conversation breaks off later.

        """
        target = self.target
        session = Session(
            target.host,
            target.port,
            source_address=self.source_address,
            timeout=self.timeout,
            implicit_tls=target.wrapper,
            server_name=target.server_name,
        )
        self.sessions.append(session)
        with session:
            try:
                greeting = session.open()
            except SmtpError as error:
                raise UnmetError(str(error), _silence(target, error)) from None
            _expect(greeting, words.greeting_refused(greeting))
            yield session, _greet(session)

    @contextmanager
    def call_securely(self) -> Iterator[tuple[Session, Capabilities]]:
        """Do the same, with TLS begun and EHLO said once more, where the target has TLS.

        Raises:
            UnmetError: as for ``call``, or STARTTLS is not to be had.

        """
        with self.call() as (session, before):
            if self.target.wrapper or not self.target.has_tls:
                yield session, before
                return
            start_tls(session, before, self.target.unfit)
            yield session, _greet(session)


def _silence(target: Target, error: SmtpError) -> str:
    """Explain why ``target`` does not greet."""
    if error.trouble in (Trouble.REFUSED, Trouble.UNANSWERED, Trouble.UNREACHABLE):
        return words.no_connection(error, target.port, listening=target.port in open_ports())
    return words.no_greeting(error, target.port, target.unfit, wrapper=target.wrapper)


def start_tls(session: Session, capabilities: Capabilities, unfit: str) -> None:
    """Begin TLS; ``unfit``: what is wrong with the server's certificate, if that is known.

    Raises:
        UnmetError: it is not offered, is refused, or fails.

    """
    if not capabilities.starttls:
        raise UnmetError("STARTTLS is not offered", words.NO_STARTTLS)
    try:
        _expect(session.starttls(), words.starttls_refused(unfit))
    except SmtpError as error:
        raise UnmetError(str(error), words.tls_failed(unfit)) from None


def _greet(session: Session) -> Capabilities:
    capabilities = session.ehlo()
    _expect(capabilities.reply, words.EHLO_REFUSED)
    return capabilities


def _expect(reply: Reply, explanation: str) -> None:
    if not reply.ok:
        raise UnmetError(str(reply), explanation)
