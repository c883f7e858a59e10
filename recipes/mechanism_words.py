"""What is to be said of each mechanism: ``recipes/mechanisms.toml``. Nothing is read before somebody asks."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE = Path(__file__).with_name("mechanisms.toml")


@dataclass(frozen=True, slots=True)
class Word:
    """``about``: what it is. ``outdated``: why not to offer it; empty: nothing is against it.

    ``source``: who says so.
    """

    about: str = ""
    outdated: str = ""
    source: str = ""

    def __str__(self) -> str:
        """Return it for a list of choices."""
        return f"outdated: {self.outdated}" if self.outdated else self.about


@cache
def words() -> Mapping[str, Word]:
    """Return what there is to be said, by mechanism, in the order to offer them."""
    with _FILE.open("rb") as file:
        return {name: Word(**word) for name, word in tomllib.load(file).items()}


def word(mechanism: str) -> Word:
    """Return what there is to be said of ``mechanism``, nothing of one that nobody offers."""
    return words().get(mechanism, Word())
