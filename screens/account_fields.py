"""The fields that ask for an account: its name, its password, the password once more."""

from __future__ import annotations

from screens.labels import label
from screens.widgets.field import Field
from wizard.accounts import broken_rule


def new_name_field() -> Field:
    """Ask for the name of an account to be made."""
    return Field(label("account.user"), "account.new", needed=True, check=new_name_problem, id="name")


def user_field() -> Field:
    """Ask for a user of the system."""
    return Field(label("account.member"), "account.member", needed=True, check=printable_problem, id="name")


def name_field() -> Field:
    """Ask for a name as its user types it."""
    return Field(label("account.user"), "account.user", needed=True, check=printable_problem, id="name")


def password_field(key: str = "account.password") -> Field:
    """Ask for a password."""
    return Field(label(key), key, needed=True, secret=True, check=printable_problem, id="password")


def again(password: Field, *, needed: bool = True) -> Field:
    """Ask for the ``password`` once more, for nobody sees what is typed."""

    def differs(text: str) -> str | None:
        return None if text == password.value else "is another one than above"

    key = "account.again"
    return Field(label(key), key, needed=needed, secret=True, check=differs, id="again")


def new_name_problem(name: str) -> str | None:
    """Return why ``name`` can be no account's; None: it can."""
    return broken_rule(name) or None


def printable_problem(text: str) -> str | None:
    """Return what is wrong with ``text`` as a name or a password; None: nothing."""
    return None if text.isprintable() else "must not hold control characters"
