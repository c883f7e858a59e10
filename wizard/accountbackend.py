"""What the back end itself says to an account, whatever Postfix would make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import recipes
from recipes import pam, sql_words
from recipes.backend import asked
from wizard import accounthints, accounts, check_dovecot, lookup, saslauthd_socket
from wizard.accountverdict import Layer, Reply, Tried
from wizard.errors import HostError
from wizard.policy import (
    AuxpropLdapdb,
    AuxpropSasldb,
    AuxpropSql,
    Dovecot,
    Saslauthd,
    SaslauthdGetpwent,
    SaslauthdPam,
    SaslauthdSasldb,
    SaslauthdShadow,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.check_log import RunLog
    from wizard.host import Host
    from wizard.policy import Backend
    from wizard.secret import Secret

_PATIENCE = 20.0  # seconds
_WRONG = "The password is wrong."
_WRONG_OR_HASH = (
    "The password is wrong, or a hash of it is kept there: it must be readable, for a hash never matches."
)
_UNSEEN = (
    "smtpd does not find it where it looks: inside a chroot that is /var/spool/postfix/etc/sasldb2. "
    "postfix-auth apply makes both one file."
)
_UNKNOWN = "There is no such account, or not in this realm: see that the user name is typed in full."
_NO_QUERY = (
    "The database {0.database} does not take the query (sql_select in smtpd.conf): its table and columns "
    "must be there, and whoever asks must be allowed to read them. smtpd says 535 to everybody."
)
_NO_PROXY = (
    "The directory at {0.uri} does not let {0.id} in, who looks users up for smtpd: its password (ldapdb_pw "
    "in smtpd.conf) is wrong, or authz-regexp does not lead to its entry. smtpd says 535 to everybody."
)
_WRONG_OR = "The password is wrong, or the log has another reason: journalctl -t saslauthd."
#: A restart alone leaves the workers of a daemon that was killed, with which every log-in hangs.
_START_ANEW = (
    "Nobody answers there: systemctl stop saslauthd; pkill -x saslauthd; systemctl start saslauthd. "
    "The second ends what is left of one that was killed."
)
_SYSTEM = (SaslauthdPam, SaslauthdShadow, SaslauthdGetpwent)


def ask(host: Host, backend: Backend | None, name: str, password: Secret, log: RunLog) -> Iterator[Tried]:
    """Yield the answer of each part of ``backend`` that can be asked for itself.

    None is one that no policy can express, such as one whose configuration is gone.
    """
    match backend:
        case Saslauthd():
            yield _saslauthd(host, backend, name, password, log)
        case AuxpropSasldb():
            yield _listed(host, name)
            yield _libsasl(host, backend, name, password)
        case AuxpropSql() | AuxpropLdapdb():
            yield _libsasl(host, backend, name, password)
        case Dovecot():
            yield _dovecot(host, backend, name, password, log)
        case None if asked(host) == "saslauthd":
            yield _saslauthd(host, None, name, password, log)


def _tried(where: str, reply: Reply, said: str, why: str = "") -> Tried:
    return Tried(Layer.BACK_END, where, reply, said, why)


def _from_log(log: RunLog) -> str:
    """Return what the log knows beyond that somebody was refused."""
    return " ".join(f"The log says: {problem.cause} {problem.remedy}" for problem in log.awaited())


# saslauthd


def _saslauthd(host: Host, backend: Backend | None, name: str, password: Secret, log: RunLog) -> Tried:
    path = f"{host.saslauthd.run_dir}/mux"
    user, realm = _as_libsasl(host, name)
    try:
        said = saslauthd_socket.ask(path, user, password, realm)
    except OSError as error:
        said = f"{path}: {error.strerror or 'no answer'}"
        return _tried("saslauthd", Reply.SILENT, said, _START_ANEW)
    if said.startswith("OK"):
        return _tried("saslauthd", Reply.ACCEPTED, said)
    why = _hint(host, backend, name) or _from_log(log) or _WRONG_OR
    return _tried("saslauthd", Reply.REFUSED, said or "no answer", why)


def _as_libsasl(host: Host, name: str) -> tuple[str, str]:
    """Return user and realm as libsasl cuts ``name`` for saslauthd; a bare name has smtpd's own realm."""
    user, at, realm = name.rpartition("@")
    return (user, realm) if at else (name, lookup.realm(host))


def _hint(host: Host, backend: Backend | None, name: str) -> str:
    if misread := pam.misread(host):
        return f"{misread}."
    if isinstance(backend, _SYSTEM):
        return accounthints.of_system(host, backend, name)
    try:
        return accounthints.in_sasldb(host, name) if isinstance(backend, SaslauthdSasldb) else ""
    except HostError as damaged:
        return f"{damaged}."


# libsasl's own plugins


def _listed(host: Host, name: str) -> Tried:
    sasldb = accounts.of(host)
    try:
        why = accounthints.in_sasldb(host, name)
    except HostError as damaged:
        return _tried(sasldb.path, Reply.SILENT, "can't be read", f"{damaged}.")
    said = f"{sasldb.account(name)} is {'not there' if why else 'there'}"
    return _tried(sasldb.path, Reply.REFUSED if why else Reply.ACCEPTED, said, why)


def _libsasl(host: Host, backend: Backend, name: str, password: Secret) -> Tried:
    """Have libsasl check the password, set up as this host's smtpd sets it up."""
    answer = lookup.check_in_force(host, timeout=_PATIENCE, user=name, password=password.reveal())
    where = f"libsasl as smtpd asks it{', in the chroot' if lookup.in_chroot(host) else ''}"
    in_sasldb = isinstance(backend, AuxpropSasldb)
    if answer.right:
        return _tried(where, Reply.ACCEPTED, "the password is right")
    if answer.unknown and isinstance(backend, AuxpropSql) and (said := sql_words.complaint(answer)):
        return _tried(where, Reply.SILENT, said, _NO_QUERY.format(backend))
    if answer.unknown:
        return _tried(where, Reply.REFUSED, "no such user", _UNSEEN if in_sasldb else _UNKNOWN)
    if answer.refused and isinstance(backend, AuxpropLdapdb) and _refuses_proxy(host):
        return _tried(where, Reply.SILENT, f"{backend.id} is not let in", _NO_PROXY.format(backend))
    if answer.refused:
        return _tried(where, Reply.REFUSED, "wrong password", _WRONG if in_sasldb else _WRONG_OR_HASH)
    said = answer.said[-1] if answer.said else "no answer"
    return _tried(where, Reply.SILENT, said, recipes.shown(type(backend)).silent.format(backend))


def _refuses_proxy(host: Host) -> bool:
    """Whether the directory refuses who asks it for users: then it says the same of a user it can't know."""
    return lookup.check_in_force(host, timeout=_PATIENCE).refused


# Dovecot


def _dovecot(host: Host, backend: Dovecot, name: str, password: Secret, log: RunLog) -> Tried:
    where = f"Dovecot at {backend.address}"
    try:
        said = check_dovecot.log_in(backend.address, host.queue_directory, name, password)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", "") or "no answer"
        return _tried(where, Reply.SILENT, reason, "Dovecot does not answer there: systemctl status dovecot.")
    if not said:
        return _tried(where, Reply.UNTRIED, "it offers no PLAIN to try the password with")
    word, _, rest = said.partition("\t")
    if word == "OK":
        return _tried(where, Reply.ACCEPTED, "OK")
    if "temp" in rest.split("\t"):
        why = f"Dovecot can't ask its passdb now. {_from_log(log)}".strip()
        return _tried(where, Reply.SILENT, "FAIL, for now", why)
    why = _from_log(log) or "The password is wrong, or Dovecot's passdb has no such user."
    return _tried(where, Reply.REFUSED, "FAIL", why)
