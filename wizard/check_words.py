"""What a failed test most likely means, told from the server's reply alone, and what to do.

The log says more; these words are for when no line of it is at hand. Sources: Postfix SASL_README,
TLS_README, SMTPD_ACCESS_README and master(8); every fault was produced on real servers and its reply noted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.sasl_client import PLAINTEXT
from wizard.smtp_wire import SmtpError, Trouble

if TYPE_CHECKING:
    from wizard.smtp import Reply

_TOO_BUSY, _TLS_FIRST, _WRONG_PASSWORD = 421, 530, 535  # RFC 5321, section 3.8; RFC 4954, section 6

_DEAD = (
    "Postfix's smtpd ends too early. The log has a line with 'fatal:' that says why: often no SASL "
    "mechanism is left (mech_list wants blanks, no commas), smtpd.conf can't be read, Dovecot does not "
    "answer, or the relay restrictions refuse nobody. Once that is mended, stop and start Postfix; after a "
    "reload it still waits a minute before it tries again."
)
NO_STARTTLS = (
    "The service does not offer TLS. Set smtpd_tls_security_level to may or encrypt and see that the "
    "certificate and its key can be read; the log names what is wrong with them."
)
_STARTTLS_REFUSED = (
    "Postfix offers TLS but can't start it, mostly because the certificate or the key can't be loaded or do "
    "not belong together. The log has the reason."
)
_TLS_FAILED = (
    "The TLS handshake failed. Mostly the certificate or the key can't be loaded or they do not belong "
    "together, or the protocol versions are set too narrow (smtpd_tls_mandatory_protocols). The log has the "
    "reason, in a line with 'TLS' or 'fatal:'."
)
EHLO_REFUSED = "Postfix refuses EHLO; look at smtpd_helo_restrictions and smtpd_discard_ehlo_keywords."
CLEAR_MAIL = (
    "The service takes mail without TLS although it should insist on it: smtpd_tls_security_level=encrypt is "
    "missing for it in master.cf, or Postfix was not reloaded."
)
STARTTLS_UNWANTED = "The service offers TLS although it is set to none; look for smtpd_tls_security_level."
CLEAR_AUTH = (
    "Passwords can be sent unencrypted here. Set smtpd_tls_auth_only=yes for this service, or noplaintext in "
    "smtpd_sasl_security_options; then reload Postfix."
)
ANYBODY_LOGS_IN = (
    "ANY password lets this user in. Take the service out of master.cf now; then look for 'pwcheck_method: "
    "alwaystrue' in smtpd.conf and, behind saslauthd, for a PAM stack that permits everything."
)
_OPEN_RELAY = (
    "This is an open relay: a stranger can send mail anywhere through it. Set smtpd_relay_restrictions so "
    "that it ends in reject_unauth_destination (port 25) or in permit_sasl_authenticated, reject "
    "(submission)."
)
SERVER_FAULT = (
    "Postfix is at fault here, mostly because a lookup table can't be read or a restriction is misspelled. "
    "The log has a line with 'warning:' or 'fatal:' that names it."
)
RELAY_DENIED = (
    "The log-in worked, but Postfix refuses to relay for this user: permit_sasl_authenticated is missing in "
    "smtpd_relay_restrictions, or a restriction before it refuses."
)
HANGING_LOGIN = (
    "What verifies passwords does not answer. saslauthd hangs, or all of its processes are busy: stop it, "
    "see that no saslauthd process is left, and start it again. Behind it a directory, database or IMAP "
    "server may hang."
)
REFUSES_EVERYBODY = (
    "Refused, but so is everybody, whatever the password: what verifies passwords does not do its work."
)
ACCEPTED_BEHIND = (
    "The back end itself accepts this password. So Postfix asks for another name or realm "
    "(smtpd_sasl_local_domain), or asks somebody else: see postfix-auth status."
)
BROKEN_MECHANISM = (
    "The server broke the rules of the mechanism. If it did not prove that it knows the password, it may "
    "not be the server it claims to be."
)
WRONG_FINGERPRINT = (
    "Postfix shows another certificate than the file holds. It was replaced without a reload (systemctl "
    "reload postfix), or tls_server_sni_maps or an override in master.cf names another one."
)
NOT_VALID_NOW = (
    "Clients refuse this certificate because of its dates. Renew it and reload Postfix; if its dates look "
    "right, this host's clock is wrong."
)
WRONG_NAME = (
    "Clients that call the server by that name refuse it. Get a certificate that names it among its subject "
    "alternative names (RFC 6125), and reload Postfix."
)
UNREADABLE_CERTIFICATE = "What Postfix shows is no certificate; replace the file and reload Postfix."

# why something was not tested
NO_ACCOUNT = "no account to log in with: --user NAME"
NOT_IN_CLEAR = "the password would cross the network unencrypted"
NOT_SAID_OF_STRANGERS = "the directory does not say of unknown users that there are none: see the plan's note"
NO_STRANGER = "this host has no address outside mynetworks to call from"
NOTHING_TO_LOG_IN_WITH = "none of the mechanisms offered can be tried"
NOT_OFFERED = "it is not offered, see the test of what is"
NO_LOGIN = "the log-in before it failed, see the tests of that"
OTHER_REFUSAL = "refused because of the address itself, so nothing is said about relaying"
SENDER_NOT_OWNED = "the sender does not belong to this user, so nothing is said about relaying"


def open_relay(open_to: str) -> str:
    """Say why a stranger may relay; ``open_to``: what in mynetworks takes strangers in, if that is it."""
    if not open_to:
        return _OPEN_RELAY
    return (
        f"This is an open relay: mynetworks takes in {open_to}, so strangers count as your own hosts and may "
        "send mail anywhere through it. Set mynetworks to the networks that are yours."
    )


def gave_up(title: str) -> str:
    """Say why nothing more is tried on a service that failed the test ``title``."""
    return f"not tried, because this failed: {title}"


def unspoken(mechanism: str) -> str:
    """Say why ``mechanism`` is not tried."""
    return f"this program does not speak {mechanism}"


def starttls_refused(unfit: str) -> str:
    """Explain a STARTTLS that is refused; ``unfit``: what is wrong with the certificate, if that is known."""
    return f"Postfix offers TLS but can't start it. {unfit}." if unfit else _STARTTLS_REFUSED


def tls_failed(unfit: str) -> str:
    """Explain a handshake that fails; ``unfit``: what is wrong with the certificate, if that is known."""
    return f"The TLS handshake failed. {unfit}." if unfit else _TLS_FAILED


def no_connection(error: SmtpError, port: int, *, listening: bool) -> str:
    """Explain why nobody gets through to ``port``; ``listening``: whether somebody waits there."""
    filtered = f"a packet filter keeps connections to port {port} away (nft list ruleset)"
    unanswered = error.trouble is Trouble.UNANSWERED
    if listening:
        full = f", or too many wait there already (ss -ltn sport = :{port}, Recv-Q)" if unanswered else ""
        return f"Something listens there, but {filtered}{full}."
    if error.trouble is Trouble.UNREACHABLE:
        return "There is no way to that address from here: see the interfaces and inet_interfaces."
    also = f" Besides, {filtered}." if unanswered else ""
    return (
        f"Nothing listens on port {port}. See that Postfix runs (postfix status), that the service stands in "
        f"master.cf without a # before it, and that inet_interfaces covers this address.{also}"
    )


def no_greeting(error: SmtpError, port: int, unfit: str, *, wrapper: bool) -> str:
    """Explain why there is no greeting on ``port``; ``wrapper``: TLS from the start was expected.

    ``unfit``: what is wrong with the certificate, if that is known.
    """
    match error.trouble:
        case Trouble.TLS:
            plain = "Or this port speaks without TLS first: set smtpd_tls_wrappermode=yes."
            return tls_failed(unfit) if unfit else f"{_TLS_FAILED} {plain}"
        case Trouble.TIMEOUT:
            return (
                f"{_DEAD} Or looking up the client's name in the DNS hangs, or all smtpd processes are busy."
                + ("" if wrapper else " Or this port wants TLS from the start (smtpd_tls_wrappermode=yes).")
            )
        case Trouble.CLOSED:
            return _DEAD
        case _:
            return f"What listens on port {port} is not Postfix; find it with: ss -ltnp sport = :{port}"


def greeting_refused(reply: Reply) -> str:
    """Explain a greeting that is not 220."""
    if reply.code == _TOO_BUSY:
        return (
            "Too many connections at once, or Postfix is overloaded: see smtpd_client_connection_count_limit."
        )
    return "Postfix refuses this client at once: see smtpd_client_restrictions and postscreen."


def broken_off(error: SmtpError) -> str:
    """Explain a conversation that ended after the greeting."""
    if error.trouble is Trouble.TIMEOUT:
        return "The service stopped answering in the middle. Look in the log for what it was waiting for."
    return f"The service hung up in the middle. {_DEAD}"


def login_broken_off(error: SmtpError) -> str:
    """Explain a log-in during which the server fell silent or hung up."""
    return HANGING_LOGIN if error.trouble is Trouble.TIMEOUT else broken_off(error)


def login_refused(reply: Reply, mechanism: str, silent: str) -> str:
    """Explain a reply to the right password that is not 235; ``silent``: why the back end can't be asked."""
    said = reply.text.lower()
    if reply.temporary:
        return f"Postfix can't reach what verifies passwords. {silent}".rstrip()
    if "no mechanism" in said:
        return (
            f"No plugin serves {mechanism}, or pwcheck_method or auxprop_plugin in smtpd.conf names "
            "something that does not exist. Install the plugin (libsasl2-modules) or take the mechanism out "
            "of mech_list."
        )
    if reply.code == _WRONG_PASSWORD and mechanism in PLAINTEXT:
        return (
            "The password was refused. Check user name, realm (smtpd_sasl_local_domain) and password; that "
            "the back end works, for one that is down says the same; and that a chrooted smtpd sees it."
        )
    if reply.code == _WRONG_PASSWORD:
        return (
            f"The password was refused. {mechanism} needs the password itself from an auxprop plugin "
            "(sasldb, sql, ldapdb); saslauthd is never asked. See that the account is there, in this realm, "
            "and that a chrooted smtpd has the database inside its chroot."
        )
    return not_enabled(reply)


def not_enabled(reply: Reply) -> str:
    """Explain why AUTH as such is refused."""
    if reply.code == _TLS_FIRST:
        return "The service wants STARTTLS before anything else."
    return "AUTH is off for this service: smtpd_sasl_auth_enable=yes is missing, or Postfix was not reloaded."


def wrong_password(reply: Reply, mechanism: str, silent: str) -> str:
    """Explain a reply to a wrong password that is not 535, as :func:`login_refused` does."""
    return ANYBODY_LOGS_IN if reply.ok else login_refused(reply, mechanism, silent)


def offers(missing: tuple[str, ...], surplus: tuple[str, ...], *, secure: bool) -> str:
    """Explain an EHLO that offers other mechanisms than the policy says."""
    told: list[str] = []
    if missing:
        told.append(
            f"Not offered: {' '.join(missing)}. mech_list in smtpd.conf lacks it or has commas between the "
            "names, no plugin serves it, smtpd_sasl_security_options or smtpd_sasl_exceptions_networks hide "
            "it, smtpd_sasl_auth_enable is off, or Postfix was not reloaded."
        )
    if surplus and not secure and PLAINTEXT.intersection(surplus):
        told.append(CLEAR_AUTH)
    elif surplus:
        told.append(
            f"Offered beyond the policy: {' '.join(surplus)}. mech_list in smtpd.conf is missing or stands "
            "in a file that Postfix does not read, or AUTH is on here and should not be."
        )
    return " ".join(told)
