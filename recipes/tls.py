"""TLS on the server: which certificate, and the settings that today's Postfix wants (TLS_README)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from wizard import syntax
from wizard.changes import MakeCertificate
from wizard.errors import PolicyError, WizardError
from wizard.formats import maincf, mastercf
from wizard.host import MAIN_CF, MASTER_CF
from wizard.policy import Tls, TlsLevel, TlsSource
from wizard.steps import Act, Edit, Note, by_hand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.certificates import Certificate, Problem
    from wizard.host import Host
    from wizard.postfix import Postfix, Service
    from wizard.steps import Step, Wanted

_CHAIN, _CERT, _KEY = "smtpd_tls_chain_files", "smtpd_tls_cert_file", "smtpd_tls_key_file"
#: Certificates of other kinds beside it, which clients may prefer; empty they are not used (postconf(5)).
_OTHER_KINDS = (
    *("smtpd_tls_eccert_file", "smtpd_tls_eckey_file"),
    *("smtpd_tls_dcert_file", "smtpd_tls_dkey_file"),
)
_LEVEL, _PROTOCOLS = "smtpd_tls_security_level", "smtpd_tls_mandatory_protocols"
_AUTH_ONLY = "smtpd_tls_auth_only"
_RENEW_DAYS = 30  # a self-signed certificate is made anew when it has less than this left


def steps(wanted: Wanted) -> Iterator[Step]:
    """Yield the certificate, the level of port 25, and what submission's TLS needs."""
    tls = wanted.given.tls
    if tls is None:
        yield from _left_alone(wanted)
        return
    match tls.source:
        case TlsSource.KEEP:
            yield from _kept(wanted, tls)
        case TlsSource.FILES:
            yield from _examined(wanted, tls)
            yield from _use(wanted, tls.certificate, tls.key)
        case TlsSource.SELF_SIGNED:
            yield from _self_signed(wanted, tls)
        case TlsSource.PRIVATE_CA:
            raise PolicyError("tls.source", 'a private CA is not available yet; use "self-signed" or "files"')
    yield from _levels(wanted, tls.level)
    yield from _settings(wanted, tls)


_LEVELS = ("none", "may", "encrypt")  # ever stricter


def _levels(wanted: Wanted, level: TlsLevel) -> Iterator[Edit | Note]:
    """Yield what gives port 25 the ``level``, and leaves the other services theirs.

    A service on port 25 that is stricter than the others stays so, unless less is asked than any of them has.
    """
    postfix, asked = wanted.postfix, level.value
    why = f"STARTTLS on port 25: {asked}"
    found = [(service, postfix.tls_level(service)) for service in postfix.smtpd_services]
    ours = [(service, now) for service, now in found if service in postfix.smtp_services]
    kept = [
        service
        for service, now in ours
        if _stricter(now, asked) and not _stricter(read_level(postfix), asked)
    ]
    inherit = [now for service, now in ours if _LEVEL not in service.options and service not in kept]
    main = any(now != asked for now in (inherit if ours else [postfix.tls_level()]))
    if main:
        yield Edit(MAIN_CF, maincf.SetParameter(_LEVEL, asked), why)
    for service, now in found:
        after = asked if main and _LEVEL not in service.options else now
        if (service, now) in ours and service not in kept:
            if after != asked:
                yield _option(service, _LEVEL, asked, why)
            if service in wanted.serving and _opens_auth(wanted, service, asked):
                yield _option(service, _AUTH_ONLY, "yes", "AUTH stays inside TLS")
        elif now not in (after, "none") and not postfix.yes("smtpd_tls_wrappermode", service):
            yield _option(service, _LEVEL, now, f"smtpd on {service.name} keeps its level: {now}")
        if service in kept:
            yield Note(f"{by_hand(service, _LEVEL, now)}; kept")


def _stricter(one: str, other: str) -> bool:
    return _LEVELS.index(one) > _LEVELS.index(other)


def _opens_auth(wanted: Wanted, service: Service, level: str) -> bool:
    """Whether only a stricter level than ``level`` kept the AUTH of ``service`` inside TLS, as it should."""
    submission = wanted.policy.submission
    shut = level == "encrypt" or any(
        wanted.postfix.yes(name, service) for name in (_AUTH_ONLY, "smtpd_tls_wrappermode")
    )
    return submission is not None and submission.require_tls and not shut


def _option(service: Service, name: str, value: str, why: str) -> Edit:
    return Edit(MASTER_CF, mastercf.SetOption(service.name, service.type, name, value), why)


def _settings(wanted: Wanted, tls: Tls) -> Iterator[Edit]:
    """Yield what comes with a change: the log, and the oldest protocol where TLS is required."""
    postfix = wanted.postfix
    if tls == wanted.in_force.tls and wanted.given.submission in (None, wanted.in_force.submission):
        return
    if postfix.value("smtpd_tls_loglevel") == "0":
        why = "one line in the log for each TLS session"
        yield Edit(MAIN_CF, maincf.SetParameter("smtpd_tls_loglevel", "1"), why)
    protocols = postfix.value(_PROTOCOLS)
    outdated = protocols in ("", ">=TLSv1", ">=TLSv1.1") or not protocols.startswith((">", "!", "<"))
    if postfix.version >= (3, 6) and outdated and protocols not in ("TLSv1.2", "TLSv1.3", "TLSv1.2, TLSv1.3"):
        why = "where TLS is required, nothing older than TLS 1.2 (RFC 8996)"
        yield Edit(MAIN_CF, maincf.SetParameter(_PROTOCOLS, ">=TLSv1.2"), why)


def read_level(postfix: Postfix) -> str:
    """Return the level that every smtpd on port 25 has, at least."""
    levels = [postfix.tls_level(service) for service in postfix.smtp_services] or [postfix.tls_level()]
    return min(levels, key=_LEVELS.index)


def _left_alone(wanted: Wanted) -> Iterator[Note]:
    """Yield what is wrong with the certificate where the policy says nothing of it: the tests see it too."""
    for problem in _problems(wanted, ()):
        if problem.severity == "error":
            yield Note(
                f"{problem.message}. That is not of this policy's making, but the tests may fail because of "
                "it, and everything be taken back: mend it first, or apply with --no-test"
            )


def _kept(wanted: Wanted, tls: Tls) -> Iterator[Note]:
    """Yield all that is wrong with the certificate in use.

    Raises:
        PolicyError: when there is none.

    """
    if not certificate_files(wanted.postfix):
        raise PolicyError("tls.source", 'there is no certificate to keep; use "self-signed" or "files"')
    yield from (Note(problem.message) for problem in _problems(wanted, tls.names))
    if not tls.names:
        yield from _unknown_name(wanted, certificate_in_use(wanted.host))


def _problems(wanted: Wanted, names: tuple[str, ...]) -> tuple[Problem, ...]:
    """Return what is wrong with the certificate in use, as far as it is one pair of files."""
    files = certificate_files(wanted.postfix)
    if len(files) != 2:  # noqa: PLR2004 - certificate and key
        return ()
    from wizard import certificates  # noqa: PLC0415 - cryptography is slow to load

    return certificates.examine(files[0], files[1], names, wanted.host.root).problems


def _unknown_name(wanted: Wanted, leaf: Certificate | None) -> Iterator[Note]:
    """Yield that the certificate is for none of this host's own names, where nobody has said others."""
    from wizard import certificates  # noqa: PLC0415 - as above

    host, own = wanted.host.fqdn, wanted.postfix.value("myhostname")
    if leaf and leaf.names and not any(certificates.name_matches(leaf, name) for name in (host, own)):
        yield Note(
            f"the certificate is for {', '.join(leaf.names)}, not for this host's own name, {host}: users "
            "must call the server by a name that it has; put that into tls.names to have it checked"
        )


def _examined(wanted: Wanted, tls: Tls) -> Iterator[Note]:
    """Yield the certificate's weak points.

    Raises:
        PolicyError: when Postfix could not use it, or no client would accept it.

    """
    from wizard import certificates  # noqa: PLC0415 - cryptography is slow to load, and few plans need it

    found = certificates.examine(tls.certificate, tls.key, tls.names, wanted.host.root)
    for problem in found.problems:
        if problem.severity == "error":
            key = "tls.key" if tls.key in problem.message else "tls.certificate"
            raise PolicyError(key, problem.message)
        yield Note(problem.message)
    if not tls.names:
        yield from _unknown_name(wanted, found.chain[0])


def _use(wanted: Wanted, certificate: str, key: str) -> Iterator[Step]:
    """Yield the parameters that name the files, in the family of parameters that is in use already."""
    postfix = wanted.postfix
    # one file that holds both must be named once: twice is taken for a second certificate
    chain = certificate if key == certificate else f"{key}, {certificate}"
    if _CHAIN in postfix.explicit and postfix.value(_CHAIN):
        wish = {_CHAIN: chain}
    elif _CERT in postfix.explicit and postfix.value(_CERT):
        wish = {_CERT: certificate, _KEY: key}
    else:
        wish = {_CHAIN: chain}
    if _CERT in wish and postfix.value(_CERT) != certificate:
        wish |= {name: "" for name in _OTHER_KINDS if postfix.value(name)}
    for name, value in wish.items():
        if _same_files(postfix.value(name), value):
            continue
        yield Edit(MAIN_CF, maincf.SetParameter(name, value), "the certificate that clients will see")
    for service in postfix.smtpd_services:
        own = [name for name in (_CHAIN, _CERT, _KEY) if name in service.options]
        if own:
            yield Note(
                f"set by hand: the service {service.key} has a certificate of its own ({', '.join(own)})"
            )


def _same_files(one: str, other: str) -> bool:
    return one.replace(",", " ").split() == other.replace(",", " ").split()


def _self_signed(wanted: Wanted, tls: Tls) -> Iterator[Step]:
    certificate, key = _made_at(wanted.host, tls.names)
    if not _still_good(wanted.host, certificate, key, tls.names):
        yield MakeCertificate(
            certificate, key, tls.names, reason="clients need a certificate; users accept it once"
        )
        yield Act("postfix", "reload", "loads the certificate")
    yield from _use(wanted, certificate, key)


def _made_at(host: Host, names: tuple[str, ...]) -> tuple[str, str]:
    """Return where a certificate for ``names`` that is made here lies, and its key."""
    place = f"{host.platform.tls_directory}/{names[0].replace('*', 'wildcard')}"
    return f"{place}.pem", f"{place}.key"


def _still_good(host: Host, certificate: str, key: str, names: tuple[str, ...]) -> bool:
    if host.read(certificate) is None:
        return False
    from wizard import certificates  # noqa: PLC0415 - as above

    found = certificates.examine(certificate, key, names, host.root)
    if not found.chain or any(problem.severity == "error" for problem in found.problems):
        return False
    leaf = found.chain[0]
    soon = datetime.now(UTC) + timedelta(days=_RENEW_DAYS)
    return set(leaf.names) == set(names) and leaf.not_after > soon


def certificate_files(postfix: Postfix) -> tuple[str, ...]:
    """Return the files of the server's certificate: (certificate, key), chain files, or nothing."""
    service = next((s for s in postfix.auth_services), None)
    chain = postfix.value(_CHAIN, service).replace(",", " ").split()
    match chain:
        case [both]:
            return (both, both)
        case [first, second]:
            return (second, first)
        case [_, *_]:
            return tuple(chain)
    certificate, key = postfix.value(_CERT, service), postfix.value(_KEY, service)
    return (certificate, key or certificate) if certificate and certificate != "none" else ()


def certificate_in_use(host: Host) -> Certificate | None:
    """Return the certificate that clients of this host see; None if there is none or it can't be read."""
    from wizard import certificates  # noqa: PLC0415 - as above

    for path in certificate_files(host.postfix) if host.postfix else ():
        try:
            chain = certificates.load(host.read(path) or b"", path)
        except WizardError:
            continue
        if chain:
            return chain[0]
    return None


def read(host: Host) -> Tls | None:
    """Return the certificate and level in force; None while there is neither certificate nor TLS."""
    postfix = host.settled_postfix
    files = certificate_files(postfix)
    if not files:
        return None
    level = TlsLevel(read_level(postfix))
    if len(files) != 2 or any(map(syntax.path, files)):  # noqa: PLR2004 - certificate and key
        return Tls(source=TlsSource.KEEP, level=level)
    certificate, key = files
    if certificate.startswith(f"{host.platform.tls_directory}/"):
        try:
            from wizard import certificates  # noqa: PLC0415 - as above

            chain = certificates.load(host.read(certificate) or b"", certificate)
        except WizardError:
            return Tls(source=TlsSource.KEEP, level=level)
        # another one in that directory is somebody else's, who may have told users to trust it
        names = chain[0].names if chain and chain[0].self_signed else ()
        if names and _made_at(host, names) == files:
            return Tls(source=TlsSource.SELF_SIGNED, names=names, level=level)
    return Tls(source=TlsSource.FILES, certificate=certificate, key=key, level=level)


def notes(host: Host) -> Iterator[str]:
    """Yield what the section can't express: a certificate whose file is named in a way of its own."""
    for path in certificate_files(host.settled_postfix):
        if problem := syntax.path(path):
            yield f"set by hand: the certificate's file {path} (a policy's {problem})"


def differences(host: Host) -> Iterator[str]:
    """Yield which smtpd on port 25 insists on more than the section says."""
    postfix = host.settled_postfix
    for service in postfix.smtp_services:
        if _stricter(level := postfix.tls_level(service), read_level(postfix)):
            yield by_hand(service, _LEVEL, level)
