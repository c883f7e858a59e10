"""The fields of one section's form, made from what the policy says about its keys."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from textual.containers import Vertical

from screens.labels import HELP, label
from screens.widgets.choice_list import ChoiceList
from screens.widgets.field import Field
from wizard import policyfields
from wizard.choices import Choice

if TYPE_CHECKING:
    from collections.abc import Collection

    from textual.app import ComposeResult

    from wizard.policyfields import Value


class Form(Vertical):
    """Asks for every key of ``kind``, a dataclass of the policy, except the ``unasked`` ones, which stay."""

    def __init__(self, section: str, kind: type, value: object, *, unasked: Collection[str] = ()) -> None:
        super().__init__(id=f"form-{getattr(kind, 'type', section)}")
        self._asked = {
            name: field
            for name, field in policyfields.fields_of(section, kind).items()
            if name not in unasked
        }
        self._value = value

    def compose(self) -> ComposeResult:
        """One widget for each key, of the sort its type asks for."""
        for name, field in self._asked.items():
            value = getattr(self._value, name, field.default)
            if field.kind is bool:
                title = HELP[field.key].text if field.key in HELP else ""
                choice = Choice("yes", label(field.key), title)
                yield ChoiceList(
                    [choice], ["yes"] if value else [], many=True, topic=field.key, id=f"key-{name}"
                )
            elif isinstance(field.kind, type) and issubclass(field.kind, StrEnum):
                choices = [Choice(member.value, member.value, "") for member in field.kind]
                chosen = str(value or choices[0].value)  # where nothing is usual the first
                yield ChoiceList(choices, [chosen], topic=field.key, id=f"key-{name}")
            else:
                needed = field.default is None
                yield Field(label(field.key), field.key, _typed(value), needed=needed, id=f"key-{name}")

    def values(self) -> dict[str, Value]:
        """Return what is answered, by name; a text that is not valid (yet) as the field's default."""
        found: dict[str, Value] = {}
        for name, field in self._asked.items():
            widget = self.query_one(f"#key-{name}")
            if isinstance(widget, ChoiceList):
                found[name] = bool(widget.values) if field.kind is bool else field.accept_typed(widget.value)
            elif isinstance(widget, Field):
                valid = not policyfields.check_field(field.key, widget.value)
                found[name] = field.accept_typed(widget.value) if valid else _fallback(field)
        return found


def _typed(value: Value | None) -> str:
    if isinstance(value, tuple):
        return " ".join(value)
    return "" if value is None else str(value)


def _fallback(field: policyfields.Field) -> Value:
    if field.default is not None:
        return field.default
    return () if field.kind == tuple[str, ...] else 0 if field.kind is int else ""
