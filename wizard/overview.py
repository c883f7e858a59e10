"""This host in a few lines: what ``status`` prints and the wizard's first screen shows."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard import check_dovecot, obsolete, processes
from wizard.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.host import Host
    from wizard.postfix import Postfix, Service

_WORD = re.compile(r"\w+")
_PORTS = ((25, "smtp"), (587, "submission"), (465, "submissions"))


@dataclass(frozen=True, slots=True)
class Port:
    """One of the three ports of mail, and what is behind it in words."""

    number: int
    name: str
    about: str


@dataclass(frozen=True, slots=True)
class Overview:
    """What was found. Every field is ready to be shown; ``attention`` names what is wrong or obsolete.

    ``names``: what users type, empty if that is not known. ``configured``: whether some smtpd offers AUTH
    already.
    """

    platform: str
    postfix: str
    sasl: str
    ports: tuple[Port, ...]
    smarthost: str
    certificate: str
    log: str
    login: str
    names: str
    attention: tuple[str, ...]
    configured: bool


def overview(host: Host) -> Overview:
    """Look at ``host`` and put it in words.

    Raises:
        HostError: when Postfix itself can't read its configuration.

    """
    postfix = host.postfix
    return Overview(
        platform=host.platform.name,
        postfix=_postfix(host),
        sasl=_sasl(host),
        ports=tuple(Port(number, name, _port(host, number, name)) for number, name in _PORTS),
        smarthost=_smarthost(postfix),
        certificate=_certificate(host),
        log=log_place(host),
        login=_login(host),
        names=_names(host),
        attention=tuple(attention(host)),
        configured=bool(postfix and postfix.auth_services),
    )


def _postfix(host: Host) -> str:
    if "postfix" not in host.packages and host.postfix is None:
        return "not installed"
    version = host.postfix.parameters["mail_version"] if host.postfix else "not configured"
    if not host.root.live:
        return version
    return f"{version}, {_state(host, 'postfix')}"


def _sasl(host: Host) -> str:
    postfix = host.postfix
    asked = postfix.auth_values("smtpd_sasl_type") if postfix and postfix.auth_services else ()
    if asked == ("dovecot",):
        here = host.root.live and host.packages.intersection(host.platform.packages["dovecot"])
        return f"Dovecot, {_state(host, 'dovecot')}" if here else "Dovecot"
    if asked == ("cyrus",) and (plugin := _read_directly(host)):
        return f"{plugin}, read by Postfix itself"
    if not host.packages.intersection(host.platform.packages["saslauthd"]):
        return "saslauthd not installed"
    try:
        path = host.saslauthd_defaults
        instance = "" if path == host.platform.saslauthd.defaults else f", set up in {path}"
        text = f"saslauthd for {host.saslauthd.mechanism}{instance}"
    except ParseError:
        text = "saslauthd"  # "attention" says why
    return f"{text}, {_state(host, 'saslauthd')}" if host.root.live else text


def _read_directly(host: Host) -> str:
    """Return the auxprop plugin that smtpd asks; empty where that is saslauthd, or can't be known."""
    try:
        conf = host.smtpd_conf
    except ParseError:
        return ""
    return conf.keys.get("auxprop_plugin", "sasldb") if conf.methods[:1] == ("auxprop",) else ""


def _state(host: Host, service: str) -> str:
    """Return whether ``service`` runs, and what the next boot will change about that."""
    runs, starts = processes.running(service), processes.enabled(service, host.root)
    if runs:
        return "running, but not started at boot" if starts is False else "running"
    return "not running, started at boot" if starts else "not running"


def _port(host: Host, number: int, name: str) -> str:
    postfix = host.postfix
    service = postfix.service(name) if postfix else None
    if name == "smtp" and postfix:
        service = postfix.smtp
    if postfix is None or service is None:
        return "closed" if number not in host.listeners else "open, but not by master.cf"
    open_ = number in host.listeners or not host.root.live
    return ", ".join([*([] if open_ else ["closed"]), *_offers(postfix, service)])


def _offers(postfix: Postfix, service: Service) -> Iterator[str]:
    if postfix.yes("smtpd_tls_wrappermode", service):
        yield "TLS from the start"
    else:
        level = postfix.tls_level(service)
        yield {"encrypt": "STARTTLS required", "may": "STARTTLS"}.get(level, "no TLS")
    if postfix.yes("smtpd_sasl_auth_enable", service):
        yield "AUTH inside TLS" if postfix.auth_in_tls_only(service) else "AUTH, also in clear"
    else:
        yield "no AUTH"
    if postfix.chrooted(service):
        yield "chroot"


def _login(host: Host) -> str:
    """Return how users log in, by the policy in force."""
    import recipes  # noqa: PLC0415 - most of the engine, and not needed to name a port

    if host.postfix is None or not host.postfix.auth_services:
        return "nobody: no service offers AUTH"
    try:
        read = recipes.read(host)
    except ParseError:
        return "unknown: a file that decides about it can't be read"
    if read.backend is None or read.mechanisms is None:
        return "set by hand, in a way that no back end here stands for"
    return f"{read.backend.type}, by {' '.join(read.mechanisms.offer)}"


def _names(host: Host) -> str:
    import recipes  # noqa: PLC0415 - as above

    try:
        found = recipes.names(host)
    except ParseError:
        return ""
    if found is None:
        return ""
    forms = " or ".join(found.forms("joe"))
    return "; ".join((*([f"{forms}, {found.about}"] if forms else ()), *found.traps("joe")))


def _smarthost(postfix: Postfix | None) -> str:
    import recipes.smarthost  # noqa: PLC0415 - as above

    relay = postfix.value("relayhost") if postfix else ""
    if not relay or not postfix:
        return "none: mail leaves directly"
    login = "with a login" if postfix.yes("smtp_sasl_auth_enable") else "without a login"
    return f"{relay}, {login}, TLS {recipes.smarthost.level(postfix)}"


def _certificate(host: Host) -> str:
    from recipes import tls  # noqa: PLC0415 - as above

    found = tls.certificate_in_use(host)
    if found is None:
        return "none"
    kind = "self-signed" if found.self_signed else f"by {found.issuer}"
    return f"{', '.join(found.names) or found.subject}, {kind}, until {found.not_after:%Y-%m-%d}"


def log_place(host: Host) -> str:
    """Return where mail is logged, in words."""
    from wizard import logtail  # noqa: PLC0415 - not needed by every caller

    value = host.postfix.value("maillog_file") if host.postfix else ""
    return str(logtail.discover(host.root, value))


def attention(host: Host) -> Iterator[str]:
    """Yield what is wrong with the configuration or obsolete in it, in words.

    Raises:
        HostError: when Postfix itself can't read its configuration.

    """
    postfix = host.postfix
    if postfix is None:
        return
    yield from _not_running(host, postfix)
    yield from _broken_sasl(host)
    yield from _out_of_reach(postfix)
    yield from _differing_realms(host)
    yield from _certificate_problems(host, postfix)
    yield from _exposed_passwords(host)
    yield from _open_relays(postfix)
    old = tuple(obsolete.found(postfix))
    yield from (f"{one.name} is obsolete; instead: {one.instead}" for one in old)
    told = {one.parameter for one in old}
    yield from (text for text in postfix.complaints if not told.intersection(_WORD.findall(text)))


def _not_running(host: Host, postfix: Postfix) -> Iterator[str]:
    """Yield what Postfix asks for passwords, if that belongs on this host and does not run."""
    asked = {_asked(host, postfix, service) for service in postfix.auth_services} if host.root.live else set()
    for name in sorted(asked - {""}):
        if not processes.running(name):
            yield f"{name} does not run, so nobody can log in: systemctl start {name}"


def _asked(host: Host, postfix: Postfix, service: Service) -> str:
    """Return the service of this host that ``service`` asks for passwords; empty if it asks none."""
    if postfix.value("smtpd_sasl_type", service) == "dovecot":
        path = postfix.value("smtpd_sasl_path", service)
        return "dovecot" if not path.startswith("inet:") or check_dovecot.on_loopback(path) else ""
    try:
        return "saslauthd" if host.smtpd_conf.methods[:1] == ("saslauthd",) else ""
    except ParseError:
        return ""


def _broken_sasl(host: Host) -> Iterator[str]:
    try:
        found = host.smtpd_conf
    except ParseError as error:
        yield str(error)
        return
    yield from (f"nobody reads {path}; {found.path} is what counts" for path in found.shadowed)
    if "," in found.keys.get("mech_list", ""):
        yield f"{found.path}: mech_list wants blanks; with commas every smtpd that offers AUTH ends at once"
    if "alwaystrue" in found.methods:
        yield f"{found.path}: pwcheck_method alwaystrue lets everybody in, with any password"
    try:
        _ = host.saslauthd
    except ParseError as error:
        yield str(error)
        return
    if found.methods[:1] == ("saslauthd",):
        from recipes import bypass, pam  # noqa: PLC0415 - not needed by every caller

        if past := bypass.found(host):
            yield f"{past}. Choosing a back end mends it"
        if misread := pam.misread(host):
            yield misread


def _open_relays(postfix: Postfix) -> Iterator[str]:
    from wizard import check_networks  # noqa: PLC0415 - as above

    found = {check_networks.open_to(postfix, service) for service in postfix.smtpd_services} - {""}
    for network in sorted(found):
        yield (
            f"mynetworks takes in {network}, far more than one's own hosts: where permit_mynetworks counts, "
            "strangers may send mail anywhere through this one; set it to the networks that are yours"
        )


def _exposed_passwords(host: Host) -> Iterator[str]:
    from recipes import smarthost  # noqa: PLC0415 - as above

    for path in smarthost.exposed(host):
        yield (
            f"{path}: others than root can read the password of the relay host: "
            f"chown root:root {path}; chmod 600 {path}"
        )


def _out_of_reach(postfix: Postfix) -> Iterator[str]:
    from recipes import ports, submission  # noqa: PLC0415 - most of the engine, and not needed by every caller

    there = (service for name in submission.NAMES for service in postfix.services_at(name))
    if told := ports.out_of_reach(postfix, [one for one in there if one in postfix.auth_services]):
        yield told


def _differing_realms(host: Host) -> Iterator[str]:
    from recipes import authorization  # noqa: PLC0415 - not needed by every caller

    if realms := authorization.differing(host):
        yield realms


def _certificate_problems(host: Host, postfix: Postfix) -> Iterator[str]:
    import recipes.tls  # noqa: PLC0415 - cryptography is slow to import
    from wizard import certificates  # noqa: PLC0415

    files = recipes.tls.certificate_files(postfix)
    if len(files) == 2:  # noqa: PLR2004 - certificate and key
        examined = certificates.examine(files[0], files[1], (), host.root)
        # which only root can read, and only others are told so
        hidden = f"{files[1]}: {os.strerror(errno.EACCES)}"
        yield from (problem.message for problem in examined.problems if problem.message != hidden)
