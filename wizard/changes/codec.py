"""Changes and ways back as JSON: for the pipe to the process that applies, and for the journal."""

from __future__ import annotations

import base64
from dataclasses import fields
from typing import TYPE_CHECKING

from wizard.errors import WizardError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from wizard.changes.base import Change, Undo

    T = TypeVar("T")

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
Value = str | int | float | bool | bytes | None | tuple["Value", ...]


def encode(value: Value) -> Json:
    """Return ``value`` as JSON can carry it: bytes in base 64, tuples as lists."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return value


def decode(value: Json) -> Value:
    """Return what :func:`encode` was given.

    Raises:
        WizardError: when it never was.

    """
    if isinstance(value, dict):
        text = value.get("base64")
        if not isinstance(text, str):
            raise WizardError("damaged record: bytes expected")
        return base64.b64decode(text, validate=True)
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    return value


def pack(item: Change | Undo) -> dict[str, Json]:
    """Return ``item`` as JSON, with its kind."""
    return {"kind": item.kind} | {
        field.name: encode(getattr(item, field.name)) for field in fields(item) if field.init
    }


def unpack(kinds: Mapping[str, Callable[..., T]], record: Json) -> T:
    """Return the item of one of ``kinds`` that ``record`` was made of by :func:`pack`.

    Raises:
        WizardError: when the record is of another kind, incomplete or damaged.

    """
    if not isinstance(record, dict):
        raise WizardError("damaged record: an object was expected")
    kind = record.get("kind")
    make = kinds.get(kind) if isinstance(kind, str) else None
    if make is None:
        raise WizardError(f"damaged record: there is no kind {kind!r}")
    try:
        return make(**{name: decode(value) for name, value in record.items() if name != "kind"})
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        # the message may name a value, which may be a secret
        raise WizardError(f"damaged record of kind {kind!r}: {type(error).__name__}") from None
