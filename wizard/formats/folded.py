"""Values over several lines with comments between them, as people write Postfix's lists (postconf(5))."""

from __future__ import annotations

import re
from difflib import SequenceMatcher

_GAP = re.compile(r"(\s*\n(?:[ \t\r\f\v]*(?:#[^\n]*)?\n)*[ \t\r\f\v]+|[ \t\r\f\v]+)")


def reworded(old: str, new: str) -> str:
    """Return ``new``, a value of one line, in the lines of ``old`` and with its comments.

    A word that is gone takes no comment along, unless none is left before or behind it.
    """
    words, wanted = _GAP.split(old)[::2], new.split()
    gaps = ["", *_GAP.split(old)[1::2]]
    if "\n" not in old or any(word.startswith("#") for word in wanted):
        return new
    found: list[tuple[str, str]] = []
    carried = ""  # from words that are gone
    for tag, a, b, c, d in SequenceMatcher(None, _bare(words), _bare(wanted), autojunk=False).get_opcodes():
        if tag in ("equal", "replace"):
            kept = min(b - a, d - c)
            for gap, word in zip(gaps[a : a + kept], wanted[c:], strict=False):
                between = _stronger(carried, gap) or _gap_of_its_own("", gaps, 1)
                found.append((between, word))
                carried = ""
            a, c = a + kept, c + kept  # noqa: PLW2901 - what is left of both
        for gap in gaps[a:b]:
            carried = _stronger(carried, gap)
        for number, word in enumerate(wanted[c:d]):
            found.append((" " if number else _gap_of_its_own(carried, gaps, a), word))
            carried = ""
    return "".join(gap + word for gap, word in found).lstrip()


def _bare(words: list[str]) -> list[str]:
    return [word.rstrip(",") for word in words]


def _stronger(one: str, other: str) -> str:
    """Return the gap of two that must stay: both if both have comments, else the one with more lines."""
    if "#" in one and "#" in other:
        return one.rpartition("\n")[0] + other
    return max(other, one, key=lambda gap: ("#" in gap, "\n" in gap))


def _gap_of_its_own(carried: str, gaps: list[str], at: int) -> str:
    """Return what stands before a new word: a line of its own if its neighbours have theirs."""
    beside = carried or next((gap for gap in (*gaps[at : at + 1], *gaps[at - 1 : at]) if "\n" in gap), " ")
    if carried or "\n" not in beside:
        return beside
    end = "\r\n" if "\r\n" in beside else "\n"
    return end + beside.rpartition("\n")[2]
