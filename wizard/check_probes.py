"""The tests themselves: each calls one service once, looks at one thing, and says what it saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard import check_words as words
from wizard.check_caller import Account, Caller, Seen, UnmetError, start_tls
from wizard.sasl_client import SaslError
from wizard.secret import Secret
from wizard.smtp import MORE
from wizard.smtp_wire import SmtpError

if TYPE_CHECKING:
    from wizard.smtp import Reply, Session

#: A stranger's destination: no server takes mail for it (RFC 2606, RFC 7505), and the DNS knows it.
_ELSEWHERE = "postfix-auth-test@example.com"
#: A user that no back end knows.
NOBODY = "postfix-auth-test"
#: A password that nobody has. Always the same, for Dovecot lets an address wait longer with each new wrong
#: one, soon longer than Postfix waits for Dovecot.
_NOBODYS = "postfix-auth-test: a wrong password"
_WRONG_PASSWORD = 535  # RFC 4954, section 6
_TLS_FIRST = 530  # RFC 3207, section 4


def skipped(_caller: Caller, why: str) -> Seen:
    """Test nothing, and say why."""
    return Seen(True, "", skipped=why)


def greeting(caller: Caller) -> Seen:
    """220, and EHLO is answered (RFC 5321, section 3.1)."""
    with caller.call() as (_, capabilities):
        return Seen(True, f"greeted, EHLO answered by {capabilities.reply.lines[0] or 'nobody'}")


def offer_in_clear(caller: Caller) -> Seen:
    """Compare the mechanisms that EHLO offers before TLS with the policy's."""
    with caller.call() as (_, capabilities):
        return _offer(capabilities.auth, caller.target.auth_before_tls, secure=False)


def offer_over_tls(caller: Caller) -> Seen:
    """Compare the mechanisms that EHLO offers under TLS with the policy's."""
    with caller.call_securely() as (_, capabilities):
        return _offer(capabilities.auth, caller.target.auth_after_tls, secure=True)


def offered(mechanisms: tuple[str, ...]) -> str:
    """Put an offer into words."""
    return f"AUTH {' '.join(mechanisms)}" if mechanisms else "no AUTH"


def _offer(seen: tuple[str, ...], expected: tuple[str, ...], *, secure: bool) -> Seen:
    missing = tuple(name for name in expected if name not in seen)
    surplus = tuple(name for name in seen if name not in expected)
    if not missing and not surplus:
        return Seen(True, offered(seen))
    return Seen(False, offered(seen), words.offers(missing, surplus, secure=secure))


def tls_works(caller: Caller) -> Seen:
    """TLS begins; where the level is encrypt, nothing but STARTTLS is taken before it (RFC 3207)."""
    if caller.target.wrapper:
        with caller.call() as (session, _):
            return Seen(True, _tls(session))
    with caller.call() as (session, capabilities):
        if capabilities.starttls and caller.target.tls == "encrypt":
            reply = session.mail("")
            if reply.code != _TLS_FIRST:
                return Seen(False, f"MAIL before TLS: {reply}", words.CLEAR_MAIL)
        start_tls(session, capabilities, caller.target.unfit)
        return Seen(True, _tls(session))


def tls_absent(caller: Caller) -> Seen:
    """STARTTLS is not offered."""
    with caller.call() as (_, capabilities):
        if capabilities.starttls:
            return Seen(False, "STARTTLS is offered", words.STARTTLS_UNWANTED)
        return Seen(True, "STARTTLS is not offered")


def _tls(session: Session) -> str:
    return f"{session.tls.version}, {session.tls.cipher}" if session.tls else "no TLS"


def auth_refused_in_clear(caller: Caller, mechanisms: tuple[str, ...]) -> Seen:
    """Ask for each of ``mechanisms`` before TLS; the server must not go along, and no secret is sent."""
    with caller.call() as (session, _):
        reply = None
        for mechanism in mechanisms:
            reply = session.attempt(mechanism)
            if reply.ok or reply.code == MORE:
                return Seen(False, f"AUTH {mechanism}: {reply}", words.CLEAR_AUTH)
        return Seen(True, str(reply))


def right_password(caller: Caller, mechanism: str, account: Account) -> Seen:
    """Log in; 235 is expected."""
    with caller.call_securely() as (session, capabilities):
        if mechanism not in capabilities.auth:
            return Seen(True, offered(capabilities.auth), skipped=words.NOT_OFFERED)
        reply = _log_in(session, mechanism, account)
        why = "" if reply.ok else words.login_refused(reply, mechanism, caller.target.silent)
        return Seen(reply.ok, str(reply), why)


def wrong_password(caller: Caller, mechanism: str, user: str) -> Seen:
    """Try to log in as ``user`` ("": nobody) with a made-up password; 535 is expected (RFC 4954)."""
    with caller.call_securely() as (session, capabilities):
        if mechanism not in capabilities.auth:
            return Seen(True, offered(capabilities.auth), skipped=words.NOT_OFFERED)
        reply = _log_in(session, mechanism, Account(user or NOBODY, Secret(_NOBODYS)))
        if reply.temporary and not user and not caller.target.knows_strangers:
            return Seen(True, str(reply), skipped=words.NOT_SAID_OF_STRANGERS)
        ok = reply.code == _WRONG_PASSWORD and "no mechanism" not in reply.text.lower()
        why = "" if ok else words.wrong_password(reply, mechanism, caller.target.silent)
        return Seen(ok, str(reply), why)


def _log_in(session: Session, mechanism: str, account: Account) -> Reply:
    try:
        return session.auth(mechanism, account.user, account.password)
    except SmtpError as error:
        raise UnmetError(str(error), words.login_broken_off(error)) from None
    except SaslError as error:
        raise UnmetError(str(error), words.BROKEN_MECHANISM) from None


def stranger_relays(caller: Caller) -> Seen:
    """Without a log-in, a recipient elsewhere must be refused; nothing is sent."""
    call = caller.call_securely if caller.target.needs_tls else caller.call
    with call() as (session, _):
        reply = _recipient_elsewhere(session, sender="")
        if reply.ok:
            return Seen(False, str(reply), words.open_relay(caller.target.open_to))
        if _is_about_the_address(reply):
            return Seen(True, str(reply), skipped=words.OTHER_REFUSAL)
        if _is_a_fault(reply):
            return Seen(False, str(reply), words.SERVER_FAULT)
        return Seen(True, str(reply))


def user_relays(caller: Caller, mechanisms: tuple[str, ...], account: Account) -> Seen:
    """After a log-in by one of ``mechanisms``, a recipient elsewhere must be taken; nothing is sent."""
    with caller.call_securely() as (session, capabilities):
        mechanism = next((name for name in mechanisms if name in capabilities.auth), None)
        if mechanism is None:
            return Seen(True, offered(capabilities.auth), skipped=words.NOT_OFFERED)
        try:
            login = _log_in(session, mechanism, account)
        except UnmetError as unmet:
            return Seen(True, unmet.observed, skipped=words.NO_LOGIN)
        if not login.ok:
            return Seen(True, str(login), skipped=words.NO_LOGIN)
        return _relayed(_recipient_elsewhere(session, sender=account.sender))


def _relayed(reply: Reply) -> Seen:
    if reply.ok:
        return Seen(True, str(reply))
    if "not owned by user" in reply.text:
        return Seen(True, str(reply), skipped=words.SENDER_NOT_OWNED)
    if _is_about_the_address(reply):
        return Seen(True, str(reply), skipped=words.OTHER_REFUSAL)
    return Seen(False, str(reply), words.SERVER_FAULT if _is_a_fault(reply) else words.RELAY_DENIED)


def _recipient_elsewhere(session: Session, *, sender: str) -> Reply:
    reply = session.mail(sender)
    if reply.ok:
        reply = session.rcpt(_ELSEWHERE)
        session.rset()
    return reply


def _is_about_the_address(reply: Reply) -> bool:
    """X.1.Z: the address is bad, so nothing is said about relaying (RFC 3463, section 3.2)."""
    return reply.enhanced[1:4] == ".1."


def _is_a_fault(reply: Reply) -> bool:
    """X.3.Z: the mail system is at fault (RFC 3463, section 3.4): "4.3.5 Server configuration error"."""
    return reply.enhanced[1:4] == ".3."
