"""The step that asks for the server's certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screens.labels import label
from screens.widgets.choice_list import ChoiceList
from screens.widgets.field import Field
from screens.widgets.step import Step, Words
from wizard import policyfields
from wizard.choices import Choice
from wizard.errors import WizardError
from wizard.policy import Tls, TlsLevel, TlsSource

if TYPE_CHECKING:
    from collections.abc import Callable

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
        # nobody has said that those in force are a public authority's
        source = TlsSource.KEEP if now.source is TlsSource.FILES and self._in_force else now.source
        yield ChoiceList(self._sources(), [source], topic="tls.source", id="source")
        for name, value in (("certificate", now.certificate), ("key", now.key)):
            key = f"tls.{name}"
            check = self._no_file(key)
            yield Field(label(key), key, value, needed=True, check=check, hint="/etc/.../x.pem", id=name)
        names = " ".join(now.names) or self.situation.host.fqdn
        yield Field(label("tls.names"), "tls.names", names, needed=True, id="names")
        yield Words("STARTTLS on port 25, where other servers deliver", classes="label-line")
        yield ChoiceList(_LEVELS, [now.level], topic="tls.level", id="level")

    @property
    def _in_force(self) -> bool:
        return self.answers.policy.tls == self.answers.found.tls

    def _no_file(self, key: str) -> Callable[[str], str | None]:
        """Return what says at once that the file of ``key`` is not there, before all fields have a text."""

        def problem(text: str) -> str | None:
            return policyfields.check_field(key, text) or self._absent(text)

        return problem

    def _absent(self, path: str) -> str | None:
        try:
            self.situation.host.root.file(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return "there is no such file"
        except (OSError, WizardError):
            return None  # who may not look does not know
        return None

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
        level = TlsLevel(self.query_one("#level", ChoiceList).value)
        found = self.answers.found.tls
        if source is TlsSource.KEEP and found and (found.source, found.level) == (TlsSource.FILES, level):
            return self.answers.having(tls=found)
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
                level=level,
            )
        )


_LEVELS = (
    Choice(TlsLevel.MAY, "Offered", "right for a server on the internet", recommended=True),
    Choice(TlsLevel.ENCRYPT, "Required", "servers that can't speak TLS can't deliver"),
    Choice(TlsLevel.NONE, "Off", "mail arrives unencrypted"),
)
