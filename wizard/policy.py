"""What the admin decides, as values: a policy of six sections.

A section that is ``None`` means "leave that as it is on this host". These are plain values that promise
nothing about their contents: ``wizard.policyfile`` reads and writes them as TOML, ``wizard.policyrules`` says
what is allowed.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import ClassVar, TypeAlias, get_args


class Plaintext(StrEnum):
    """When the mechanisms that send the password itself (PLAIN, LOGIN) may be used."""

    TLS_ONLY = "tls-only"
    ALWAYS = "always"
    NEVER = "never"


class TlsSource(StrEnum):
    """Where the server's certificate comes from."""

    FILES = "files"
    SELF_SIGNED = "self-signed"
    PRIVATE_CA = "private-ca"
    KEEP = "keep"


class TlsLevel(StrEnum):
    """``smtpd_tls_security_level`` on port 25 (postconf(5))."""

    NONE = "none"
    MAY = "may"
    ENCRYPT = "encrypt"


class ChrootChoice(StrEnum):
    """The chroot column of the submission services in master.cf (master(5))."""

    KEEP = "keep"
    YES = "yes"
    NO = "no"


class SmarthostTls(StrEnum):
    """``smtp_tls_security_level`` towards the smarthost (TLS_README, "SMTP Client TLS security levels")."""

    NONE = "none"
    MAY = "may"
    ENCRYPT = "encrypt"
    VERIFY = "verify"
    SECURE = "secure"
    DANE = "dane"


class SqlEngine(StrEnum):
    """The database behind the ``sql`` auxiliary property plugin."""

    PGSQL = "pgsql"
    MYSQL = "mysql"
    SQLITE = "sqlite"


class LdapdbStarttls(StrEnum):
    """``ldapdb_starttls``: whether the LDAP session is encrypted first; ``none`` leaves the option out."""

    NONE = "none"
    TRY = "try"
    DEMAND = "demand"


@dataclass(frozen=True, slots=True)
class Saslauthd:
    """What every saslauthd back end has: ``threads`` processes, and a ``cache`` of logins (saslauthd(8))."""

    type: ClassVar[str]

    _: KW_ONLY
    threads: int = 5
    cache: bool = True


@dataclass(frozen=True, slots=True)
class SaslauthdPam(Saslauthd):
    """Whatever accounts PAM knows. ``allowed_groups``: whose members may log in; empty: everybody."""

    type: ClassVar[str] = "saslauthd-pam"

    allowed_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SaslauthdShadow(Saslauthd):
    """The accounts of /etc/shadow."""

    type: ClassVar[str] = "saslauthd-shadow"


@dataclass(frozen=True, slots=True)
class SaslauthdGetpwent(Saslauthd):
    """The accounts that getpwent(3) gives with their passwords."""

    type: ClassVar[str] = "saslauthd-getpwent"


@dataclass(frozen=True, slots=True)
class SaslauthdSasldb(Saslauthd):
    """The accounts of /etc/sasldb2, read by saslauthd."""

    type: ClassVar[str] = "saslauthd-sasldb"


@dataclass(frozen=True, slots=True)
class SaslauthdRimap(Saslauthd):
    """A log-in on the IMAP ``server`` tells whether the password is right."""

    type: ClassVar[str] = "saslauthd-rimap"

    server: str
    port: int = 143


@dataclass(frozen=True, slots=True)
class SaslauthdLdap(Saslauthd):
    """A bind to an LDAP directory tells whether the password is right (LDAP_SASLAUTHD).

    ``servers`` are LDAP URIs, ``filter`` an LDAP filter in which ``%u`` is the user.
    """

    type: ClassVar[str] = "saslauthd-ldap"

    servers: tuple[str, ...]
    search_base: str
    filter: str = "uid=%u"
    bind_dn: str = ""
    password_file: str = ""
    start_tls: bool = False


@dataclass(frozen=True, slots=True)
class SaslauthdKerberos5(Saslauthd):
    """A ticket from the Kerberos realm tells whether the password is right."""

    type: ClassVar[str] = "saslauthd-kerberos5"


@dataclass(frozen=True, slots=True)
class AuxpropSasldb:
    """Accounts of their own in /etc/sasldb2, read by Postfix itself."""

    type: ClassVar[str] = "auxprop-sasldb"


@dataclass(frozen=True, slots=True)
class AuxpropSql:
    """Clear text passwords in a database. ``select`` is SQL; with sqlite ``database`` is a file."""

    type: ClassVar[str] = "auxprop-sql"

    engine: SqlEngine
    database: str
    select: str
    hosts: tuple[str, ...] = ()
    user: str = ""
    password_file: str = ""


@dataclass(frozen=True, slots=True)
class AuxpropLdapdb:
    """Clear text passwords in an LDAP directory, read as the user ``id``. ``rc``: an ldap.conf(5) file.

    ``configure``: whether slapd, on this host, is told whom ``id`` may speak for.
    """

    type: ClassVar[str] = "auxprop-ldapdb"

    uri: str
    id: str
    password_file: str = ""
    mechanism: str = "DIGEST-MD5"
    starttls: LdapdbStarttls = LdapdbStarttls.NONE
    rc: str = ""
    configure: bool = False


@dataclass(frozen=True, slots=True)
class Dovecot:
    """Dovecot verifies. ``address``: its auth socket, below the queue directory, or ``inet:HOST:PORT``.

    ``configure``: whether Dovecot's own side of the socket is set up too.
    """

    type: ClassVar[str] = "dovecot"

    address: str = "private/auth"
    configure: bool = False


Backend: TypeAlias = (
    SaslauthdPam
    | AuxpropSasldb
    | SaslauthdShadow
    | SaslauthdSasldb
    | SaslauthdRimap
    | SaslauthdLdap
    | SaslauthdKerberos5
    | SaslauthdGetpwent
    | AuxpropSql
    | AuxpropLdapdb
    | Dovecot
)

#: Every back end's class by the ``backend.type`` of the policy file, in the order in which they are offered.
BACKENDS: dict[str, type[Backend]] = {backend.type: backend for backend in get_args(Backend)}


@dataclass(frozen=True, slots=True)
class Mechanisms:
    """The SASL mechanisms to ``offer``, best first; empty: the best that the back end serves.

    ``outlook_compatible`` is ``broken_sasl_auth_clients``.
    """

    offer: tuple[str, ...] = ()
    plaintext: Plaintext = Plaintext.TLS_ONLY
    outlook_compatible: bool = False


@dataclass(frozen=True, slots=True)
class Tls:
    """The server's certificate, and the TLS ``level`` of port 25.

    ``certificate`` and ``key`` are paths and belong to the source ``files``; ``names`` are the host names in
    a certificate that is made here.
    """

    source: TlsSource = TlsSource.KEEP
    certificate: str = ""
    key: str = ""
    names: tuple[str, ...] = ()
    level: TlsLevel = TlsLevel.MAY


@dataclass(frozen=True, slots=True)
class Submission:
    """Where authenticated clients submit: ``submission`` is port 587, ``submissions`` port 465 (RFC 8314)."""

    services: tuple[str, ...] = ("submission", "submissions")
    require_tls: bool = True
    auth_on_smtp: bool = False
    chroot: ChrootChoice = ChrootChoice.KEEP


@dataclass(frozen=True, slots=True)
class Authorization:
    """``smtpd_sasl_local_domain``: the realm of a login that names none; empty: none."""

    local_domain: str = ""


@dataclass(frozen=True, slots=True)
class Smarthost:
    """The relay host that all mail leaves through. ``host`` has no brackets; no ``user``: no log-in there."""

    host: str
    port: int = 587
    user: str = ""
    password_file: str = ""
    tls: SmarthostTls = SmarthostTls.SECURE
    ca_file: str = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the admin decides. A section that is None is left as it is on the host."""

    backend: Backend | None = None
    mechanisms: Mechanisms | None = None
    tls: Tls | None = None
    submission: Submission | None = None
    authorization: Authorization | None = None
    smarthost: Smarthost | None = None
