"""What the admin reads for each key: its label, and the help that F1 shows (help.toml)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Help:
    """The ``label`` of a field, its ``text`` for F1, and the name that the documentation knows it by."""

    label: str
    text: str
    named: str = ""


def _load() -> Mapping[str, Help]:
    tables = tomllib.loads(Path(__file__).with_name("help.toml").read_text(encoding="utf-8"))
    return {key: Help(**table) for key, table in tables.items()}


HELP: Mapping[str, Help] = _load()


def label(key: str) -> str:
    """Return the label of ``key``, or the key itself."""
    found = HELP.get(key)
    return found.label if found else key
