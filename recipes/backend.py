"""What a back end is made of. A new one is a module with a :class:`BackendRecipe`, named in ``recipes``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recipes import measured
from wizard.errors import PolicyError
from wizard.formats import smtpdconf
from wizard.sasl import application
from wizard.steps import Edit, Note, by_hand, set_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from recipes.shown import Shown
    from recipes.user_names import Names
    from wizard.host import Host
    from wizard.policy import Backend, Policy
    from wizard.steps import Step, Wanted


@dataclass(frozen=True, slots=True)
class BackendRecipe:
    """One family of back ends, as data and three functions.

    ``shown``: its back ends, whose mechanisms are the same. ``needs``: capabilities of the platform's
    package table. ``usual``: the mechanisms it offers unless told.
    ``owns_accounts``: whether a test account can be made in it. ``keys``: its entries in smtpd.conf.
    ``steps``: whatever else it needs. ``read``: the same back from a host, None if it is another one.
    ``names``: how it looks up user names on a host where it is in force.
    ``sasl_type``: whom smtpd asks, the SASL library or Dovecot (postconf(5), smtpd_sasl_type).
    """

    shown: tuple[Shown, ...]
    needs: tuple[str, ...]
    usual: tuple[str, ...]
    owns_accounts: bool
    keys: Callable[[Wanted], Mapping[str, str]]
    steps: Callable[[Wanted], Iterator[Step]]
    read: Callable[[Host], Backend | None]
    names: Callable[[Host], Names]
    sasl_type: str = "cyrus"

    @property
    def types(self) -> tuple[type[Backend], ...]:
        """The policy classes it handles."""
        return tuple(shown.kind for shown in self.shown)

    @property
    def serves(self) -> frozenset[str]:
        """The mechanisms that it can verify, as measured; until then, what it offers unless told."""
        kind = self.types[0].type
        return measured.serves(kind) if kind in measured.table() else frozenset(self.usual)


#: What a back end says in smtpd.conf; each may hold a secret, or say whom to ask with one.
OWN_KEYS = ("pwcheck_method", "auxprop_plugin", "saslauthd_path", "authdaemond_path")
OWN_PREFIXES = ("sql_", "ldapdb_")


def steps(wanted: Wanted, recipe: BackendRecipe) -> Iterator[Step]:
    """Yield what makes smtpd ask this back end: the SASL type, its settings, and the back end's own steps."""
    backend = wanted.policy.backend
    if backend is None:
        return
    why = f"asks the back end {backend.type} (Postfix SASL_README)"
    yield from set_for(wanted, "smtpd_sasl_type", recipe.sasl_type, why)
    if recipe.sasl_type == "cyrus":
        yield from _smtpd_conf(wanted, recipe, why)
    yield from recipe.steps(wanted)


def _smtpd_conf(wanted: Wanted, recipe: BackendRecipe, why: str) -> Iterator[Step]:
    yield from set_for(wanted, "smtpd_sasl_path", application(wanted.postfix), why)
    path = smtpd_conf_path(wanted.host)
    if wanted.host.platform.sasl.honours_config_path and not wanted.postfix.value("cyrus_sasl_config_path"):
        directory = path.rpartition("/")[0]
        if directory not in wanted.host.platform.sasl.configuration:
            yield from set_for(wanted, "cyrus_sasl_config_path", directory, "says where smtpd.conf is")
    found = wanted.host.smtpd_conf
    for stray in found.shadowed:
        yield Note(f"{stray} is not read by this Postfix; {path} is")
    keys = recipe.keys(wanted)
    for key in found.keys:
        if key not in keys and (key in OWN_KEYS or key.startswith(OWN_PREFIXES)):
            yield Edit(path, smtpdconf.DropKey(key), "belongs to another back end")
    for key, value in keys.items():
        if found.keys.get(key) != value or key in smtpdconf.SECRETS:  # owner and mode may be wrong as well
            yield Edit(path, smtpdconf.SetKey(key, value), why)


def asked(host: Host) -> str:
    """Return whom smtpd asks today: dovecot, saslauthd, auxprop; empty: nobody yet."""
    postfix = host.postfix
    if postfix is None or not postfix.auth_services:
        return ""
    if postfix.auth_values("smtpd_sasl_type")[0] == "dovecot":
        return "dovecot"
    return host.smtpd_conf.methods[0] if host.smtpd_conf.methods else ""


def configured(host: Host) -> bool:
    """Whether somebody has said whom smtpd is to ask, though it may not ask yet."""
    by_dovecot = host.settled_postfix.value("smtpd_sasl_type") == "dovecot"
    return by_dovecot or "pwcheck_method" in host.smtpd_conf.keys


def smtpd_conf_path(host: Host) -> str:
    """Return where smtpd.conf is, or is to be made: the distribution's own place if there is none yet."""
    found = host.smtpd_conf
    return found.path if found.exists or not _unset(host) else "/etc/postfix/sasl/smtpd.conf"


def _unset(host: Host) -> bool:
    return host.platform.sasl.honours_config_path and not host.settled_postfix.value("cyrus_sasl_config_path")


def offered(policy: Policy, recipe: BackendRecipe) -> tuple[str, ...]:
    """Return the mechanisms to offer, in order.

    Raises:
        PolicyError: when the back end can't verify one of them.

    """
    mechanisms = policy.mechanisms
    chosen = mechanisms.offer if mechanisms and mechanisms.offer else recipe.usual
    for mechanism in chosen:
        if mechanism not in recipe.serves:
            kind = policy.backend.type if policy.backend else recipe.types[0].type
            why = measured.refusal(kind, mechanism)
            raise PolicyError("mechanisms.offer", f"must not offer {mechanism} with {kind}: {why}")
    return chosen


def notes(host: Host) -> Iterator[str]:
    """Yield what smtpd.conf says beyond the keys that a policy is made of; nothing where nobody reads it."""
    postfix = host.settled_postfix
    if "cyrus" not in postfix.auth_values("smtpd_sasl_type"):
        return
    conf = host.smtpd_conf
    if len(conf.methods) > 1:
        yield f"set by hand: pwcheck_method asks {' and '.join(conf.methods)}, a policy has one back end"
    for key, value in conf.keys.items():
        if key not in (*OWN_KEYS, "mech_list") and not key.startswith(OWN_PREFIXES):
            yield f"set by hand: {conf.path} has {key}: {value}"
    for stray in conf.shadowed:
        yield f"{stray} is there, but this Postfix does not read it"


def unknown(host: Host) -> str:
    """Return, in words, who checks passwords where that is none of the back ends."""
    whom = asked(host)
    if whom == "saslauthd":
        whom = f"saslauthd by way of {host.saslauthd.mechanism}"
    elif whom == "auxprop":
        plugin = host.smtpd_conf.keys.get("auxprop_plugin", "sasldb")
        whom = f"the plugin {plugin} as {host.smtpd_conf.path} has it"
    return (
        f"set by hand: passwords are checked by {whom or 'nobody'}, which is no back end of a policy, so "
        "[backend] and [mechanisms] are left out"
    )


#: What set_for makes the same for all, and a service may have in another way.
_OF_ALL = (
    "smtpd_sasl_type",
    "smtpd_sasl_path",
    "cyrus_sasl_config_path",
    "smtpd_sasl_local_domain",
    "broken_sasl_auth_clients",
)


def differences(host: Host) -> Iterator[str]:
    """Yield which services ask somebody else, or in another way, than the first that offers AUTH."""
    postfix = host.settled_postfix
    for service in postfix.auth_services[1:]:
        for name in _OF_ALL:
            value = postfix.value(name, service)
            if value != postfix.value(name, postfix.auth_services[0]):
                yield by_hand(service, name, value)
