"""Which mechanisms are offered, and when: mech_list in smtpd.conf (or Dovecot), security options in main.cf.

``noplaintext`` hides PLAIN and LOGIN; ``smtpd_sasl_tls_security_options`` says the same inside TLS. An smtpd
whose options leave no mechanism at all dies at every connection, so each combination is checked first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipes import bypass, dovecot, dovecot_facts, measured
from recipes.backend import offered, smtpd_conf_path
from recipes.mechanism_words import word
from wizard.errors import PolicyError
from wizard.formats import maincf, mastercf, smtpdconf
from wizard.host import MAIN_CF, MASTER_CF
from wizard.policy import Mechanisms, Plaintext
from wizard.sasl import PLAINTEXT, PREFERENCE
from wizard.steps import Act, Edit, Note, set_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recipes.backend import BackendRecipe
    from wizard.host import Host
    from wizard.postfix import Postfix
    from wizard.steps import Step, Wanted

_PLAIN_OPTIONS, _TLS_OPTIONS = "smtpd_sasl_security_options", "smtpd_sasl_tls_security_options"
_ALWAYS = frozenset({"noanonymous"})


def steps(wanted: Wanted, recipe: BackendRecipe) -> Iterator[Step]:
    """Yield mech_list and the security options that the policy's ``plaintext`` and ``require_tls`` mean."""
    given = wanted.given
    if wanted.policy.mechanisms is None or not (given.mechanisms or given.backend or given.submission):
        return
    offer = offered(wanted.policy, recipe)
    if wanted.policy.mechanisms.plaintext is Plaintext.NEVER:
        offer = tuple(name for name in offer if name not in PLAINTEXT)
    _refuse_dead_ends(wanted, offer)
    if given.mechanisms or given.backend:
        yield from _offer(wanted, recipe, offer)
    # what plaintext takes depends on require_tls, so the submission section alone may change it
    yield from _options(wanted, offer)


def _offer(wanted: Wanted, recipe: BackendRecipe, offer: tuple[str, ...]) -> Iterator[Step]:
    if past := bypass.found(wanted.host):
        yield Note(f"{past}. That ends now")
    for name in offer:
        if measured.beside(recipe.types[0].type, name):
            yield Note(f"{name}: whoever has a Kerberos ticket is let in, though no passdb may know him")
        if outdated := word(name).outdated:
            yield Note(f"{name} is outdated: {outdated} ({word(name).source})")
    yield from dovecot.offer(wanted, offer) if recipe.sasl_type == "dovecot" else _mech_list(wanted, offer)
    outlook = wanted.policy.mechanisms is not None and wanted.policy.mechanisms.outlook_compatible
    why = "announces AUTH= as Outlook 2003 wants it"
    yield from set_for(wanted, "broken_sasl_auth_clients", "yes" if outlook else "no", why)


def _mech_list(wanted: Wanted, offer: tuple[str, ...]) -> Iterator[Step]:
    if wanted.host.smtpd_conf.mech_list != offer:
        path = smtpd_conf_path(wanted.host)
        yield Edit(
            path, smtpdconf.SetKey("mech_list", " ".join(offer)), "offers what the back end can verify"
        )
        yield Act("postfix", "reload", "reads smtpd.conf anew")


def _refuse_dead_ends(wanted: Wanted, offer: tuple[str, ...]) -> None:
    mechanisms, submission = wanted.policy.mechanisms, wanted.policy.submission
    plaintext = mechanisms.plaintext if mechanisms else Plaintext.TLS_ONLY
    if not offer:
        raise PolicyError(
            "mechanisms.offer", 'nothing would be left: plaintext = "never" takes PLAIN and LOGIN away'
        )
    before_tls = submission is not None and not submission.require_tls
    if plaintext is Plaintext.TLS_ONLY and before_tls and PLAINTEXT.issuperset(offer):
        raise PolicyError(
            "submission.require_tls",
            'false leaves nothing to offer before TLS: with plaintext = "tls-only" that takes a mechanism '
            "which does not send the password, such as SCRAM-SHA-256",
        )


def _options(wanted: Wanted, offer: tuple[str, ...]) -> Iterator[Step]:
    postfix = wanted.postfix
    plaintext = wanted.policy.mechanisms.plaintext if wanted.policy.mechanisms else Plaintext.TLS_ONLY
    submission = wanted.policy.submission
    tls_first = submission is None or submission.require_tls
    before, inside = _flags(postfix, _PLAIN_OPTIONS), _flags(postfix, _TLS_OPTIONS)
    why = "when PLAIN and LOGIN may be used"
    if plaintext is Plaintext.NEVER:
        want_before, want_inside = before | {"noplaintext"}, inside | {"noplaintext"}
    elif plaintext is Plaintext.ALWAYS:
        want_before, want_inside = before - {"noplaintext"}, inside - {"noplaintext"}
    elif tls_first and _PLAIN_OPTIONS not in postfix.explicit:
        want_before, want_inside = before, inside - {"noplaintext"}  # smtpd_tls_auth_only sees to it
    else:
        want_before, want_inside = before | {"noplaintext"}, inside - {"noplaintext"}
    if plaintext is Plaintext.TLS_ONLY and ("noplaintext" not in want_before or PLAINTEXT.issuperset(offer)):
        yield from _strays_inside_tls(wanted)
    explicit = plaintext is Plaintext.ALWAYS and tls_first and _PLAIN_OPTIONS not in postfix.explicit
    yield from _set_options(wanted, _PLAIN_OPTIONS, want_before, before, why, always=explicit)
    # its default follows the other one, so it must be written as soon as the two differ
    follows = f"${_PLAIN_OPTIONS}" in postfix.parameters.get(_TLS_OPTIONS, "")
    differs = want_inside | _ALWAYS != want_before | _ALWAYS
    if follows and differs:
        yield Edit(MAIN_CF, maincf.SetParameter(_TLS_OPTIONS, _listed(want_inside)), why)
    yield from _set_options(wanted, _TLS_OPTIONS, want_inside, want_inside if follows else inside, why)


def _strays_inside_tls(wanted: Wanted) -> Iterator[Step]:
    """Yield what keeps AUTH inside TLS on ports that no policy speaks of.

    Otherwise they would take passwords in the clear, or with noplaintext have no mechanism left and die at
    every connection, even of those who don't log in, such as a content filter that hands mail back.
    """
    for service in wanted.postfix.stray_auth_services:
        if not wanted.postfix.auth_in_tls_only(service):
            edit = mastercf.SetOption(service.name, service.type, "smtpd_tls_auth_only", "yes")
            yield Edit(MASTER_CF, edit, 'plaintext = "tls-only" holds on this port as well')
            yield Act("postfix", "reload", f"reads the service {service.name} anew")


def _set_options(
    wanted: Wanted, name: str, want: frozenset[str], have: frozenset[str], why: str, *, always: bool = False
) -> Iterator[Step]:
    """Yield what gives ``name`` the flags ``want``; a flag somebody chose beyond ours stays."""
    want |= _ALWAYS
    value = _listed(want)
    if always:
        yield Edit(MAIN_CF, maincf.SetParameter(name, value), why)
    elif want != have:
        yield from set_for(wanted, name, value, why)
    else:
        for service in wanted.postfix.auth_services:
            if name in service.options and _split(service.options[name]) != want:
                yield from set_for(wanted, name, value, why)


def _listed_for_libsasl(host: Host) -> tuple[str, ...]:
    # libsasl wants blanks; who wrote commas meant the same
    meant = tuple(" ".join(host.smtpd_conf.mech_list).replace(",", " ").split())
    listed = meant or tuple(name for name in PREFERENCE if name in host.mechanisms)
    # noanonymous is Postfix's default, and no policy may ask for what it hides
    return tuple(name for name in listed if name != "ANONYMOUS")


def _listed(flags: frozenset[str]) -> str:
    return ", ".join(sorted(flags | _ALWAYS))


def _flags(postfix: Postfix, name: str) -> frozenset[str]:
    return _split(postfix.value(name))


def _split(value: str) -> frozenset[str]:
    return frozenset(value.replace(",", " ").split())


def read(host: Host) -> Mechanisms | None:
    """Return what is offered today; without a mech_list that is whatever is installed."""
    postfix = host.settled_postfix
    if not postfix.auth_services:
        return None
    service = postfix.auth_services[0]
    by_dovecot = postfix.value("smtpd_sasl_type", service) == "dovecot"
    listed = dovecot_facts.offered_now(host) if by_dovecot else _listed_for_libsasl(host)
    tls_first = all(postfix.auth_in_tls_only(s) for s in postfix.auth_services)
    before = _split(postfix.value(_PLAIN_OPTIONS, service))
    if "noplaintext" in _split(postfix.value(_TLS_OPTIONS, service)):
        plaintext = Plaintext.NEVER
    elif "noplaintext" in before or (tls_first and _PLAIN_OPTIONS not in postfix.explicit):
        plaintext = Plaintext.TLS_ONLY
    else:
        plaintext = Plaintext.ALWAYS
    return Mechanisms(listed, plaintext, postfix.yes("broken_sasl_auth_clients", service))
