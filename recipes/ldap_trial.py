"""Whether a directory will do what saslauthd is going to ask of it: tried before anything is changed."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wizard import ldap
from wizard.errors import PolicyError
from wizard.steps import Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.host import Host
    from wizard.policy import SaslauthdLdap
    from wizard.secret import Secret

_COUNTS_FOR = 20.0  # seconds; a plan is made anew while somebody types, and each trial is a login there
# result codes (RFC 4511, appendix A.2)
_NO_SUCH_ENTRY, _WRONG_NAME, _WRONG_PASSWORD = 32, 34, 49
_WANTS_TLS = (8, 13)


def refuse(backend: SaslauthdLdap, password: Secret, ca_file: str) -> None:
    """Log in to the directory as saslauthd would, and look for the search base.

    Raises:
        PolicyError: naming the key that is wrong, and what the server says.

    """
    trouble = _trouble(backend, password, ca_file, int(time.monotonic() / _COUNTS_FOR))
    if trouble:
        raise PolicyError(*trouble)


@lru_cache(maxsize=4)
def _trouble(backend: SaslauthdLdap, password: Secret, ca_file: str, _: int) -> tuple[str, str] | None:
    """Try the servers in turn, as libldap does: the first that answers is the one."""
    silent: list[str] = []
    for uri in backend.servers:
        try:
            with ldap.Connection(uri, ca_file) as server:
                return _judged(server, backend, password, uri)
        except ldap.TlsError as error:
            return "backend.servers", f"{error}; {ca_file} names the authorities that count"
        except ldap.LdapError as error:
            silent.append(str(error))
    return "backend.servers", "; ".join(silent)


def _judged(
    server: ldap.Connection, backend: SaslauthdLdap, password: Secret, uri: str
) -> tuple[str, str] | None:
    if backend.start_tls and (answer := server.start_tls()).code:
        return "backend.start_tls", f"{uri} does not do STARTTLS{_said(answer)}"
    if (answer := server.bind(backend.bind_dn, password.reveal())).code:
        return _bind_refused(answer, backend, uri)
    if "%" in backend.search_base:  # a part of it is the user's domain
        return None
    answer = server.look_up(backend.search_base)
    if answer.code in (_NO_SUCH_ENTRY, _WRONG_NAME):
        who = backend.bind_dn or "those who did not log in"
        return "backend.search_base", f"{uri} has no such entry, or hides it from {who}{_said(answer)}"
    return None if not answer.code else ("backend.search_base", f"{uri} refuses to look there{_said(answer)}")


def _bind_refused(answer: ldap.Answer, backend: SaslauthdLdap, uri: str) -> tuple[str, str]:
    if answer.code in _WANTS_TLS:
        return "backend.start_tls", f"must be true: {uri} wants TLS before anybody logs in{_said(answer)}"
    if answer.code == _WRONG_NAME:
        return "backend.bind_dn", f"{uri} takes it for no distinguished name{_said(answer)}"
    if answer.code == _WRONG_PASSWORD:
        return "backend.password_file", f"{uri} refuses the password of {backend.bind_dn}{_said(answer)}"
    return (
        "backend.bind_dn",
        f"{uri} does not let {backend.bind_dn or 'nobody in particular'} in{_said(answer)}",
    )


def _said(answer: ldap.Answer) -> str:
    return f" (LDAP result {answer.code}{': ' if answer.text else ''}{answer.text})"


def unprotected(host: Host, backend: SaslauthdLdap) -> Iterator[Note]:
    """Yield a warning for each server that is told passwords over a line others may read."""
    for uri in backend.servers:
        parts = urlsplit(uri)
        name = parts.hostname or ""
        if parts.scheme == "ldap" and not backend.start_tls and name and not host.is_here(name):
            yield Note(
                f"{uri} is told every password without TLS: whoever is on the line between reads them; "
                "backend.start_tls = true or an ldaps:// server prevents that"
            )
