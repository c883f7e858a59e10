"""The step that asks how mail leaves this host."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual.containers import Vertical

from screens import typed_passwords
from screens.answers import Intent
from screens.labels import HELP, label
from screens.widgets.choice_list import ChoiceList
from screens.widgets.field import Field
from screens.widgets.step import Missing, Step, Words
from wizard.choices import Choice
from wizard.policy import Smarthost, SmarthostTls
from wizard.secret import Secret

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from screens.answers import Answers

_DIRECT, _RELAYED = "direct", "relayed"
_LOGIN = ("user", "password", "password_file")
_WRAPPED_PORT = "465"
_SUBMISSION_PORT = 587
_LEVELS = (
    Choice(SmarthostTls.SECURE, "secure", "checks that it is the relay host", recommended=True),
    Choice(SmarthostTls.VERIFY, "verify", "the same, also by the name its MX record gives"),
    Choice(SmarthostTls.DANE, "dane", "checked through DNSSEC, where its domain has it"),
    Choice(SmarthostTls.ENCRYPT, "encrypt", "does not check who it is: the password may go to a stranger"),
    Choice(SmarthostTls.MAY, "may", "encrypts if the other side offers it; checks nothing"),
    Choice(SmarthostTls.NONE, "none", "password and mail cross the network in clear"),
)


class SmarthostStep(Step):
    """Direct, or through one relay host with user, password and TLS."""

    short = "Smarthost"
    question = "How does mail leave this host?"
    why = "A smarthost, such as your provider's, takes all mail that goes elsewhere."
    sections = ("smarthost",)

    def fields(self) -> ComposeResult:
        """The way out, and the relay host's own fields."""
        now = self.answers.policy.smarthost
        through = now is not None or self.answers.intent is Intent.SMARTHOST
        ways = ChoiceList(self._ways(), [_RELAYED if through else _DIRECT], topic="smarthost.on", id="way")
        # who came for a smarthost has answered that already
        ways.display = self.answers.intent is not Intent.SMARTHOST
        yield ways
        with Vertical(id="relay"):
            yield from _relay(now or Smarthost(host=""), self.answers.relay_password)

    def _ways(self) -> tuple[Choice, ...]:
        found = self.answers.found.smarthost
        off = f"F1 says how to stop using {found.host}" if found else ""
        title = "Leave as it is" if self.situation.overview.smarthost.startswith("[") else "Directly"
        return (
            Choice(_DIRECT, title, self.situation.overview.smarthost, off=off),
            Choice(_RELAYED, "Through a smarthost", ""),
        )

    def adapt(self) -> None:
        """Ask for the relay host only if there shall be one."""
        self.query_one("#relay").display = self._through

    @property
    def _through(self) -> bool:
        return self.query_one("#way", ChoiceList).value == _RELAYED

    def missing(self) -> Missing | None:
        """Say what doesn't fit together."""
        if not self._through:
            return None
        user, typed, file = (self.query_one(f"#{name}", Field).value for name in _LOGIN)
        if (typed or file) and not user:
            return Missing("a password is given, but no user", "smarthost.user")
        if typed and file:
            return Missing("either type the password, or name a file with it: not both", "smarthost.password")
        if user and not typed and not file and not self._known:
            return Missing("this user needs one: type it, or name a file with it", "smarthost.password")
        return None

    @property
    def _known(self) -> bool:
        """Whether this user's password at this host is in force already."""
        found, typed = self.answers.found.smarthost, self._typed()
        return found is not None and (found.host, found.port, found.user) == (
            typed.host,
            typed.port,
            typed.user,
        )

    def answered(self) -> Answers:
        """Return the answers with this relay host. A password that was typed stays out of the policy."""
        if not self._through:
            return replace(self.answers.having(smarthost=self.answers.found.smarthost), relay_password=None)
        password = self.query_one("#password", Field).value
        secret = Secret(password) if password else None
        return replace(self.answers.having(smarthost=self._typed()), relay_password=secret)

    def _typed(self) -> Smarthost:
        port = self.query_one("#port", Field).value
        return Smarthost(
            host=self.query_one("#host", Field).value,
            port=int(port) if port.isascii() and port.isdigit() else _SUBMISSION_PORT,
            user=(user := self.query_one("#user", Field).value),
            password_file=self.query_one("#password_file", Field).value if user else "",
            tls=SmarthostTls(self.query_one("#tls", ChoiceList).value),
            ca_file=self.query_one("#ca_file", Field).value,
        )


def _relay(now: Smarthost, password: Secret | None) -> ComposeResult:
    yield _field("host", now.host, needed=True)
    yield _field("port", str(now.port), needed=True)
    yield _field("user", now.user)
    key = "smarthost.password"
    typed = password.reveal() if password else ""
    yield Field(label(key), key, typed, secret=True, check=typed_passwords.problem, id="password")
    yield _field("password_file", now.password_file)
    yield Words("TLS to it", classes="label-line")
    yield ChoiceList(_LEVELS, [now.tls], topic="smarthost.tls", id="tls")
    yield _field("ca_file", now.ca_file)


def _field(name: str, value: str, *, needed: bool = False) -> Field:
    key = f"smarthost.{name}"
    return Field(label(key), key, value, needed=needed, hint=HELP[key].hint, id=name)
