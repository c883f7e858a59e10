"""The step that asks for accounts: one to test with, or the ones to make."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on, work
from textual.message import Message

from screens import account_work
from screens.account_fields import again, new_name_problem, printable_problem
from screens.answers import NewAccount
from screens.labels import label
from screens.widgets.choice_list import ChoiceList
from screens.widgets.field import Field
from screens.widgets.step import Missing, Step, Words
from screens.widgets.text import shown
from wizard import accounthints, choices
from wizard.choices import Choice
from wizard.errors import WizardError
from wizard.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from screens.answers import Answers


class AccountsStep(Step):
    """Asks for what the tests and the users need to log in with."""

    short = "Accounts"
    question = "Who logs in?"
    planned = False

    class There(Message):
        """Who can log in already, in a line."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def fields(self) -> ComposeResult:
        """Accounts to make where the back end owns them, one to test with where it does not."""
        backend = self.answers.policy.backend
        if backend is not None and choices.owns_accounts(backend):
            yield Words(_MAKE, classes="why")
            yield Words("", id="already", classes="why")
            yield _field("account.new", "", new_name_problem)
            yield (password := _password(""))
            yield again(password, needed=False)
            yield ChoiceList((), many=True, topic="account.new", id="made")
        else:
            yield Words(_TRY, classes="why")
            yield Words("", id="already", classes="why")
            yield _field("account.user", self.answers.user, printable_problem)
            yield _password(self.answers.password.reveal() if self.answers.password else "")

    def on_mount(self) -> None:
        """Show the accounts there will be, and soon those there are."""
        super().on_mount()
        self.query_one("#already").display = False
        self._look()
        for listed in self.query("#made").results(ChoiceList):
            self._list(listed)

    @work(thread=True, group="account")
    def _look(self) -> None:
        try:
            found = account_work.there_already(self.situation.host, self.answers.policy)
        except WizardError as error:
            found = str(error)
        self.post_message(self.There(found))

    @on(There)
    def _there(self, event: There) -> None:
        already = self.query_one("#already", Words)
        already.say(shown(event.text))
        already.display = bool(event.text)

    def _list(self, listed: ChoiceList) -> None:
        names = [account.name for account in self.answers.accounts]
        listed.offer([Choice(name, name, "will be made") for name in names], names)
        listed.display = bool(names)

    def missing(self) -> Missing | None:
        """Say when a name has no password, or a password no name, or who is named could not log in."""
        name, password = self._typed()
        why = accounthints.shut_out(self.situation.host, self.answers.policy.backend, name)
        if why:
            return Missing(why, "account.user")
        if bool(name) == bool(password):
            unsure = [field for field in self.query("#again").results(Field) if password and not field.value]
            return Missing("must not be empty", unsure[0].key) if unsure else None
        empty = self.query_one("#password" if name else "#name", Field)
        return Missing("must not be empty", empty.key)

    def _typed(self) -> tuple[str, str]:
        return self.query_one("#name", Field).value, self.query_one("#password", Field).value

    def answered(self) -> Answers:
        """Return the answers with these accounts."""
        name, password = self._typed()
        if not self.query("#made"):
            secret = Secret(password) if name and password else None
            return replace(self.answers, user=name if secret else "", password=secret)
        wanted = self.query_one("#made", ChoiceList).values
        kept = tuple(account for account in self.answers.accounts if account.name in wanted)
        return replace(self.answers, accounts=kept)

    async def incomplete(self) -> bool:
        """Take a new account onto the list first, and be ready for the next."""
        return await super().incomplete() or self._added()

    def _added(self) -> bool:
        name, password = self._typed()
        made = next(iter(self.query("#made").results(ChoiceList)), None)
        if made is None or not name:
            return False
        others = tuple(account for account in self.answers.accounts if account.name != name)
        self.answers = replace(self.answers, accounts=(*others, NewAccount(name, Secret(password))))
        for field in self.query(Field):
            field.clear()
        self._list(made)
        self.query_one("#name", Field).take_focus()
        return True


_MAKE = "Accounts to make after applying: name, password twice, enter; then the next one. None is fine too."
_TRY = "An account to try the log-in with. Leave it empty, and the tests skip logging in."


def _field(key: str, value: str, check: Callable[[str], str | None]) -> Field:
    return Field(label(key), key, value, check=check, id="name")


def _password(value: str) -> Field:
    key = "account.password"
    return Field(label(key), key, value, secret=True, check=printable_problem, id="password")
