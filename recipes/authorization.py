"""The realm that is put behind a bare user name: ``smtpd_sasl_local_domain`` (SASL_README)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.policy import Authorization
from wizard.steps import set_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wizard.host import Host
    from wizard.postfix import Service
    from wizard.steps import Step, Wanted

_REALM = "smtpd_sasl_local_domain"


def steps(wanted: Wanted) -> Iterator[Step]:
    """Yield what sets the realm."""
    if wanted.given.authorization is not None:
        domain = wanted.given.authorization.local_domain
        yield from set_for(wanted, _REALM, domain, "the realm of a user name without one")


def read(host: Host) -> Authorization | None:
    """Return the realm in force, None while no smtpd offers AUTH."""
    postfix = host.settled_postfix
    return Authorization(postfix.auth_values(_REALM)[0]) if postfix.auth_services else None


def beside(wanted: Wanted, others: Sequence[Service]) -> Iterator[tuple[str, str]]:
    """Yield the override that gives a new smtpd the realm of the ``others``: users have one name for all."""
    realms = {wanted.postfix.value(_REALM, service) for service in others}
    if wanted.given.authorization is None and len(realms) == 1 and realms != {wanted.postfix.value(_REALM)}:
        yield _REALM, realms.pop()


def differing(host: Host) -> str:
    """Say which realms there are, if a bare name means another account at each smtpd; empty: it does not."""
    postfix = host.settled_postfix
    if len(postfix.auth_values(_REALM)) == 1 or "cyrus" not in postfix.auth_values("smtpd_sasl_type"):
        return ""
    told = (f"{postfix.value(_REALM, each) or 'empty'} for {each.key}" for each in postfix.auth_services)
    return (
        f"{_REALM} is {', '.join(told)}: a name without @ is another account at each of them; "
        "without the -o in master.cf they have one"
    )


def realm(host: Host, local_domain: str) -> str:
    """Return the realm in which smtpd looks a bare name up: the local domain, or its own host name."""
    return local_domain or host.settled_postfix.value("myhostname")
