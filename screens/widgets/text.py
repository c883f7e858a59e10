"""Text from outside (logs, replies, certificates, files) made harmless, and the signs a terminal can show."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from textwrap import wrap

LINES_BELOW = 3  # so that nothing on the screen moves when there is more or less to say
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


def below(text: str, width: int) -> list[str]:
    """Break what is wrong into the lines that stand below the fields of a screen of ``width`` columns."""
    lines = f"{SIGNS.bad} {text}".splitlines()
    room = max(width - 2, 20)
    return [part for line in lines for part in wrap(shown(line), room, break_on_hyphens=False)]


def fits_below(text: str, width: int) -> bool:
    """Whether the whole of it can stand there."""
    return len(below(text, width)) <= LINES_BELOW


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
