"""Which packages a policy needs on this host, as the platform's table knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipes import dovecot
from recipes.backend import offered
from wizard.lookup import LDAP_CONF
from wizard.policy import AuxpropLdapdb, LdapdbStarttls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recipes.backend import BackendRecipe
    from wizard.host import Host
    from wizard.policy import Backend, Policy


def needed(policy: Policy, host: Host, recipe: BackendRecipe | None) -> tuple[str, ...]:
    """Return the packages that are not installed yet, in the order in which they are named to the admin."""
    found = list(host.missing("postfix"))
    if recipe and policy.backend:
        by_dovecot = recipe.sasl_type == "dovecot"
        found += dovecot.packages(policy, host) if by_dovecot else _sasl(policy, host, recipe)
    if policy.smarthost and policy.smarthost.user:
        found += host.missing("mechanisms")
    return tuple(dict.fromkeys(found))


def _trust_is_missing(backend: Backend | None, host: Host) -> bool:
    """Whether a directory's certificate would be checked, and nothing says who may vouch for it."""
    if not isinstance(backend, AuxpropLdapdb) or backend.rc or host.root.path(LDAP_CONF).exists():
        return False
    return backend.starttls is LdapdbStarttls.DEMAND or "ldaps://" in backend.uri


def _sasl(policy: Policy, host: Host, recipe: BackendRecipe) -> Iterator[str]:
    yield from host.missing(*recipe.needs)
    if _trust_is_missing(policy.backend, host):
        yield from host.missing("ldap_authorities")
    for mechanism in offered(policy, recipe):
        package = host.platform.package_of(mechanism)
        if package and package not in host.packages:
            yield package
