"""LDIF, as ldapmodify(1) takes it (RFC 2849): one change of one attribute's values."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# SAFE-STRING; what else a value holds goes in base 64
_PLAIN = re.compile(r"[!-9;=-~][ -~]*(?<! )")


def line(attribute: str, value: str) -> str:
    """Return the line that gives ``attribute`` the ``value``, whatever is in it, without its end."""
    if _PLAIN.fullmatch(value):
        return f"{attribute}: {value}"
    return f"{attribute}:: {base64.b64encode(value.encode()).decode()}"


def modify(entry: str, attribute: str, before: Sequence[str], after: Sequence[str]) -> str:
    """Return the record that turns the values ``before`` of the ``entry``'s ``attribute`` into ``after``.

    What is there stays untouched if values only come before or after it.
    """
    had, has = list(before), list(after)
    if has[: len(had)] == had:
        verb, values = "add", has[len(had) :]
    elif had and has[len(has) - len(had) :] == had:
        new = has[: len(has) - len(had)]
        verb, values = "add", [f"{{{number}}}{value}" for number, value in enumerate(new)]
    else:
        verb, values = ("replace", has) if has else ("delete", [])
    lines = [line("dn", entry), "changetype: modify", f"{verb}: {attribute}"]
    return "".join(f"{one}\n" for one in (*lines, *(line(attribute, value) for value in values)))
