"""What is to be tested, and what is expected: the list of tests that follows from a policy.

Nothing is ever sent: a test goes up to RCPT at most. ``derive`` makes the list, ``run`` works it off.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from wizard import check_probes as probes
from wizard import check_words as words
from wizard.check_caller import Account, Target
from wizard.check_certificate import certificate
from wizard.check_run import Check, Probe, Result, Stage, as_json, run
from wizard.sasl_client import PLAINTEXT, SPOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Account", "Check", "Result", "Stage", "Target", "as_json", "derive", "run"]


def derive(
    targets: Sequence[Target], account: Account | None, *, stranger_source: str = ""
) -> tuple[Check, ...]:
    """Say what is to be tested on ``targets``.

    ``account`` may log in; None: what needs one is skipped. ``stranger_source`` is an address of this host
    outside mynetworks; "": there is none.
    """
    return tuple(
        check
        for target in targets
        for check in (
            *_greeting_and_tls(target),
            *_offers(target),
            *_logins(target, account),
            *_relaying(target, account, stranger_source),
        )
    )


def _greeting_and_tls(target: Target) -> Iterator[Check]:
    yield Check(target, "greeting", Stage.GREETING, "greeting, EHLO", "220, EHLO answered", probes.greeting)
    if not target.has_tls:
        yield Check(target, "tls", Stage.TLS, "no TLS", "STARTTLS is not offered", probes.tls_absent)
        return
    title = "TLS from the start" if target.wrapper else "STARTTLS"
    only = ", and nothing before it" if target.tls == "encrypt" and not target.wrapper else ""
    yield Check(target, "tls", Stage.TLS, title, f"{title} works{only}", probes.tls_works)
    names = ", ".join(target.names)
    title = f"certificate {names}".strip()
    expected = f"valid{' for ' if names else ''}{names}" + (
        ", the one in the file" if target.fingerprint else ""
    )
    yield Check(target, "certificate", Stage.OFFERS, title, expected, certificate)


def _offers(target: Target) -> Iterator[Check]:
    before, after = target.auth_before_tls, target.auth_after_tls
    if not target.wrapper:
        title, expected = "AUTH before TLS" if before else "no AUTH before TLS", probes.offered(before)
        yield Check(target, "offer.clear", Stage.TLS, title, expected, probes.offer_in_clear)
        refused = tuple(dict.fromkeys(name for name in (*after, *sorted(PLAINTEXT)) if name not in before))
        if refused:
            probe = partial(probes.auth_refused_in_clear, mechanisms=refused)
            title = f"{'further ' if before else ''}AUTH refused before TLS"
            yield Check(target, "auth.clear", Stage.TLS, title, "refused", probe)
    if target.has_tls:
        title = "AUTH over TLS" if after else "no AUTH over TLS"
        yield Check(target, "offer.tls", Stage.OFFERS, title, probes.offered(after), probes.offer_over_tls)


def _logins(target: Target, account: Account | None) -> Iterator[Check]:
    for mechanism in target.mechanisms:
        name, title = mechanism.lower(), f"{mechanism}, right password"
        probe = _right_password(target, account, mechanism)
        yield Check(target, f"{name}.right", Stage.LOGINS, title, "235", probe)
        title, probe = f"{mechanism}, wrong password refused", _wrong_password(account, mechanism)
        yield Check(target, f"{name}.wrong", Stage.WRONG_PASSWORDS, title, "535", probe)


def _right_password(target: Target, account: Account | None, mechanism: str) -> Probe:
    if mechanism not in SPOKEN:
        return partial(probes.skipped, why=words.unspoken(mechanism))
    if account is None:
        return partial(probes.skipped, why=words.NO_ACCOUNT)
    if not _may_say(target, mechanism):
        return partial(probes.skipped, why=words.NOT_IN_CLEAR)
    return partial(probes.right_password, mechanism=mechanism, account=account)


def _wrong_password(account: Account | None, mechanism: str) -> Probe:
    if mechanism not in SPOKEN:
        return partial(probes.skipped, why=words.unspoken(mechanism))
    user = account.user if account and account.disposable else ""
    return partial(probes.wrong_password, mechanism=mechanism, user=user)


def _may_say(target: Target, mechanism: str) -> bool:
    """Whether the right password may be said: under TLS, to this host, or never in clear."""
    return target.has_tls or target.is_loopback or mechanism not in PLAINTEXT


def _relaying(target: Target, account: Account | None, stranger_source: str) -> Iterator[Check]:
    source = stranger_source if "." in target.host else ""  # IPv4 both, or neither
    if target.open_to:
        source = ""  # this host is no better known there than a stranger
    probe: Probe = probes.stranger_relays
    if target.trusts_networks and not source and not target.open_to:
        probe = partial(probes.skipped, why=words.NO_STRANGER)
    stage = Stage.LOGINS if target.needs_tls else Stage.TLS
    title = "no relaying without a log-in"
    yield Check(target, "relay.stranger", stage, title, "refused", probe, source_address=source)
    if target.mechanisms:
        # whoever is in mynetworks may relay anyway: the login has to do it
        probe, title = _user_relays(target, account), "relaying after a log-in"
        yield Check(target, "relay.user", Stage.LOGINS, title, "250", probe, source_address=source)


def _user_relays(target: Target, account: Account | None) -> Probe:
    if account is None:
        return partial(probes.skipped, why=words.NO_ACCOUNT)
    usable = tuple(name for name in target.mechanisms if name in SPOKEN and _may_say(target, name))
    if not usable:
        return partial(probes.skipped, why=words.NOTHING_TO_LOG_IN_WITH)
    return partial(probes.user_relays, mechanisms=usable, account=account)
