"""What can be found out about a directory before SASL's ldapdb uses it: its names, and the proxy's entry.

"Proxy" is the directory's user as whom ldapdb logs in, and who then speaks for the others (RFC 4370).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wizard import ldap, slapd
from wizard.errors import HostError, PolicyError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wizard.host import Host
    from wizard.policy import AuxpropLdapdb
    from wizard.secret import Secret
    from wizard.slapd import Slapd

_MOST = 200  # entries of users that are looked at
_MOST_PLACES = 4  # where users are that are named one by one
_RDN = re.compile(r"([^=,+]+)=(?:\\.|[^,\\])*,(.+)")
_SPECIAL = re.compile(r"([][.()*+?{}^$|\\])")
_HASHED = re.compile(r"\{(?:S?SHA|S?MD5|CRYPT|ARGON2|PBKDF2|SASL)[^}]*\}", re.IGNORECASE)
_READS_STORED = ("DIGEST-MD5", "CRAM-MD5", "SCRAM-")
_WRONG_PASSWORD = 49  # RFC 4511, appendix A.2


@dataclass(frozen=True, slots=True)
class Directory:
    """What is known of a directory; the rest has the names of an example.

    ``proxies``: the entries whose uid is the proxy's name. ``people``: what fits the entries of users, as
    ``authzTo`` takes it, ``person`` one of these entries. ``slapd``: how this host's own slapd is configured,
    where ``database`` is this directory's entry; None: it can't be set up from here, for the reason ``why``.
    """

    suffix: str = "dc=example,dc=com"
    proxies: tuple[str, ...] = ()
    people: tuple[str, ...] = ("dn.children:ou=people,dc=example,dc=com",)
    person: str = ""
    root_dn: str = "cn=admin,dc=example,dc=com"
    slapd: Slapd | None = field(default=None, repr=False)
    database: str = ""
    why: str = ""

    def proxy(self, name: str) -> str:
        """Return the entry of the proxy ``name``, or what it might be called."""
        return self.proxies[0] if self.proxies else f"uid={name},{self.suffix}"


def find(host: Host, backend: AuxpropLdapdb) -> Directory:
    """Look at the directory of ``backend``: as root if it is on this host, otherwise as nobody."""
    uris = backend.uri.split()
    far = [uri for uri in uris if not is_here(uri, host)]
    if far:
        why = f"{far[0]} is not this host, and its directory is set up there"
    else:
        try:
            return _as_root(backend.id)
        except HostError as error:
            why = str(error)
    for uri in uris:
        try:
            with ldap.Connection(uri, host.platform.ca_file) as server:
                return _as_nobody(server, backend.id, why)
        except ldap.LdapError:
            continue
    return Directory(why=why)


def is_here(uri: str, host: Host) -> bool:
    """Whether ``uri`` leads to this very host."""
    parts = urlsplit(uri)
    return parts.scheme == "ldapi" or not parts.hostname or host.is_here(parts.hostname)


def _as_root(name: str) -> Directory:
    found = slapd.observe()
    with slapd.connected() as server:
        for database in found.databases:
            proxies = server.below(database.suffix, "uid", name, most=2)
            if proxies or database == found.databases[-1]:
                seen = _looked(server, database.suffix, proxies)
                root_dn = database.root_dn or seen.root_dn
                return replace(seen, root_dn=root_dn, slapd=found, database=database.entry)
    raise HostError("this host's slapd has no database yet: dpkg-reconfigure slapd makes one")


def _as_nobody(server: ldap.Connection, name: str, why: str) -> Directory:
    root = server.entry("", "namingContexts")
    for suffix in root.of("namingContexts") if root else ():
        return replace(_looked(server, suffix, server.below(suffix, "uid", name, most=2)), why=why)
    return Directory(why=why)


def _looked(server: ldap.Connection, suffix: str, proxies: tuple[ldap.Entry, ...]) -> Directory:
    mine = tuple(entry.name for entry in proxies)
    everybody = [entry.name for entry in server.below(suffix, "uid", most=_MOST)]
    users = [name for name in everybody if name not in mine]
    person = users[0] if users else ""
    return Directory(suffix, mine, _people(users, suffix), person, f"cn=admin,{suffix}")


def _people(names: Iterable[str], suffix: str) -> tuple[str, ...]:
    """Return what fits the entries with these ``names``: how they are named, and where they are."""
    kinds = {(rdn[1].lower(), rdn[2]) for name in names if (rdn := _RDN.fullmatch(name))}
    if 1 <= len(kinds) <= _MOST_PLACES:
        return tuple(f"dn.regex:^{kind}=[^,]+,{_literal(place)}$" for kind, place in sorted(kinds))
    return tuple(
        f"dn.regex:^{kind}=[^,]+,(.+,)?{_literal(suffix)}$"
        for kind in sorted({kind for kind, _ in kinds} or {"uid"})
    )


def _literal(text: str) -> str:
    """Return ``text`` as POSIX's extended regular expressions take it literally (regex(7))."""
    return _SPECIAL.sub(r"\\\1", text)


def is_proven(directory: Directory, uri: str, ca_file: str, password: Secret, mechanism: str) -> bool:
    """Whether the ``password`` is the proxy's, by a simple bind; False also if that can't be seen.

    Raises:
        PolicyError: when it is wrong, or stored in a way that ``mechanism`` can't do with.

    """
    if not directory.proxies:
        return False
    proxy = directory.proxies[0]
    try:
        with ldap.Connection(uri, ca_file) as server:
            answer = server.bind(proxy, password.reveal())
            own = None if answer.code else server.entry(proxy, "userPassword")
    except ldap.LdapError:
        return False
    if answer.code == _WRONG_PASSWORD:
        raise PolicyError("backend.password_file", f"the password of {proxy} is another one")
    stored = own.of("userPassword") if own else ()
    hashed = [found[0] for value in stored if (found := _HASHED.match(value))]
    if hashed and len(hashed) == len(stored) and mechanism.startswith(_READS_STORED):
        raise PolicyError(
            "backend.mechanism",
            f"{mechanism} needs the password of {proxy} in clear in the directory, and there it is "
            f"{hashed[0]}: store it in clear, as the users' own have to be",
        )
    return answer.code == 0
