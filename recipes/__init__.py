"""Recipes turn a policy and a host into steps, and read the policy back; one module a concern.

A new back end is a module with a :class:`~recipes.backend.BackendRecipe`, named in ``BACKENDS``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipes import (
    authorization,
    auxprop,
    backend,
    dovecot,
    dovecot_side,
    fresh,
    ldapdb,
    ldapdb_side,
    leaving,
    mechanisms,
    packages,
    pam,
    sasl_leftovers,
    saslauthd,
    saslauthd_end,
    saslauthd_ldap,
    smarthost,
    sql,
    submission,
    tls,
    typed_password,
)
from wizard import processes, services
from wizard.errors import PolicyError
from wizard.policy import BACKENDS as BACKEND_TYPES
from wizard.policy import Policy
from wizard.steps import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from recipes.backend import BackendRecipe
    from recipes.shown import Shown
    from recipes.user_names import Names
    from wizard.host import Host
    from wizard.policy import Backend
    from wizard.steps import Step, Wanted

BACKENDS: tuple[BackendRecipe, ...] = (
    saslauthd.SYSTEM_USERS,
    saslauthd.SASLDB,
    saslauthd.ELSEWHERE,
    auxprop.SASLDB,
    sql.SQL,
    ldapdb.LDAPDB,
    dovecot.DOVECOT,
)


#: What becomes of each thing that only some back ends need: nothing if the policy's own is one of them.
_LEAVES: tuple[Callable[[Wanted], Iterator[Step]], ...] = (
    saslauthd_end.leave,
    saslauthd_ldap.leave,
    ldapdb_side.leave,
    pam.leave,
    auxprop.leave,
    sql.leave,
    dovecot_side.leave,
    sasl_leftovers.leave,
    typed_password.leave,
)


def backend_recipe(policy: Policy) -> BackendRecipe | None:
    """Return the recipe of the policy's back end; None if the policy has no back end."""
    return recipe_of(type(policy.backend)) if policy.backend else None


def recipe_of(kind: type[Backend]) -> BackendRecipe:
    """Return the recipe that handles ``kind``."""
    return next(recipe for recipe in BACKENDS if kind in recipe.types)


def shown(kind: type[Backend]) -> Shown:
    """Return what an admin is told of ``kind``."""
    return next(face for face in recipe_of(kind).shown if face.kind is kind)


def needed_packages(policy: Policy, host: Host) -> tuple[str, ...]:
    """Return the packages that have to be installed for ``policy``."""
    return packages.needed(policy, host, backend_recipe(policy))


def steps(wanted: Wanted) -> Iterator[Step]:
    """Yield all that has to happen so that the host does what is wanted."""
    recipe = backend_recipe(wanted.policy)
    given = wanted.given
    _refuse_without_backend(wanted)
    yield from fresh.steps(wanted)
    if recipe and (given.backend or given.submission or given.authorization):
        # who may reach the back end depends on the services, what it is told on the realm
        needed = tuple(backend.steps(wanted, recipe))
        yield from needed
        yield from _nothing_at_boot(wanted, recipe)
        yield from _left_behind(wanted, needed)
    if recipe:
        yield from mechanisms.steps(wanted, recipe)
    yield from tls.steps(wanted)
    yield from submission.steps(wanted)
    yield from authorization.steps(wanted)
    yield from smarthost.steps(wanted)


def _left_behind(wanted: Wanted, needed: Sequence[Step]) -> Iterator[Step]:
    """Yield what takes away what only another back end needs; ``needed`` is what this one does."""
    left = [*leaving.places(wanted, needed)]
    if wanted.given.backend:
        left += [step for leave in _LEAVES for step in leave(wanted)]
    yield from left
    yield from leaving.emptied(wanted.host, left)


def _nothing_at_boot(wanted: Wanted, recipe: BackendRecipe) -> Iterator[Note]:
    if not processes.boots(wanted.host.root):
        needed = ("postfix", *(name for name in ("saslauthd", "dovecot") if name in recipe.needs))
        commands = " and ".join(f"'{' '.join(services.by_hand(service, 'start'))}'" for service in needed)
        yield Note(
            "there is no init here, as in a container, so nothing starts services at boot: "
            f"let whatever starts this container run {commands}"
        )


def read(host: Host) -> Policy:
    """Return the policy in force, as far as sections can express it; what they can't is left out."""
    if host.postfix is None:
        return Policy()
    if host.postfix.auth_services:
        kind = host.postfix.auth_values("smtpd_sasl_type")[0]
        found = next((back for r in BACKENDS if r.sasl_type == kind and (back := r.read(host))), None)
    else:
        found = None
    return Policy(
        backend=found,
        mechanisms=mechanisms.read(host) if found else None,
        tls=tls.read(host),
        submission=submission.read(host),
        authorization=authorization.read(host),
        smarthost=smarthost.read(host),
    )


def _refuse_without_backend(wanted: Wanted) -> None:
    submission = wanted.given.submission
    offers = submission is not None and (submission.services or submission.auth_on_smtp)
    # one that somebody set up already, in whatever way, may do
    there = wanted.postfix.auth_services or backend.configured(wanted.host)
    if offers and not wanted.policy.backend and not there:
        raise PolicyError(
            "backend.type",
            "must be given: nobody checks passwords on this host yet, so nobody could log in; add [backend] "
            'with type = "saslauthd-pam" or another of ' + ", ".join(BACKEND_TYPES),
        )


def names(host: Host) -> Names | None:
    """Return how the back end in force looks up user names; None while none is, or none that is known."""
    recipe = backend_recipe(read(host))
    return recipe.names(host) if recipe else None


#: Settings that no section speaks of, though they decide about the same things: kept, and named.
_BEYOND = {
    "smtpd_sender_login_maps": "which sender addresses a user may take",
    "smtpd_sasl_exceptions_networks": "networks that are not offered AUTH",
    "smtpd_sasl_mechanism_filter": "hides some mechanisms",
    "sender_dependent_relayhost_maps": "some senders have another relay host",
    "smtp_sender_dependent_authentication": "some senders have another login at the relay host",
    "smtp_tls_policy_maps": "some destinations have another TLS level",
    "transport_maps": "some destinations have another way out",
}


def notes(host: Host) -> Iterator[str]:
    """Yield what is set by hand and no section of a policy can express."""
    postfix = host.postfix
    if postfix is None:
        return
    for name in sorted(_BEYOND.keys() & postfix.explicit):
        yield f"set by hand: {name} = {postfix.value(name)} ({_BEYOND[name]})"
    yield from tls.notes(host)
    yield from submission.notes(host)
    yield from smarthost.notes(host)
    if postfix.auth_services:
        yield from backend.notes(host)


def differences(host: Host) -> Iterator[str]:
    """Yield where services differ from what a section says of all of them.

    A plan keeps that unless it is about that very setting, and then names what it keeps.
    """
    if host.postfix is None:
        return
    if host.postfix.auth_services and read(host).backend is None:
        yield backend.unknown(host)
    yield from backend.differences(host)
    yield from mechanisms.differences(host)
    yield from tls.differences(host)
    yield from submission.differences(host)
