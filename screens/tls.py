"""The step that asks for the server's certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.labels import label
from screens.widgets.choice_list import ChoiceList
from screens.widgets.field import Field
from screens.widgets.step import Step, Words
from wizard.choices import Choice
from wizard.policy import Tls, TlsLevel, TlsSource

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from screens.answers import Answers

_NO_CERTIFICATE = "none"  # what the overview says when there is no certificate


class TlsStep(Step):
    """Where the certificate comes from, and TLS on port 25."""

    short = "TLS"
    question = "Which certificate shall mail programs see?"
    why = "It tells them that they talk to this server, and keeps others from reading."
    sections = ("tls",)

    def fields(self) -> ComposeResult:
        """The source, the fields it needs, and port 25."""
        now = self.answers.policy.tls or Tls()
        yield ChoiceList(self._sources(), [now.source], topic="tls.source", id="source")
        for name, value in (("certificate", now.certificate), ("key", now.key)):
            key = f"tls.{name}"
            yield Field(label(key), key, value, needed=True, hint="/etc/.../x.pem", id=name)
        names = " ".join(now.names) or self.situation.host.fqdn
        yield Field(label("tls.names"), "tls.names", names, needed=True, id="names")
        yield Words("STARTTLS on port 25, where other servers deliver", classes="label-line")
        yield ChoiceList(_LEVELS, [now.level], topic="tls.level", id="level")

    def _sources(self) -> tuple[Choice, ...]:
        present = self.situation.overview.certificate
        none = present == _NO_CERTIFICATE
        return (
            Choice(TlsSource.FILES, "From files", "from a public authority, such as Let's Encrypt"),
            Choice(
                TlsSource.SELF_SIGNED, "Self-signed", "made here; every mail program has to accept it once"
            ),
            Choice(TlsSource.KEEP, "Keep", present, off="there is none yet" if none else ""),
            Choice(TlsSource.PRIVATE_CA, "Private authority", "", off="not available in this version"),
        )

    def adapt(self) -> None:
        """Ask only for what the source needs."""
        source = self.query_one("#source", ChoiceList).value
        for name in ("certificate", "key"):
            self.query_one(f"#{name}", Field).display = source == TlsSource.FILES
        self.query_one("#names", Field).display = source == TlsSource.SELF_SIGNED

    def answered(self) -> Answers:
        """Return the answers with this certificate."""
        source = TlsSource(self.query_one("#source", ChoiceList).value)
        files = source is TlsSource.FILES
        before = self.answers.policy.tls or Tls()
        kept = before.names if source is before.source else ()
        typed = tuple(self.query_one("#names", Field).value.replace(",", " ").split())
        return self.answers.having(
            tls=Tls(
                source=source,
                certificate=self.query_one("#certificate", Field).value if files else "",
                key=self.query_one("#key", Field).value if files else "",
                names=typed if source is TlsSource.SELF_SIGNED else kept,
                level=TlsLevel(self.query_one("#level", ChoiceList).value),
            )
        )


_LEVELS = (
    Choice(TlsLevel.MAY, "Offered", "right for a server on the internet", recommended=True),
    Choice(TlsLevel.ENCRYPT, "Required", "servers that can't speak TLS can't deliver"),
    Choice(TlsLevel.NONE, "Off", "mail arrives unencrypted"),
)
