"""The fields of one section's form, made from what the policy says about its keys."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from textual.containers import Vertical

from screens import typed_passwords
from screens.labels import HELP, label
from screens.widgets.choice_list import ChoiceList
from screens.widgets.field import Field
from screens.widgets.step import Missing, Words
from wizard import passwordfile, policyfields
from wizard.choices import Choice
from wizard.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from textual.app import ComposeResult

    from wizard.policyfields import Value

_FILE = "password_file"
_TYPED = "password"  # what may be typed instead of the name of such a file
_WHOSE = ("user", "bind_dn", "id")


class Form(Vertical):
    """Asks for every key of ``kind``, a dataclass of the policy, except the ``unasked`` ones, which stay.

    ``value`` is one of that kind that there is, and ``password`` the one that was typed before. The keys of
    ``order`` come first, in that order.
    """

    def __init__(
        self,
        section: str,
        kind: type,
        value: object,
        *,
        unasked: Collection[str] = (),
        order: Sequence[str] = (),
        password: Secret | None = None,
    ) -> None:
        super().__init__(id=f"form-{getattr(kind, 'type', section)}")
        found = policyfields.fields_of(section, kind)
        names = dict.fromkeys((*order, *found))
        self._asked = {name: found[name] for name in names if name not in unasked}
        self._value = value
        self._kind = getattr(kind, "type", "")
        self._section = section
        self._password = password

    def compose(self) -> ComposeResult:
        """One widget for each key, of the sort its type asks for."""
        for name, field in self._asked.items():
            value = getattr(self._value, name, field.default)
            if field.kind is bool:
                topic = self._topic(field.key)
                choice = Choice("yes", label(topic), HELP[topic].brief if topic in HELP else "")
                yield ChoiceList([choice], ["yes"] if value else [], many=True, topic=topic, id=_id(name))
            elif isinstance(field.kind, type) and issubclass(field.kind, StrEnum):
                yield Words(label(field.key), classes="label-line")
                about = HELP[field.key].choices if field.key in HELP else {}
                choices = [Choice(name.value, name.value, about.get(name.value, "")) for name in field.kind]
                chosen = str(value or choices[0].value)  # where nothing is usual the first
                yield ChoiceList(choices, [chosen], topic=field.key, id=_id(name))
            elif name == _FILE:
                yield from self._ask_password(str(value or ""))
            else:
                yield _text(field.key, _typed(value), _id(name), needed=field.default is None)

    def _topic(self, key: str) -> str:
        """Return what the help knows ``key`` by: two back ends may mean different things by it."""
        own = f"{key} of {self._kind}"
        return own if own in HELP else key

    def _ask_password(self, file: str) -> ComposeResult:
        """Ask for the password itself or a file with it; the one where it is kept is no answer of theirs."""
        key, kept = f"{self._section}.{_TYPED}", passwordfile.kept(self._section)
        typed = self._password.reveal() if self._password else ""
        hint = "the one in force" if file == kept else ""
        check = typed_passwords.problem
        yield Field(label(key), key, typed, secret=True, check=check, hint=hint, id=_id(_TYPED))
        yield _text(f"{self._section}.{_FILE}", "" if file == kept else file, _id(_FILE))

    def ask_without(self, names: Collection[str]) -> None:
        """Ask for everything but ``names``, which make no sense with the other answers."""
        for name in (*self._asked, _TYPED):
            for widget in self.query(f"#{_id(name)}"):
                widget.display = name not in names

    def values(self) -> Mapping[str, Value]:
        """Return what is answered, by name; what is not asked, or not valid (yet), as the field's default."""
        found = {name: self._answer(name, field) for name, field in self._asked.items()}
        if _FILE in found and not found[_FILE] and not self.password and self._in_force(found):
            found[_FILE] = passwordfile.kept(self._section)
        return found

    def _in_force(self, found: Mapping[str, Value]) -> bool:
        """Whether the password that was typed an earlier time is still that of the same user."""
        same = all(getattr(self._value, name, None) == found.get(name) for name in _WHOSE)
        return same and getattr(self._value, _FILE, "") == passwordfile.kept(self._section)

    def _answer(self, name: str, field: policyfields.Field) -> Value:
        for choices in self.query(f"#{_id(name)}").results(ChoiceList):
            return bool(choices.values) if field.kind is bool else field.accept_typed(choices.value)
        text = self.query_one(f"#{_id(name)}", Field)
        valid = text.display and not policyfields.check_field(field.key, text.value)
        return field.accept_typed(text.value) if valid else _fallback(field)

    @property
    def password(self) -> Secret | None:
        """The password that was typed, if there was one to be asked for."""
        for field in self.query(f"#{_id(_TYPED)}").results(Field):
            return Secret(field.value) if field.display and field.value else None
        return None

    def missing(self) -> Missing | None:
        """Say what doesn't fit together."""
        files = self.query(f"#{_id(_FILE)}").results(Field)
        if self.password and any(field.value for field in files if field.display):
            text = "either type the password, or name a file with it: not both"
            return Missing(text, f"{self._section}.{_TYPED}")
        return None


def _id(name: str) -> str:
    return f"key-{name}"


def _text(key: str, value: str, name: str, *, needed: bool = False) -> Field:
    hint = HELP[key].hint if key in HELP else ""
    return Field(label(key), key, value, needed=needed, hint=hint, id=name)


def _typed(value: Value | None) -> str:
    if isinstance(value, tuple):
        return " ".join(value)
    return "" if value is None else str(value)


def _fallback(field: policyfields.Field) -> Value:
    if field.default is not None:
        return field.default
    return () if field.kind == tuple[str, ...] else 0 if field.kind is int else ""
