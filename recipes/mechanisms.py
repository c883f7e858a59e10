"""Which mechanisms are offered, and when: mech_list in smtpd.conf (or Dovecot), security options in main.cf.

``noplaintext`` hides PLAIN and LOGIN; ``smtpd_sasl_tls_security_options`` says the same inside TLS. An smtpd
whose options leave no mechanism at all dies at every connection, so each combination is checked first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recipes import bypass, dovecot, dovecot_facts, measured, submission
from recipes.backend import offered, smtpd_conf_path
from recipes.mechanism_words import word
from wizard.errors import PolicyError
from wizard.formats import maincf, mastercf, smtpdconf
from wizard.host import MAIN_CF, MASTER_CF
from wizard.policy import Mechanisms, Plaintext
from wizard.sasl import PLAINTEXT, PREFERENCE
from wizard.steps import Edit, Note, by_hand, set_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from recipes.backend import BackendRecipe
    from wizard.host import Host
    from wizard.postfix import Postfix, Service
    from wizard.steps import Step, Wanted

_PLAIN_OPTIONS, _TLS_OPTIONS = "smtpd_sasl_security_options", "smtpd_sasl_tls_security_options"
_ALWAYS, _HIDES = frozenset({"noanonymous"}), frozenset({"noplaintext"})
_WHY = "when PLAIN and LOGIN may be used"
_STRICT = (Plaintext.ALWAYS, Plaintext.TLS_ONLY, Plaintext.NEVER)


def steps(wanted: Wanted, recipe: BackendRecipe) -> Iterator[Step]:
    """Yield mech_list and the security options that the policy's ``plaintext`` and ``require_tls`` mean."""
    given = wanted.given
    if wanted.policy.mechanisms is None or not (given.mechanisms or given.backend or given.submission):
        return
    offer = _without_hidden(wanted.policy.mechanisms.plaintext, offered(wanted.policy, recipe))
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
    if recipe.sasl_type == "dovecot":
        yield from dovecot.offer(wanted, offer)
    else:
        yield from _mech_list(wanted, (not past and _kept(wanted)) or offer)
    outlook = wanted.policy.mechanisms is not None and wanted.policy.mechanisms.outlook_compatible
    why = "announces AUTH= as Outlook 2003 wants it"
    yield from set_for(wanted, "broken_sasl_auth_clients", "yes" if outlook else "no", why)


def _kept(wanted: Wanted) -> tuple[str, ...]:
    """Return what the back end in force offers, be it known here or not, where neither is to change."""
    given, found = wanted.given, wanted.in_force
    same = found.backend is not None and type(found.backend) is type(wanted.policy.backend)
    return found.mechanisms.offer if given.mechanisms is None and same and found.mechanisms else ()


def _without_hidden(plaintext: Plaintext, offer: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in offer if plaintext is not Plaintext.NEVER or name not in PLAINTEXT)


def _mech_list(wanted: Wanted, offer: tuple[str, ...]) -> Iterator[Step]:
    # noplaintext hides what else is listed, as long as that is all
    if _without_hidden(_asked(wanted), wanted.host.smtpd_conf.mech_list) != offer:
        path = smtpd_conf_path(wanted.host)
        yield Edit(
            path, smtpdconf.SetKey("mech_list", " ".join(offer)), "offers what the back end can verify"
        )


def _refuse_dead_ends(wanted: Wanted, offer: tuple[str, ...]) -> None:
    plaintext, asked = _asked(wanted), wanted.policy.submission
    if not offer:
        raise PolicyError(
            "mechanisms.offer", 'nothing would be left: plaintext = "never" takes PLAIN and LOGIN away'
        )
    before_tls = asked is not None and not asked.require_tls
    if plaintext is Plaintext.TLS_ONLY and before_tls and PLAINTEXT.issuperset(offer):
        raise PolicyError(
            "submission.require_tls",
            'false leaves nothing to offer before TLS: with plaintext = "tls-only" that takes a mechanism '
            "which does not send the password, such as SCRAM-SHA-256",
        )


@dataclass(frozen=True, slots=True)
class _Flags:
    """The security options before TLS and inside it. ``covered``: there is no AUTH before TLS anyway."""

    before: frozenset[str]
    inside: frozenset[str]
    covered: bool

    @property
    def plaintext(self) -> Plaintext:
        """What they say of PLAIN and LOGIN."""
        if self.inside >= _HIDES:
            return Plaintext.NEVER
        return Plaintext.TLS_ONLY if self.covered or self.before >= _HIDES else Plaintext.ALWAYS

    def as_asked(self, plaintext: Plaintext) -> _Flags:
        """Return them as ``plaintext`` wants them; a flag somebody chose beyond ours stays."""
        inside = self.inside | _HIDES if plaintext is Plaintext.NEVER else self.inside - _HIDES
        if plaintext is Plaintext.ALWAYS:
            before = self.before - _HIDES
        elif plaintext is Plaintext.TLS_ONLY and self.covered:
            before = self.before
        else:
            before = self.before | _HIDES
        return replace(self, before=before | _ALWAYS, inside=inside | _ALWAYS)


def _flags(postfix: Postfix, service: Service | None, *, inside_tls: bool) -> _Flags:
    """Return those of ``service``, or of main.cf; ``inside_tls``: whether AUTH is there inside TLS only."""
    before, inside = (postfix.sasl_options(service, inside_tls=way) for way in (False, True))
    # who has written them down has said that they, not smtpd_tls_auth_only, decide
    return _Flags(before, inside, inside_tls and _PLAIN_OPTIONS not in postfix.explicit)


def _own(services: Iterable[Service]) -> tuple[Service, ...]:
    """Return those of ``services`` that have options of their own."""
    return tuple(s for s in services if _PLAIN_OPTIONS in s.options or _TLS_OPTIONS in s.options)


def _in_force(postfix: Postfix, services: Iterable[Service]) -> Plaintext:
    """Return what all of ``services`` have at least."""
    found = (_flags(postfix, each, inside_tls=postfix.auth_in_tls_only(each)).plaintext for each in services)
    return min(found, key=_STRICT.index, default=Plaintext.NEVER)


def _asked(wanted: Wanted) -> Plaintext:
    return wanted.policy.mechanisms.plaintext if wanted.policy.mechanisms else Plaintext.TLS_ONLY


def _asks_for_less(wanted: Wanted) -> bool:
    """Whether every service is stricter than the policy; then it is meant, else what is stricter stays."""
    return not wanted.staying or _stricter(_in_force(wanted.postfix, wanted.staying), _asked(wanted))


def _wished(wanted: Wanted, have: _Flags) -> _Flags:
    asked = _asked(wanted)
    stays = not _asks_for_less(wanted) and not _stricter(asked, have.plaintext)
    return have if stays else have.as_asked(asked)


def _options(wanted: Wanted, offer: tuple[str, ...]) -> Iterator[Step]:
    """Yield the options of main.cf, and of each service that has some of its own."""
    postfix, own = wanted.postfix, _own(wanted.serving)
    have = _flags(postfix, None, inside_tls=_main_inside_tls(wanted))
    used = wanted.opens or len(own) < len(wanted.serving) or not own
    main = _wished(wanted, have) if used else have
    if _asked(wanted) is Plaintext.TLS_ONLY and (not main.before >= _HIDES or PLAINTEXT.issuperset(offer)):
        yield from _strays_inside_tls(wanted)
    unsaid = used and _asked(wanted) is Plaintext.ALWAYS and have.covered and _asks_for_less(wanted)
    if main.before != have.before or unsaid:
        yield Edit(MAIN_CF, maincf.SetParameter(_PLAIN_OPTIONS, _listed(main.before)), _WHY)
    # its default follows the other one, so it must be written as soon as the two differ
    follows = f"${_PLAIN_OPTIONS}" in postfix.parameters.get(_TLS_OPTIONS, "")
    written = main.inside != (main.before if follows else have.inside)
    if written:
        yield Edit(MAIN_CF, maincf.SetParameter(_TLS_OPTIONS, _listed(main.inside)), _WHY)
    for service in own:
        yield from _own_options(wanted, service, main, follows=follows and not written)


def _main_inside_tls(wanted: Wanted) -> bool:
    """Whether main.cf's options count inside TLS only: for all services that have none of their own."""
    usual = [service for service in wanted.serving if service not in wanted.postfix.stray_auth_services]
    heirs = [service for service in usual if service not in _own(usual)]
    required = wanted.policy.submission is None or wanted.policy.submission.require_tls
    new = wanted.opens or not usual
    return all(submission.inside_tls_after(wanted, each) for each in heirs) and (required or not new)


def _own_options(wanted: Wanted, service: Service, main: _Flags, *, follows: bool) -> Iterator[Step]:
    """Yield what ``service`` needs beside what it will inherit from ``main``; ``follows``: a default does."""
    postfix = wanted.postfix
    have = _flags(postfix, service, inside_tls=submission.inside_tls_after(wanted, service))
    want = _wished(wanted, have)
    before = have.before if _PLAIN_OPTIONS in service.options else main.before
    inherited = want.before if follows else main.inside
    inside = have.inside if _TLS_OPTIONS in service.options else inherited
    for name, wish, now in ((_PLAIN_OPTIONS, want.before, before), (_TLS_OPTIONS, want.inside, inside)):
        if wish != now:
            edit = mastercf.SetOption(service.name, service.type, name, ",".join(sorted(wish)))
            yield Edit(MASTER_CF, edit, _WHY)
    if _stricter(want.plaintext, _asked(wanted)):
        yield Note(f"{_keeps(postfix, service)}; kept")


def _stricter(one: Plaintext, other: Plaintext) -> bool:
    return _STRICT.index(one) > _STRICT.index(other)


def _keeps(postfix: Postfix, service: Service) -> str:
    name = _PLAIN_OPTIONS if _PLAIN_OPTIONS in service.options else _TLS_OPTIONS
    return by_hand(service, name, postfix.value(name, service))


def _strays_inside_tls(wanted: Wanted) -> Iterator[Step]:
    """Yield what keeps AUTH inside TLS on ports that no policy speaks of.

    Otherwise they would take passwords in the clear, or with noplaintext have no mechanism left and die at
    every connection, even of those who don't log in, such as a content filter that hands mail back.
    """
    for service in wanted.postfix.stray_auth_services:
        if not wanted.postfix.auth_in_tls_only(service):
            edit = mastercf.SetOption(service.name, service.type, "smtpd_tls_auth_only", "yes")
            yield Edit(MASTER_CF, edit, 'plaintext = "tls-only" holds on this port as well')


def _listed_for_libsasl(host: Host) -> tuple[str, ...]:
    # libsasl wants blanks; who wrote commas meant the same
    meant = tuple(" ".join(host.smtpd_conf.mech_list).replace(",", " ").split())
    listed = meant or tuple(name for name in PREFERENCE if name in host.mechanisms)
    # noanonymous is Postfix's default, and no policy may ask for what it hides
    return tuple(name for name in listed if name != "ANONYMOUS")


def _listed(flags: frozenset[str]) -> str:
    return ", ".join(sorted(flags | _ALWAYS))


def read(host: Host) -> Mechanisms | None:
    """Return what is offered today; without a mech_list that is whatever is installed."""
    postfix = host.settled_postfix
    if not postfix.auth_services:
        return None
    service = postfix.auth_services[0]
    by_dovecot = postfix.value("smtpd_sasl_type", service) == "dovecot"
    listed = dovecot_facts.offered_now(host) if by_dovecot else _listed_for_libsasl(host)
    plaintext = _in_force(postfix, postfix.auth_services)
    offer = _without_hidden(plaintext, listed) or listed
    return Mechanisms(offer, plaintext, postfix.yes("broken_sasl_auth_clients", service))


def differences(host: Host) -> Iterator[str]:
    """Yield which services hide PLAIN and LOGIN more than the section says."""
    postfix = host.settled_postfix
    loosest = _in_force(postfix, postfix.auth_services)
    for service in _own(postfix.auth_services):
        if _stricter(_in_force(postfix, (service,)), loosest):
            yield _keeps(postfix, service)
