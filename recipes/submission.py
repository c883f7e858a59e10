"""The services users send through: submission (587, STARTTLS) and submissions (465, TLS from the start).

A new service gets the overrides that Debian's and upstream's own example gives it (master.cf of Postfix
3.10, RFC 6409, RFC 8314); one that is there keeps its own, and only what the policy needs is set in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipes import authorization, brought_back, chroot, ports, restrictions
from recipes.tls import certificate_files
from wizard.errors import HostError, PolicyError
from wizard.formats import mastercf
from wizard.host import MASTER_CF
from wizard.policy import ChrootChoice, Submission
from wizard.steps import Act, Edit, Note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wizard.host import Host
    from wizard.postfix import Postfix, Service
    from wizard.steps import Step, Wanted

NAMES = ("submission", "submissions")
_PORT = {"submission": "587", "submissions": "465"}


def steps(wanted: Wanted) -> Iterator[Step]:
    """Yield what makes exactly the policy's services offer AUTH."""
    submission = wanted.given.submission
    if submission is None:
        return
    _refuse_without_certificate(wanted, submission)
    for name in NAMES:
        found = wanted.postfix.services_at(name)
        if name in submission.services and not found:
            _refuse_taken(wanted, name)
            yield from _made(wanted, name)
        for service in found:
            if name in submission.services:
                _refuse_taken(wanted, name, service)
                yield from _existing(wanted, service, name)
            elif service in wanted.postfix.auth_services:
                why = f"port {_PORT[name]} is not in the policy's list of services"
                yield Edit(MASTER_CF, mastercf.DisableService(service.name, service.type), why)
    yield from _out_of_reach(wanted, submission)
    if submission.auth_on_smtp and not wanted.postfix.smtp:
        raise HostError(f"{MASTER_CF}: there is no smtpd on port 25 that could offer AUTH")
    for service in wanted.postfix.smtp_services:
        yield from _smtp(wanted, service)
    yield Act("postfix", "enable", "users send through it, after a reboot as well")


def _refuse_without_certificate(wanted: Wanted, submission: Submission) -> None:
    offers = bool(submission.services) or submission.auth_on_smtp
    why = "require_tls = true" if submission.require_tls and offers else ""
    why = "port 465" if "submissions" in submission.services else why
    if why and wanted.given.tls is None and not certificate_files(wanted.postfix):
        missing = "needs a certificate, and this host has none"
        raise PolicyError("tls.source", f'{why} {missing}: add [tls] with source = "self-signed" or "files"')


def _out_of_reach(wanted: Wanted, submission: Submission) -> Iterator[Note]:
    postfix = wanted.postfix
    services = [one for name in submission.services for one in postfix.services_at(name) or (None,)]
    if told := ports.out_of_reach(postfix, services):
        yield Note(told)


def _refuse_taken(wanted: Wanted, name: str, service: Service | None = None) -> None:
    where = ports.addresses(wanted.postfix, service)
    instead = f'leave "{name}" out of submission.services'
    ports.refuse_taken(wanted.host, int(_PORT[name]), where, instead)


def _made(wanted: Wanted, name: str) -> Iterator[Step]:
    found = brought_back.find(wanted, name, dict(_options(wanted, name)))
    if found is None:
        yield from _new(wanted, name)
        return
    enable, service = found
    yield Edit(MASTER_CF, enable, f"opens port {_PORT[name]} for users again, as it was before it was closed")
    yield from _existing(wanted, service, name)


def _new(wanted: Wanted, name: str) -> Iterator[Step]:
    # Postfix before 3.6 looks the name up in /etc/services, where old systems lack it
    known = name == "submission" or wanted.postfix.version >= (3, 6)
    chroot_column = "y" if chroot.chrooted_after(wanted, name) else "n"
    service = mastercf.AddService(
        name=name if known else _PORT[name],
        type="inet",
        private="n",
        unpriv="-",
        chroot=chroot_column,
        wakeup="-",
        maxproc="-",
        command="smtpd",
        options=tuple(mastercf.Option(*option) for option in _options(wanted, name)),
    )
    tls = "TLS from the start" if name == "submissions" else "STARTTLS"
    yield Edit(MASTER_CF, service, f"opens port {_PORT[name]} for users, with {tls} and AUTH (RFC 8314)")


def _options(wanted: Wanted, name: str) -> Iterator[tuple[str, str]]:
    submission = wanted.given.submission or Submission()
    yield "syslog_name", f"postfix/{name}"
    for parameter, value in (("smtpd_forbid_unauth_pipelining", "no"), ("smtpd_hide_client_session", "yes")):
        if wanted.postfix.knows(parameter):
            yield parameter, value
    if name == "submissions":
        yield "smtpd_tls_wrappermode", "yes"
    else:
        if wanted.postfix.yes("smtpd_tls_wrappermode"):
            yield "smtpd_tls_wrappermode", "no"
        yield "smtpd_tls_security_level", "encrypt" if submission.require_tls else "may"
    yield "smtpd_sasl_auth_enable", "yes"
    if name == "submission":
        yield "smtpd_tls_auth_only", "yes" if submission.require_tls else "no"
    yield "local_header_rewrite_clients", "static:all"
    yield "smtpd_reject_unlisted_recipient", "no"
    yield from restrictions.for_new_service(wanted.postfix)
    if not wanted.postfix.yes("smtpd_delay_reject"):
        yield "smtpd_delay_reject", "yes"
    yield from authorization.beside(wanted, _siblings(wanted.postfix))
    yield "milter_macro_daemon_name", "ORIGINATING"


def _siblings(postfix: Postfix) -> Sequence[Service]:
    """Return where users log in already: on 587 or 465, or else wherever that is."""
    submitting = [s for name in NAMES for s in postfix.services_at(name) if s in postfix.auth_services]
    return submitting or postfix.auth_services


def _existing(wanted: Wanted, service: Service, name: str) -> Iterator[Step]:
    postfix, submission = wanted.postfix, wanted.given.submission or Submission()
    if service.command != "smtpd":
        raise HostError(
            f"{MASTER_CF}: the service {service.name} runs {service.command}, not smtpd; change that first"
        )
    yield from _kept(wanted, service, name)
    wish = dict(_needed(wanted, service, name))
    for parameter, value in wish.items():
        yield Edit(
            MASTER_CF, mastercf.SetOption(service.name, service.type, parameter, value), _WHY[parameter]
        )
    choice = submission.chroot
    if choice is not ChrootChoice.KEEP and postfix.chrooted(service) != (choice is ChrootChoice.YES):
        column = "y" if choice is ChrootChoice.YES else "n"
        edit = mastercf.SetChroot(service.name, service.type, column)
        yield Edit(MASTER_CF, edit, f"the policy's chroot = {choice.value}")
    yield from restrictions.kept_refusals(postfix, service, wish)


_WHY = restrictions.REASONS | {
    "smtpd_sasl_auth_enable": "users prove who they are here",
    "smtpd_tls_wrappermode": "TLS from the start on port 465, STARTTLS on 587 (RFC 8314)",
    "smtpd_tls_security_level": "STARTTLS on port 587",
    "smtpd_tls_auth_only": "AUTH before TLS, or only inside it",
}


def _needed(wanted: Wanted, service: Service, name: str) -> Iterator[tuple[str, str]]:
    """The overrides that ``service`` lacks."""
    postfix = wanted.postfix
    wish = {"smtpd_sasl_auth_enable": "yes"}
    if not _wrapped_by_hand(postfix, service):
        wish["smtpd_tls_wrappermode"] = "yes" if name == "submissions" else "no"
        wish |= _tls_of_submission(wanted, service) if name == "submission" else {}
    for parameter, value in wish.items():
        if postfix.value(parameter, service) != value:
            yield parameter, value
    yield from restrictions.lacking(postfix, service)


def _tls_of_submission(wanted: Wanted, service: Service) -> dict[str, str]:
    """The TLS settings of port 587; where AUTH is inside TLS only already, how that is done is left alone."""
    postfix, submission = wanted.postfix, wanted.given.submission or Submission()
    level = postfix.tls_level(service)
    if not submission.require_tls:
        if service in _stricter(wanted):
            return {}
        wish = {"smtpd_tls_auth_only": "no"}
        return wish if level == "may" else wish | {"smtpd_tls_security_level": "may"}
    wrapped = postfix.yes("smtpd_tls_wrappermode", service)
    if not wrapped and postfix.auth_in_tls_only(service) and level in ("may", "encrypt"):
        return {}
    return {"smtpd_tls_auth_only": "yes", "smtpd_tls_security_level": "encrypt"}


def _wrapped_by_hand(postfix: Postfix, service: Service) -> bool:
    """Whether users log in on port 587 with TLS from the start, as somebody wanted it for that very port."""
    named = "smtpd_tls_wrappermode" in service.options and service in postfix.auth_services
    return (
        named
        and service in postfix.services_at("submission")
        and postfix.yes("smtpd_tls_wrappermode", service)
    )


def _stricter(wanted: Wanted) -> tuple[Service, ...]:
    """Return the services that keep AUTH inside TLS though the policy does not ask for that.

    It asks for less than there is only where all of them have it; else it asks for what there is.
    """
    submission = wanted.given.submission
    if submission is None or submission.require_tls:
        return ()
    return _inside_tls(wanted.postfix, wanted.staying)


def inside_tls_after(wanted: Wanted, service: Service) -> bool:
    """Whether ``service`` offers AUTH inside TLS only once the policy is in force."""
    submission, postfix = wanted.given.submission, wanted.postfix
    usual = service not in postfix.stray_auth_services
    if submission is None or not usual:
        return postfix.auth_in_tls_only(service)
    wrapped = service in postfix.services_at("submissions") or _wrapped_by_hand(postfix, service)
    return submission.require_tls or wrapped or service in _stricter(wanted)


def _inside_tls(postfix: Postfix, services: Sequence[Service]) -> tuple[Service, ...]:
    """Return which of ``services`` offer AUTH inside TLS only; none of them where all do."""
    usual = [service for service in services if service not in postfix.stray_auth_services]
    inside = tuple(service for service in usual if postfix.auth_in_tls_only(service))
    return () if len(inside) == len(usual) else inside


def _kept(wanted: Wanted, service: Service, name: str) -> Iterator[Note]:
    """Name what ``service`` does in another way than the policy says, and goes on to do."""
    if name == "submission" and _wrapped_by_hand(wanted.postfix, service):
        yield Note(f"{_wraps(service)}; kept")
    elif service in _stricter(wanted) and name == "submission":
        yield Note(f"{_keeps_inside(service)}; kept")


def _wraps(service: Service) -> str:
    return f"set by hand: the service {service.key} speaks TLS from the start, on the port of STARTTLS"


def _keeps_inside(service: Service) -> str:
    return f"set by hand: the service {service.key} offers AUTH inside TLS only, others in clear as well"


def _smtp(wanted: Wanted, service: Service) -> Iterator[Step]:
    """Port 25: AUTH there only if it is asked for."""
    submission, postfix = wanted.given.submission or Submission(), wanted.postfix
    on = service in postfix.auth_services
    if on != submission.auth_on_smtp:
        value = "yes" if submission.auth_on_smtp else "no"
        why = "AUTH on port 25, as asked" if submission.auth_on_smtp else "AUTH belongs on 587 and 465"
        edit = mastercf.SetOption(service.name, service.type, "smtpd_sasl_auth_enable", value)
        yield Edit(MASTER_CF, edit, why)
    if not submission.auth_on_smtp:
        if on:
            yield from restrictions.unguarded_senders(postfix, service)
        return
    if service in _stricter(wanted):
        yield Note(f"{_keeps_inside(service)}; kept")
    elif auth_only := _auth_only(postfix, service, require_tls=submission.require_tls):
        edit = mastercf.SetOption(service.name, service.type, "smtpd_tls_auth_only", auth_only)
        yield Edit(MASTER_CF, edit, _WHY["smtpd_tls_auth_only"])
    yield from restrictions.let_users_through(postfix, service)


def _auth_only(postfix: Postfix, service: Service, *, require_tls: bool) -> str:
    """Return what smtpd_tls_auth_only has to become on port 25, whose level [tls] sets; empty: as it is."""
    if require_tls:
        return "" if postfix.auth_in_tls_only(service) else "yes"
    return "no" if postfix.yes("smtpd_tls_auth_only", service) else ""


def read(host: Host) -> Submission | None:
    """Return which services offer AUTH today; None if Postfix has no AUTH at all."""
    postfix = host.settled_postfix
    users = {name: [s for s in postfix.services_at(name) if s in postfix.auth_services] for name in NAMES}
    smtp = [s for s in postfix.smtp_services if s in postfix.auth_services]
    submitting = [service for services in users.values() for service in services]
    everyone = [*submitting, *smtp]
    if not everyone:
        return None
    chroots = {postfix.chrooted(s) for s in submitting}
    choice = (
        ChrootChoice.KEEP if len(chroots) != 1 else ChrootChoice.YES if True in chroots else ChrootChoice.NO
    )
    return Submission(
        services=tuple(name for name, services in users.items() if services),
        require_tls=all(postfix.auth_in_tls_only(s) for s in everyone),
        auth_on_smtp=bool(smtp),
        chroot=choice,
    )


def notes(host: Host) -> Iterator[str]:
    """Yield what the section can't express: smtpd services with AUTH on other ports."""
    for service in host.settled_postfix.stray_auth_services:
        yield f"set by hand: the service {service.key} in master.cf offers AUTH as well"


def differences(host: Host) -> Iterator[str]:
    """Yield which services do more, or do it in another way, than the section says."""
    postfix = host.settled_postfix
    for service in postfix.services_at("submission"):
        if _wrapped_by_hand(postfix, service):
            yield _wraps(service)
    for service in _inside_tls(postfix, postfix.auth_services):
        if service not in postfix.services_at("submissions"):
            yield _keeps_inside(service)
