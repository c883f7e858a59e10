"""Unified diffs for people: nothing in them can move the cursor or be mistaken for a line of its own."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from wizard.formats import smtpdconf

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)}
# what ends a line, or turns its direction, for some who show it (Unicode Standard Annex 9)
_CONTROLS |= {
    code: f"\\u{code:04x}" for code in (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}
_NO_NEWLINE = "\\ No newline at end of file\n"
HIDDEN = "(contents hidden: secret)\n"
_PASSWORD = re.compile(rf"(\s*(?:{'|'.join(sorted(smtpdconf.SECRETS))}):)(.*)", re.IGNORECASE | re.DOTALL)


def unified(path: str, before: bytes | None, after: bytes | None, *, secret: bool = False) -> str:
    """Return the unified diff of the file ``path`` between two contents; None: no file.

    Control characters are shown as ``\\x1b``, bytes that are no UTF-8 as ``\\xff``. Of a line that holds a
    password only the key is shown, and whether the password is new.
    """
    old, new = (path if side is not None else "/dev/null" for side in (before, after))
    if secret:
        return f"--- {old}\n+++ {new}\n{HIDDEN}"
    had, has = _lines(before), _lines(after)
    shown = [_shown(line, "(hidden)") for line in _without_tables(had)]
    wished = [_shown(line, "(hidden)" if line in had else "(hidden, new)") for line in _without_tables(has)]
    lines = difflib.unified_diff(shown, wished, old, new)
    return "".join(line if line.endswith("\n") else f"{line}\n{_NO_NEWLINE}" for line in lines)


def _shown(line: str, instead: str) -> str:
    found = _PASSWORD.fullmatch(line)
    return f"{found[1]} {instead}\n" if found else line


_HOLDS_TABLE = re.compile(r"[^#]*sasl_password_maps\s*=")
_TABLE = re.compile(r"\b(inline:|static:).*")


def _without_tables(lines: list[str]) -> Iterator[str]:
    """Hide passwords that main.cf or master.cf itself holds (DATABASE_README: inline, static)."""
    inside = hidden = False
    for line in lines:
        inside = bool(_HOLDS_TABLE.match(line)) or (inside and line[:1] in (" ", "\t", "#"))
        found = _TABLE.search(line) if inside else None
        # the rest of such a table may stand on the lines below
        hidden = inside and (hidden or bool(found))
        if found:
            yield f"{line[: found.end(1)]} (hidden)\n"
        else:
            yield "  (hidden)\n" if hidden and not line.lstrip().startswith("#") else line


def _lines(content: bytes | None) -> list[str]:
    text = (content or b"").decode("utf-8", "backslashreplace").translate(_CONTROLS)
    # only a line feed ends a line; splitlines() would know a dozen more ends
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
