"""The realm that is put behind a bare user name: ``smtpd_sasl_local_domain`` (SASL_README)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.policy import Authorization
from wizard.steps import Act, Edit, set_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.host import Host
    from wizard.steps import Step, Wanted


def steps(wanted: Wanted) -> Iterator[Step]:
    """Yield what sets the realm."""
    if wanted.given.authorization is not None:
        domain = wanted.given.authorization.local_domain
        why = "the realm of a user name without one"
        edits = tuple(set_for(wanted, "smtpd_sasl_local_domain", domain, why))
        yield from edits
        if any(isinstance(step, Edit) for step in edits):
            yield Act("postfix", "reload", why)


def read(host: Host) -> Authorization | None:
    """Return the realm in force, None while no smtpd offers AUTH."""
    postfix = host.settled_postfix
    services = postfix.auth_services
    return Authorization(postfix.value("smtpd_sasl_local_domain", services[0])) if services else None


def realm(host: Host, local_domain: str) -> str:
    """Return the realm in which smtpd looks a bare name up: the local domain, or its own host name."""
    return local_domain or host.settled_postfix.value("myhostname")
