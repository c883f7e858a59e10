"""Which parts of a policy fit together, and which are allowed but deserve a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.errors import PolicyError
from wizard.policy import (
    AuxpropLdapdb,
    AuxpropSql,
    LdapdbStarttls,
    Plaintext,
    Saslauthd,
    SaslauthdLdap,
    SaslauthdSasldb,
    Smarthost,
    SmarthostTls,
    SqlEngine,
    Tls,
    TlsLevel,
    TlsSource,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.policy import Backend, Mechanisms, Policy

#: The mechanisms that carry the password itself; ``noplaintext`` forbids them (SASL_README).
PLAINTEXT = frozenset({"PLAIN", "LOGIN"})
_MADE_HERE = frozenset({TlsSource.SELF_SIGNED, TlsSource.PRIVATE_CA})
_UNVERIFIED = frozenset({SmarthostTls.MAY, SmarthostTls.ENCRYPT})
_VERIFIED_BY_CA = frozenset({SmarthostTls.VERIFY, SmarthostTls.SECURE})
_WRAPPED_PORT = 465


def check(policy: Policy) -> None:
    """Check that the sections, each valid by itself, fit together.

    Raises:
        PolicyError: if they don't. It names the key that is most likely the wrong one.

    """
    if policy.mechanisms:
        _check_mechanisms(policy.mechanisms, policy.backend)
    if policy.backend:
        _check_backend(policy.backend)
    if policy.tls:
        _check_tls(policy.tls)
    if policy.smarthost:
        _check_smarthost(policy.smarthost)


def _check_mechanisms(mechanisms: Mechanisms, backend: Backend | None) -> None:
    others = [name for name in mechanisms.offer if name not in PLAINTEXT]
    if isinstance(backend, Saslauthd):
        if others:
            raise PolicyError("mechanisms.offer", _not_by_saslauthd(others[0], backend))
        if mechanisms.plaintext is Plaintext.NEVER:
            raise PolicyError(
                "mechanisms.plaintext",
                f'must not be "never": {backend.type} can check nothing but PLAIN and LOGIN',
            )
    if mechanisms.plaintext is Plaintext.NEVER and mechanisms.offer and not others:
        raise PolicyError(
            "mechanisms.plaintext",
            'must not be "never" while only PLAIN and LOGIN are offered: no mechanism would be left',
        )


def _not_by_saslauthd(mechanism: str, backend: Saslauthd) -> str:
    from recipes import measured  # noqa: PLC0415 - read only where there is something to refuse

    near = "auxprop-sasldb" if isinstance(backend, SaslauthdSasldb) else "auxprop-sasldb dovecot"
    others = " or ".join(f'"{kind}"' for kind in near.split() if mechanism in measured.serves(kind))
    instead = f"Leave it out, or choose backend.type = {others}" if others else "Leave it out"
    why = measured.refusal(backend.type, mechanism)
    return f"must not offer {mechanism} with {backend.type}: {why}. {instead}"


def _check_backend(backend: Backend) -> None:
    match backend:
        case SaslauthdLdap():
            # the other way round is fine: the host may have this user's password already
            if backend.password_file and not backend.bind_dn:
                raise PolicyError("backend.bind_dn", "must be given too, because backend.password_file is")
            if backend.start_tls:
                _check_starttls("backend.start_tls", " ".join(backend.servers))
        case AuxpropLdapdb(starttls=LdapdbStarttls.TRY | LdapdbStarttls.DEMAND):
            _check_starttls("backend.starttls", backend.uri)
        case AuxpropSql():
            _check_sql(backend)
        case _:
            pass


def _check_sql(backend: AuxpropSql) -> None:
    if backend.password_file and not backend.user:
        raise PolicyError("backend.user", "must be given: there is a password_file, but nobody to log in as")
    if backend.engine is not SqlEngine.SQLITE:
        return
    if not backend.database.startswith("/"):
        raise PolicyError("backend.database", "must be the absolute path of the file, with engine sqlite")
    if backend.hosts or backend.user:
        key = "backend.hosts" if backend.hosts else "backend.user"
        raise PolicyError(key, "must be left out: sqlite reads a file, nothing is connected to")


def _check_starttls(key: str, uris: str) -> None:
    if "ldaps://" in uris or "ldapi://" in uris:
        raise PolicyError(
            key, "must be left out: only an ldap:// connection can be turned into an encrypted one"
        )


def _check_tls(tls: Tls) -> None:
    if tls.source is TlsSource.FILES:
        for key, value in (("tls.certificate", tls.certificate), ("tls.key", tls.key)):
            if not value:
                raise PolicyError(
                    key, 'must be given: the absolute path of a PEM file, with source = "files"'
                )
    if tls.source in _MADE_HERE and not tls.names:
        raise PolicyError(
            "tls.names",
            f'must be given: the host names that clients connect to, with source = "{tls.source}"',
        )


def _check_smarthost(smarthost: Smarthost) -> None:
    # the other way round is fine: the host's password table may have this user's password already
    if smarthost.password_file and not smarthost.user:
        raise PolicyError("smarthost.user", "must be given too, because smarthost.password_file is")
    if smarthost.tls in _VERIFIED_BY_CA and not smarthost.ca_file:
        raise PolicyError("smarthost.ca_file", f'must not be empty with tls = "{smarthost.tls}"')


def warnings(policy: Policy) -> tuple[str, ...]:
    """Return what is allowed but risky or without effect, each as a sentence that begins with the key."""
    return (*_mechanism_warnings(policy), *_service_warnings(policy), *_smarthost_warnings(policy))


def _mechanism_warnings(policy: Policy) -> Iterator[str]:
    mechanisms = policy.mechanisms
    if not mechanisms:
        return
    clear = [name for name in mechanisms.offer if name in PLAINTEXT]
    if clear and mechanisms.plaintext is Plaintext.NEVER:
        yield f"mechanisms.offer: {' and '.join(clear)} will not be offered, because plaintext is never"
    if mechanisms.plaintext is Plaintext.ALWAYS:
        yield "mechanisms.plaintext: passwords may cross the network unencrypted; tls-only prevents that"


def _service_warnings(policy: Policy) -> Iterator[str]:
    submission, tls = policy.submission, policy.tls
    if tls and tls.source is not TlsSource.FILES and (tls.certificate or tls.key):
        yield f"tls.certificate, tls.key: not used with source {tls.source}"
    if not submission:
        return
    if not submission.services and not submission.auth_on_smtp:
        yield "submission.services: there is none, so nobody can log in"
    if not submission.require_tls:
        yield "submission.require_tls: without it passwords and mail may cross the network unencrypted"
    if submission.auth_on_smtp and submission.require_tls and tls and tls.level is TlsLevel.NONE:
        yield "submission.auth_on_smtp: no effect, because AUTH needs TLS and tls.level is none on port 25"


def _smarthost_warnings(policy: Policy) -> Iterator[str]:
    smarthost = policy.smarthost
    if not smarthost:
        return
    if smarthost.user and smarthost.tls is SmarthostTls.NONE:
        yield "smarthost.tls: none sends the password unencrypted, to whoever answers"
    if smarthost.user and smarthost.tls in _UNVERIFIED:
        yield (
            f"smarthost.tls: {smarthost.tls} does not check who the smarthost is; whoever is in between "
            "gets the password; secure prevents that"
        )
    if smarthost.user and smarthost.tls is SmarthostTls.DANE:
        yield (
            "smarthost.tls: dane checks who the smarthost is only while it has TLSA records that DNSSEC "
            "vouches for; otherwise whoever is in between gets the password; secure prevents that"
        )
    if smarthost.port == _WRAPPED_PORT and smarthost.tls in {SmarthostTls.NONE, SmarthostTls.MAY}:
        yield f"smarthost.tls: port 465 speaks TLS from the start, which {smarthost.tls} does not"
