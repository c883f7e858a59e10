"""The page of the accounts there are: listed, made, taken out, tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import getters, on, work
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.message import Message

from screens import account_work
from screens.account_dialogs import Fields, Trying
from screens.account_fields import again, name_field, new_name_field, password_field, user_field
from screens.account_work import Keeper
from screens.widgets.choice_list import Listing
from screens.widgets.dialogs import Question
from screens.widgets.step import Step, Words
from screens.widgets.text import SIGNS, shown
from wizard.choices import Choice
from wizard.errors import PolicyError, WizardError
from wizard.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from screens.account_work import Done, Listed, Row

_NEW, _HEAD = "account.new_password", "Account"
_KEYS = {
    Keeper.SASLDB: "a add   p new password   x remove   c check   esc back   F1 help   ^Q quit",
    Keeper.GROUP: "a add   x remove   c check   esc back   F1 help   ^Q quit",
    Keeper.ELSEWHERE: "c check   esc back   F1 help   ^Q quit",
}
_EMPTY = {
    Keeper.SASLDB: "There are no accounts yet: a makes one.",
    Keeper.GROUP: "Nobody may log in yet: a lets one of the system's users in.",
    Keeper.ELSEWHERE: "c tries one: what the back end says to it, and what Postfix does.",
}


class AccountListStep(Step):
    """Lists the accounts of the back end in force, and changes them at once: nothing waits for a last yes."""

    short = "Accounts"
    question = "Who logs in to send mail?"
    planned = False
    leaving = None
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", show=False),
        Binding("p", "password", show=False),
        Binding("x,delete", "remove", show=False),
        Binding("c", "check", show=False),
    ]
    _list = getters.query_one("#accounts", Listing)

    class Found(Message):
        """The accounts as they are now; what was done before, if something was."""

        def __init__(self, listed: Listed, done: Done | None) -> None:
            super().__init__()
            self.listed = listed
            self.done = done

    class Failed(Message):
        """Something could not be done."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    def fields(self) -> ComposeResult:
        """Where the accounts are, the list, and what was done last."""
        yield Words("Looking ...", id="kept")
        yield Words("", id="columns", fixed=True)
        with VerticalScroll(id="accounts-box", can_focus=False):
            yield Listing((), topic="account.listed", id="accounts")
        yield Words("", id="done")

    def on_mount(self) -> None:
        """Look who there is."""
        super().on_mount()
        self._keeper: Keeper | None = None
        self._names: list[str] = []
        self.keys = _KEYS[Keeper.ELSEWHERE]
        self._work(None)

    @work(thread=True, group="account")
    def _work(self, task: Callable[[], Done] | None) -> None:
        """Do something, and look who there is afterwards."""
        try:
            done = task() if task else None
            self.post_message(self.Found(account_work.listed(self.situation.host.root), done))
        except PolicyError as refused:
            self.post_message(self.Failed(refused.message))
        except WizardError as error:
            self.post_message(self.Failed(str(error)))

    @on(Found)
    def _found(self, event: Found) -> None:
        self._keeper = event.listed.keeper
        self.query_one("#kept", Words).say(shown(event.listed.about))
        self._offer(event.listed.rows, event.done.name if event.done else "")
        self._say(SIGNS.good, event.done.text if event.done else "")
        self.keys = _KEYS[self._keeper]
        self.post_message(self.Framed())

    def _offer(self, rows: Sequence[Row], concerned: str) -> None:
        """List the accounts; the cursor goes to the one ``concerned``, or to what is in its place now."""
        place = self._names.index(concerned) if concerned in self._names else 0
        self._names = [row.name for row in rows]
        width = max(len(name) for name in (_HEAD, *self._names))
        self._list.offer([Choice(row.name, row.name.ljust(width), row.typed) for row in rows], (), keep=True)
        head = (
            f"  {_HEAD.ljust(width)}  What the user types"
            if rows
            else _EMPTY[self._keeper or Keeper.ELSEWHERE]
        )
        self.query_one("#columns", Words).say(head)
        if concerned and rows:
            there = concerned if concerned in self._names else self._names[min(place, len(rows) - 1)]
            self.call_after_refresh(self._list.point_at, there)

    @on(Failed)
    def _failed(self, event: Failed) -> None:
        self._say(SIGNS.bad, event.reason)

    def _say(self, mark: str, text: str) -> None:
        self.query_one("#done", Words).say(f"{mark} {shown(text)}" if text else "")

    def _may(self, *keepers: Keeper, named: bool = False) -> bool:
        """Whether a key means something now; otherwise it only beeps. ``named``: it is about an account."""
        may = self._keeper in keepers and (bool(self._list.here) or not named)
        if not may:
            self.app.bell()
        return may

    # keys

    async def incomplete(self) -> bool:
        """Try the account; there is no next step."""
        await self.action_check()
        return True

    async def action_add(self) -> None:
        """Ask for a new one."""
        if not self._may(Keeper.SASLDB, Keeper.GROUP):
            return
        if self._keeper is Keeper.GROUP:
            about = "Somebody who has a login on this host; the account itself stays as it is."
            await self._ask(Fields("Let a user send mail", about, [user_field()], enter="add"), self._join)
            return
        about = "It can send mail, and do nothing else on this host."
        password = password_field(_NEW)
        fields = [new_name_field(), password, again(password)]
        await self._ask(Fields("New account", about, fields, enter="make it"), self._set_password)

    async def action_password(self) -> None:
        """Ask for a new password."""
        if not self._may(Keeper.SASLDB, named=True):
            return
        name, password = self._list.here, password_field(_NEW)
        about = "The old one lets nobody in any more, at once."
        dialog = Fields(f"New password for {name}", about, [password, again(password)], enter="set it")
        await self._ask(dialog, lambda new, _: self._set_password(name, new, ""))

    async def action_remove(self) -> None:
        """Take one out, after a yes."""
        if not self._may(Keeper.SASLDB, Keeper.GROUP, named=True):
            return
        name, group = self._list.here, self._keeper is Keeper.GROUP
        text = "The account on this host stays." if group else "The account and its password are gone."
        question = Question(
            f"Remove {shown(name)}?",
            f"Whoever uses it can't send mail any more. {text}",
            yes="remove",
            no="keep it",
        )
        await self.app.push_screen(question, lambda yes: self._remove(name) if yes else None)

    async def action_check(self) -> None:
        """Ask for the password, and try it."""
        if not self._may(*Keeper):
            return
        here = self._list.here
        about = "Tried at the back end and through Postfix; kept nowhere."
        if here:
            dialog = Fields(f"Check {here}", about, [password_field()], enter="check")
            await self._ask(dialog, lambda password: self._check(here, password))
        else:
            dialog = Fields("Check an account", about, [name_field(), password_field()], enter="check")
            await self._ask(dialog, self._check)

    async def _ask(self, dialog: Fields, then: Callable[..., None]) -> None:
        """Show the dialog before the next key is taken: it may be meant for it."""
        await self.app.push_screen(dialog, lambda answer: then(*answer) if answer else None)

    # what follows an answer

    def _set_password(self, name: str, password: str, _: str) -> None:
        root, secret = self.situation.host.root, Secret(password)
        self._begin(
            f"Setting the password of {name} ...", lambda: account_work.set_password(root, name, secret)
        )

    def _join(self, name: str) -> None:
        root = self.situation.host.root
        self._begin(f"Adding {name} ...", lambda: account_work.join(root, name))

    def _remove(self, name: str) -> None:
        root = self.situation.host.root
        self._begin(f"Removing {name} ...", lambda: account_work.remove(root, name))

    def _check(self, name: str, password: str) -> None:
        self.app.push_screen(Trying(self.situation.host.root, name, Secret(password)))

    def _begin(self, text: str, task: Callable[[], Done]) -> None:
        self._say(SIGNS.waiting, text)
        self._work(task)
