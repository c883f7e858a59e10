"""The card to hand out: what users type into their mail programs, as it was found to be on this host."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

import recipes
from recipes.tls import certificate_in_use
from wizard.certificates import name_matches
from wizard.policy import SaslauthdGetpwent, SaslauthdPam, SaslauthdShadow, TlsLevel, TlsSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from recipes.user_names import Names
    from wizard.host import Host
    from wizard.policy import Backend, Policy, Submission, Tls

_SOMEBODY = "joe"
_LABEL, _TEXT = 23, 53  # columns; together what a terminal of 80 has beside its border
_PORTS = {"submission": "587, STARTTLS", "submissions": "465, TLS (SSL)"}
_SYSTEM = (SaslauthdPam, SaslauthdShadow, SaslauthdGetpwent)


@dataclass(frozen=True, slots=True)
class Card:
    """What is asked for with what to answer, in ``rows``; ``attention``: what only the admin should know."""

    rows: tuple[tuple[str, str], ...] = ()
    attention: tuple[str, ...] = ()

    @property
    def lines(self) -> Iterator[str]:
        """The card itself, for a terminal."""
        for label, text in self.rows:
            for at, line in enumerate(textwrap.wrap(text, _TEXT)):
                yield f"{label if not at else '':<{_LABEL}}{line}"

    def beside(self, sign: str) -> Iterator[str]:
        """Yield what stands beside the card, and is not handed out, each with a ``sign`` before it."""
        for text in self.attention:
            yield from textwrap.wrap(f"{sign} {text}", _LABEL + _TEXT, subsequent_indent="  ")


def card(policy: Policy, host: Host, user: str = "") -> Card:
    """Return the card for ``policy``, which is in force on ``host``; ``user`` is a name for the examples."""
    name = user.partition("@")[0] or _SOMEBODY
    names = recipes.names(host)
    rows = tuple(_rows(policy, host, names, name))
    return Card(rows, tuple(_attention(policy, names.traps(name) if names else ())))


def _rows(policy: Policy, host: Host, names: Names | None, user: str) -> Iterator[tuple[str, str]]:
    if policy.submission and policy.backend:
        yield "Outgoing mail server", _server(policy, host)
        yield "Port and security", " or ".join(_ports(policy.submission, policy.tls))
        if names:
            yield "User name", " or ".join(names.forms(user)) or "none that gets in"
            yield "", names.about
        yield "Password", _password(policy.backend)
        if _is_self_signed(policy.tls, host):
            yield "Certificate", "self-signed: accept it once when asked"


def _is_self_signed(tls: Tls | None, host: Host) -> bool:
    shown = certificate_in_use(host)
    return shown.self_signed if shown else tls is not None and tls.source is TlsSource.SELF_SIGNED


def _server(policy: Policy, host: Host) -> str:
    """Return the name to call this server by: one that its certificate has, or mail programs would refuse."""
    given = _plain(policy.tls.names) if policy.tls else ()
    shown = certificate_in_use(host)
    if given or shown is None:
        return next(iter(given), host.fqdn)
    own = (host.fqdn, host.settled_postfix.value("myhostname"))
    return next((name for name in (*own, *_plain(shown.names)) if name_matches(shown, name)), host.fqdn)


def _plain(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if "*" not in name)


def _attention(policy: Policy, traps: Iterable[str]) -> Iterator[str]:
    yield from traps
    if policy.smarthost:
        yield f"All mail leaves through {policy.smarthost.host}, port {policy.smarthost.port}."


def _ports(submission: Submission, tls: Tls | None) -> Iterator[str]:
    yield from (_PORTS[name] for name in submission.services)
    if submission.auth_on_smtp:
        yield "25, without TLS" if tls and tls.level is TlsLevel.NONE else "25, STARTTLS"


def _password(backend: Backend) -> str:
    return "the password on this host" if isinstance(backend, _SYSTEM) else "the password of that account"
