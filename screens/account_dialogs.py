"""What comes in front of the list of accounts: the fields of one, and how trying it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.containers import Vertical
from textual.message import Message
from textual.screen import ModalScreen

from screens import account_work
from screens.widgets.dialogs import HelpScreen
from screens.widgets.pane import Pane
from screens.widgets.step import Words
from screens.widgets.text import SIGNS, shown
from wizard.accountverdict import Layer, Reply, Verdict
from wizard.errors import WizardError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from screens.widgets.field import Field
    from wizard.accountverdict import Tried
    from wizard.root import Root
    from wizard.secret import Secret

_TITLES = {Layer.BACK_END: "The back end itself", Layer.POSTFIX: "Through Postfix"}
_MARKS = {Reply.ACCEPTED: SIGNS.good, Reply.UNTRIED: SIGNS.dash}


class Fields(ModalScreen[tuple[str, ...]]):
    """Asks for what its fields ask for; an empty answer means that the admin thought better of it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "cancel", "back"),
        ("f1", "explain", "help"),
    ]

    def __init__(self, title: str, about: str, fields: Sequence[Field], *, enter: str) -> None:
        super().__init__()
        self._title = title
        self._about = about
        self._fields = fields
        self._keys = f"enter {enter}   tab next field   F1 help   esc back"

    def compose(self) -> ComposeResult:
        """The fields and the keys."""
        with Vertical(classes="dialog"):
            yield Words(shown(self._title), classes="dialog-title")
            yield Words(shown(self._about), classes="why")
            yield from self._fields
            yield Words(self._keys, classes="hint")

    def on_mount(self) -> None:
        """Begin in the first field that is empty."""
        next((field for field in self._fields if not field.value), self._fields[0]).take_focus()

    def action_next(self) -> None:
        """Go on to what is still empty; with nothing empty or wrong that is the answer."""
        empty = next((field for field in self._fields if not field.value), None)
        if empty is not None and not empty.has_focus_within:
            empty.take_focus()
            return
        for field in self._fields:
            field.say()
        wrong = next((field for field in self._fields if field.problem), None)
        if wrong is not None:
            wrong.take_focus()
            return
        self.dismiss(tuple(field.value for field in self._fields))

    def action_explain(self) -> None:
        """Show the help for the field."""
        self.app.push_screen(HelpScreen(getattr(self.focused, "topic", "")))

    def action_cancel(self) -> None:
        """Go back without an answer."""
        self.dismiss(())


class Trying(ModalScreen[None]):
    """Tries an account at both layers, and shows what each says as it comes."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,enter", "close", "back")]

    class Told(Message):
        """One of those who were asked has answered."""

        def __init__(self, tried: Tried) -> None:
            super().__init__()
            self.tried = tried

    class Judged(Message):
        """All have answered, and this is what it amounts to."""

        def __init__(self, verdict: Verdict) -> None:
            super().__init__()
            self.verdict = verdict

    def __init__(self, root: Root, name: str, password: Secret) -> None:
        super().__init__()
        self._root = root
        self._account = name
        self._password = password
        self._layer: Layer | None = None

    def compose(self) -> ComposeResult:
        """The answers, what they amount to, the keys."""
        with Vertical(classes="dialog whole"):
            yield Words(shown(f"Check {self._account}"), classes="dialog-title")
            yield Pane(broken=True, id="answers")
            yield Words("Asking ...", id="verdict")
            yield Words("", id="verdict-why")
            yield Words("esc back   arrows scroll", classes="hint")

    def on_mount(self) -> None:
        """Start."""
        self._try()

    @work(thread=True, group="account")
    def _try(self) -> None:
        try:
            found = account_work.check(self._root, self._account, self._password, self._tell)
        except WizardError as error:
            found = Verdict(False, str(error))
        self.post_message(self.Judged(found))

    def _tell(self, tried: Tried) -> None:
        self.post_message(self.Told(tried))

    @on(Told)
    def _told(self, event: Told) -> None:
        tried = event.tried
        begins = tried.layer is not self._layer
        above = ["", f"# {_TITLES[tried.layer]}"] if begins and self._layer else [f"# {_TITLES[tried.layer]}"]
        self._layer = tried.layer
        mark = _MARKS.get(tried.reply, SIGNS.bad)
        line = f"{mark} {tried.where}: {tried.said}"
        self.query_one(Pane).add([*(above if begins else ()), line])

    @on(Judged)
    def _judged(self, event: Judged) -> None:
        found = event.verdict
        self.query_one("#verdict", Words).say(f"{SIGNS.good if found.ok else SIGNS.bad} {shown(found.text)}")
        self.query_one("#verdict-why", Words).say(shown(found.why))

    def action_close(self) -> None:
        """Go back; whoever is still being asked may answer to nobody."""
        self.dismiss(None)
