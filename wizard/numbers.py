"""Numbers out of texts that others wrote."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"[0-9]{1,18}")  # int() takes other scripts' digits too, and none of thousands of digits


def number(text: str) -> int | None:
    """Return the number that ``text`` writes in decimal digits; None: it is none, or beyond all use."""
    return int(text) if _DIGITS.fullmatch(text) else None
