"""The last step: what to tell the users, and the policy as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens import saving
from screens.labels import label
from screens.typed_passwords import named
from screens.widgets.field import Field
from screens.widgets.step import Step, Words
from screens.widgets.text import SIGNS, shown
from wizard.policy import Saslauthd, SaslauthdGetpwent, SaslauthdPam, SaslauthdShadow, TlsSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult

    from wizard.policy import Backend, Policy

_SYSTEM = (SaslauthdPam, SaslauthdShadow, SaslauthdGetpwent)
_PORTS = {"submission": "587, STARTTLS", "submissions": "465, TLS (SSL)"}


class CardStep(Step):
    """The card to hand to users."""

    short = "Card"
    question = "What to tell your users"
    planned = False
    applied = True
    leaving = None
    keys = "enter save the policy   esc begin anew   F1 help   ^Q leave"

    def fields(self) -> ComposeResult:
        """The card, how to undo, and where to save the policy."""
        server = self.answers.policy.tls.names if self.answers.policy.tls else ()
        name = next(iter(server), self.situation.host.fqdn)
        yield Words("\n".join(card(self.answers.policy, name)), id="card")
        yield Words("Undo any time: postfix-auth rollback", classes="apart")
        yield Field(label("card.path"), "card.path", saving.PROPOSAL, check=lambda _: None, id="path")
        yield Words("", id="saved")

    async def incomplete(self) -> bool:
        """Save the policy; there is no next step."""
        name = self.query_one("#path", Field).value
        if name:
            policy = named(self.answers.policy, self.answers.passwords)
            self.query_one("#saved", Words).say(shown(saving.save(policy, name)))
        return True


def card(policy: Policy, server: str) -> Iterator[str]:
    """Yield what users type into their mail programs."""
    if policy.submission and policy.backend:
        ports = [_PORTS[name] for name in policy.submission.services]
        if policy.submission.auth_on_smtp:
            ports.append("25, STARTTLS")
        yield f"Outgoing mail server   {shown(server)}"
        yield f"Port and security      {'   or '.join(ports)}"
        yield f"User name              {_user_name(policy.backend, policy)}"
        yield f"Password               {_password(policy.backend)}"
    if policy.tls and policy.tls.source is TlsSource.SELF_SIGNED:
        yield f"{SIGNS.attention} The certificate is self-signed: accept it once when asked."
    if policy.smarthost:
        yield f"All mail leaves through {shown(policy.smarthost.host)}, port {policy.smarthost.port}."


def _user_name(backend: Backend, policy: Policy) -> str:
    if isinstance(backend, _SYSTEM):
        return "the login name on this host, without @"
    domain = policy.authorization.local_domain if policy.authorization else ""
    return f"the account's name, or name@{domain}" if domain else "the account's name"


def _password(backend: Backend) -> str:
    system = isinstance(backend, (SaslauthdPam, SaslauthdShadow))
    if system:
        return "the password on this host"
    return "the account's password" + (" in sasldb" if not isinstance(backend, Saslauthd) else "")
