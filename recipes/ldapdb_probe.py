"""Why the ``ldapdb`` plugin can't ask a directory: libsasl does not say it, the directory itself does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard import ldap
from wizard.policy import LdapdbStarttls

if TYPE_CHECKING:
    from wizard.policy import AuxpropLdapdb


def trouble(backend: AuxpropLdapdb, ca_file: str) -> tuple[str, str] | None:
    """Return the key that is wrong and what is wrong with it; None: nothing that can be seen from here.

    The first server that answers is asked, as libldap does. ``ca_file`` names the authorities that count.
    """
    for uri in backend.uri.split():
        try:
            with ldap.Connection(uri, ca_file) as server:
                return _judged(server, backend, uri)
        except ldap.TlsError as error:
            if backend.rc:  # which may name other authorities
                return None
            return "backend.uri", f"{error}; {ca_file} names the authorities that count"
        except ldap.LdapError:
            continue
    return None


def _judged(server: ldap.Connection, backend: AuxpropLdapdb, uri: str) -> tuple[str, str] | None:
    if backend.starttls is LdapdbStarttls.DEMAND and server.start_tls().code:
        return "backend.starttls", f"{uri} does not do STARTTLS"
    # the entry that is the server itself (RFC 4512, section 5.1)
    root = server.entry("", "supportedSASLMechanisms")
    offered = root.of("supportedSASLMechanisms") if root else ()
    if root is None or backend.mechanism.upper() in (name.upper() for name in offered):
        return None
    has = f"it offers {', '.join(offered)}" if offered else "it offers none"
    return "backend.mechanism", f"{uri} does not offer {backend.mechanism}: {has}"
