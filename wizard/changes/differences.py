"""Unified diffs for people: nothing in them can move the cursor or be mistaken for a line of its own."""

from __future__ import annotations

import difflib

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}
_NO_NEWLINE = "\\ No newline at end of file\n"
HIDDEN = "(contents hidden: secret)\n"


def unified(path: str, before: bytes | None, after: bytes | None, *, secret: bool = False) -> str:
    """Return the unified diff of the file ``path`` between two contents; None: no file.

    Control characters are shown as ``\\x1b``, bytes that are no UTF-8 as ``\\xff``.
    """
    old, new = (path if side is not None else "/dev/null" for side in (before, after))
    if secret:
        return f"--- {old}\n+++ {new}\n{HIDDEN}"
    lines = difflib.unified_diff(_lines(before), _lines(after), old, new)
    return "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}" for line in lines)


def _lines(content: bytes | None) -> list[str]:
    text = (content or b"").decode("utf-8", "backslashreplace").translate(_CONTROLS)
    # only a line feed ends a line; splitlines() would know a dozen more ends
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
