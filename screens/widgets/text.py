"""Text from outside (logs, replies, certificates, files) made harmless, and the signs a terminal can show."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from datetime import datetime

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def shown(text: str) -> str:
    """Return ``text`` as one line with nothing in it that a terminal would obey or turn round."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(char) for char in text.expandtabs(4))


def _visible(char: str) -> str:
    if unicodedata.category(char) in _INVISIBLE:
        return SIGNS.unknown
    return char


def clock(time: str) -> str:
    """Return an ISO 8601 ``time`` as this host's clock had it, to the minute: 2026-11-21 14:02."""
    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M")


@dataclass(frozen=True, slots=True)
class Signs:
    """The signs beside words. Each stands beside a word that says the same."""

    here: str
    good: str
    bad: str
    waiting: str
    attention: str
    dot: str
    dash: str
    chosen: str
    unknown: str
    mark: str


_PLAIN = Signs(">", "+", "x", ".", "!", "-", "-", "*", "?", ">")
_FULL = Signs("\u203a", "✓", "✗", "·", "▲", "·", "─", "•", "\ufffd", "▌")


def signs(environ: os._Environ[str] | dict[str, str]) -> Signs:
    """Return the signs for this terminal: ASCII where its font or the locale may lack the others."""
    asked = next((environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(name)), "C")
    # Python turns the locale C into C.UTF-8 for itself, which says nothing about the terminal
    coerced = asked == "C.UTF-8" and environ.get("LANG", "C") in ("", "C", "POSIX")
    plain = environ.get("TERM") == "linux" or asked in ("C", "POSIX") or coerced
    return _PLAIN if plain else _FULL


SIGNS = signs(os.environ)
