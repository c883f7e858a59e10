"""Takes one change of a text back, and keeps what others have changed in it since: a three-way merge.

What is compared are whole entries, a line with those that continue it (postconf(5), master(5)): half of a
service or of a parameter would mean something else than the whole one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Merged:
    """``overlaps``: the lines of the present text, from 1, where somebody has changed what has to go back.

    ``content`` is good for something only if there are none.
    """

    content: bytes
    overlaps: tuple[range, ...] = ()


@dataclass(frozen=True, slots=True)
class _Edit:
    """The entries ``start`` to ``stop`` of one text become ``entries``, those from ``at`` on of another."""

    start: int
    stop: int
    entries: tuple[bytes, ...]
    at: int

    def meets(self, other: _Edit) -> bool:
        """Whether both change the same entries, each in its own way; beside each other they don't."""
        if (self.start, self.stop, self.entries) == (other.start, other.stop, other.entries):
            return False
        inside = any(a.start < b.start == b.stop < a.stop for a, b in ((self, other), (other, self)))
        return inside or max(self.start, other.start) < min(self.stop, other.stop)


def undone(before: bytes, wrote: bytes, now: bytes) -> Merged:
    """Return ``now``, which others have made of ``wrote``, without the change that made it of ``before``."""
    if now in (wrote, before):
        return Merged(before)
    old, left, present = entries(before), entries(wrote), entries(now)
    back, since = list(_edits(left, old)), list(_edits(left, present))
    met = [(theirs.at, len(theirs.entries)) for theirs in since if any(theirs.meets(ours) for ours in back)]
    merged = _both(left, back, since)
    if not met:
        # two who put the same entry back at different places
        twice = Counter(merged) - (Counter(old) | Counter(present))
        met = [(at, 1) for at, entry in enumerate(present) if entry in twice and not _is_comment(entry)]
    lines = [0, *accumulate(entry.count(b"\n") or 1 for entry in present)]
    overlaps = tuple(range(lines[at] + 1, max(lines[at + count], lines[at] + 1) + 1) for at, count in met)
    return Merged(_joined(merged), overlaps)


def entries(text: bytes) -> list[bytes]:
    """Return the entries of ``text``: each non-blank line that begins with no blank, and what continues it.

    A comment or an empty line is an entry of its own, unless the one before it is continued behind it.
    """
    found: list[bytes] = []
    head = None
    for line in _lines(text):
        if _is_comment(line):
            found.append(line)
        elif line[:1] in b" \t" and head is not None:
            found[head:] = [b"".join((*found[head:], line))]
        else:
            head = len(found)
            found.append(line)
    return found


def _lines(text: bytes) -> list[bytes]:
    # only a line feed ends a line
    parts = text.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _is_comment(line: bytes) -> bool:
    return line.lstrip()[:1] in (b"", b"#")


def _edits(base: Sequence[bytes], other: Sequence[bytes]) -> Iterator[_Edit]:
    matcher = SequenceMatcher(None, base, other, autojunk=False)
    for tag, start, stop, low, high in matcher.get_opcodes():
        if tag == "delete":
            # two may remove overlapping ranges and mean the same
            yield from (_Edit(at, at + 1, (), low) for at in range(start, stop))
        elif tag != "equal":
            yield _Edit(start, stop, tuple(other[low:high]), low)


def _both(base: Sequence[bytes], back: Sequence[_Edit], since: Sequence[_Edit]) -> list[bytes]:
    merged: list[bytes] = []
    at = 0
    known: set[tuple[int, int, tuple[bytes, ...]]] = set()
    # at one place what comes back stands first: of two entries Postfix takes the last one
    for edit in sorted((*back, *since), key=lambda edit: (edit.start, edit.stop)):
        if (key := (edit.start, edit.stop, edit.entries)) in known:
            continue
        known.add(key)
        merged += [*base[at : edit.start], *edit.entries]
        at = max(at, edit.stop)
    return [*merged, *base[at:]]


def _joined(merged: Sequence[bytes]) -> bytes:
    ended = [entry if entry.endswith(b"\n") else entry + b"\n" for entry in merged[:-1]]
    return b"".join((*ended, *merged[-1:]))
