"""What the admin reads for each key: its label, and the help that F1 shows (help.toml)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@dataclass(frozen=True, slots=True)
class Help:
    """The ``label`` of a field, its ``text`` for F1, and the name that the documentation knows it by.

    ``brief``: the same in a few words, beside what can be ticked. ``hint``: what stands in the empty field.
    ``choices``: what each of its values means.
    """

    label: str
    text: str
    named: str = ""
    brief: str = ""
    hint: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)


def _load() -> Mapping[str, Help]:
    tables = tomllib.loads(Path(__file__).with_name("help.toml").read_text(encoding="utf-8"))
    return {key: Help(**table) for key, table in tables.items()}


HELP: Mapping[str, Help] = _load()


#: The page on which each section of a policy is answered.
_PAGES = {
    "backend": "Back end",
    "mechanisms": "Mechanisms",
    "tls": "TLS",
    "submission": "Submission",
    "authorization": "Submission",
    "smarthost": "Smarthost",
}


def where(key: str, here: Collection[str] = ()) -> str:
    """Return where ``key`` is answered, as the beginning of a sentence; empty where the sentence tells.

    ``here`` are the sections of the page that is shown.
    """
    page = _PAGES.get(key.partition(".")[0], "")
    if not page or label(key) == page:
        return ""
    return f"{label(key)}: " if key.partition(".")[0] in here else f"{label(key)}, on the page {page}: "


def label(key: str) -> str:
    """Return the label of ``key``, or the key itself."""
    found = HELP.get(key)
    return found.label if found else key
