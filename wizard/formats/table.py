"""The text that a lookup table is built from: ``key value`` (postmap(1), "TABLE FORMAT").

A blank line and one that begins with ``#`` is skipped; a line that begins with a blank goes on with the entry
before it. Keys are the same in any case; of two entries the first is the one that counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, repr=False)
class _Entry:
    """The lines from ``start`` up to before ``end``; the value may be a secret."""

    start: int
    end: int
    key: str
    value: str


def lookup(data: bytes, key: str) -> str | None:
    """Return the value of ``key``, None if there is none."""
    entry = _find(_lines(data), key)
    return entry.value if entry else None


def put(data: bytes, key: str, value: str) -> bytes:
    """Return ``data`` with that ``value`` for ``key``, and everything else as it was.

    ``value`` is one line without a blank at either end, which would be lost.
    """
    lines = _lines(data)
    found = _find(lines, key)
    start, end = (found.start, found.end) if found else (len(lines), len(lines))
    if not found or found.value != value:
        lines[start:end] = [f"{key} {value}"]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _lines(data: bytes) -> list[str]:
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    return lines if lines[-1] else lines[:-1]


def _find(lines: list[str], key: str) -> _Entry | None:
    return next((entry for entry in _entries(lines) if entry.key.lower() == key.lower()), None)


def _entries(lines: list[str]) -> Iterator[_Entry]:
    said = {at for at, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")}
    starts = [at for at, line in enumerate(lines) if at in said and not line[0].isspace()]
    for start, following in pairwise([*starts, len(lines)]):
        mine = [at for at in range(start, following) if at in said]
        words = "".join(lines[at] for at in mine).split(None, 1)
        yield _Entry(start, mine[-1] + 1, words[0], "".join(words[1:]).strip())
