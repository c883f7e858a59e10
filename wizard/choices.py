"""What can be chosen on this host, and why the rest can't: the wizard's lists, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import recipes
from recipes import dovecot_facts, measured
from recipes.dovecot import DOVECOT
from recipes.mechanism_words import word
from wizard.policy import BACKENDS, Dovecot, SaslauthdPam
from wizard.sasl import PREFERENCE

if TYPE_CHECKING:
    from recipes.backend import BackendRecipe
    from wizard.host import Host
    from wizard.policy import Backend


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that may be chosen. ``about``: what it is for; ``off``: why it can't be, empty if it can."""

    value: str
    title: str
    about: str
    off: str = ""
    recommended: bool = False


def backends(host: Host) -> tuple[Choice, ...]:
    """Return every back end, the ones that can't be set up on ``host`` with the reason."""
    known = (recipes.shown(kind) for kind in BACKENDS.values())
    return tuple(
        Choice(
            shown.kind.type,
            shown.title,
            shown.about,
            off=shown.hopeless(host),
            recommended=shown.kind is SaslauthdPam,
        )
        for shown in known
    )


def mechanisms(host: Host, backend: Backend) -> tuple[Choice, ...]:
    """Return every mechanism in the order to offer them, with the reason where ``backend`` can't serve it."""
    if isinstance(backend, Dovecot):
        return tuple(_dovecots_mechanism(host, name, backend) for name in PREFERENCE)
    recipe = recipes.recipe_of(type(backend))
    return tuple(_mechanism(host, name, recipe, backend) for name in PREFERENCE)


def _dovecots_mechanism(host: Host, name: str, backend: Dovecot) -> Choice:
    offered = () if backend.configure else dovecot_facts.answer(backend.address, host)
    off = _unserved(name, DOVECOT, backend)
    if not off and offered and name not in offered:
        off = f"Dovecot at {backend.address} does not offer it: see its auth_mechanisms"
    if not offered:
        off = off or dovecot_facts.refusal(host, name)
    return Choice(name, name, str(word(name)), off, recommended=name in DOVECOT.usual)


def _mechanism(host: Host, name: str, recipe: BackendRecipe, backend: Backend) -> Choice:
    off = _unserved(name, recipe, backend)
    if not off and host.platform.package_of(name) is None:
        off = f"{host.platform.name} has no plugin for it"
    return Choice(name, name, str(word(name)), off, recommended=name in recipe.usual)


def _unserved(name: str, recipe: BackendRecipe, backend: Backend) -> str:
    """Return why the back end can't serve the mechanism, as measured; empty: it can."""
    return "" if name in recipe.serves else measured.refusal(backend.type, name)


def usual_mechanisms(backend: Backend) -> tuple[str, ...]:
    """Return what ``backend`` offers unless told otherwise."""
    return recipes.recipe_of(type(backend)).usual


def has_realms(backend: Backend) -> bool:
    """Whether there may be a domain in the names of ``backend``'s accounts, so that a realm finds them."""
    return recipes.shown(type(backend)).domains


def owns_accounts(backend: Backend) -> bool:
    """Whether accounts are made in ``backend`` itself, so that one can be made for a test."""
    return recipes.recipe_of(type(backend)).owns_accounts
