"""A PAM service in ``/etc/pam.d``: rules of type, control, module and arguments (pam.d(5))."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LENS = "Pamd.lns"
_WORD = re.compile(r"\[[^\]]*\]|\S+")
_FEWEST = 3  # type, control, module


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; ``control`` may be a list in brackets."""

    type: str
    control: str
    module: str
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddRule:
    """A new rule before the rule number ``index`` (from 0; ``@include`` lines count as rules)."""

    type: str
    control: str
    module: str
    args: tuple[str, ...] = ()
    index: int = 0


@dataclass(frozen=True, slots=True)
class DropRule:
    """Take every such rule out."""

    type: str
    control: str
    module: str
    args: tuple[str, ...] = ()


Edit = AddRule | DropRule


def read(path: str, data: bytes) -> tuple[Rule, ...]:  # noqa: ARG001 - one form for all formats
    """Return the rules in ``data``; lines of another form (``@include``) are left out."""
    lines = data.decode(errors="backslashreplace").replace("\\\n", " ").split("\n")
    return tuple(rule for line in lines if (rule := _rule(line)))


def _rule(line: str) -> Rule | None:
    words: list[str] = _WORD.findall(line.partition("#")[0])
    if len(words) < _FEWEST:
        return None
    return Rule(words[0].lstrip("-"), words[1], words[2], tuple(words[3:]))


def edit(path: str, data: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the text ``data`` with ``edits`` made, and everything else as it was.

    Raises:
        ParseError: when ``data`` has a rule over several lines.

    """
    from wizard import lenses  # noqa: PLC0415 - Augeas is loaded by who edits only

    with lenses.opened(_LENS, path, data) as tree:
        for wish in edits:
            rules = tree.match("rule")
            if isinstance(wish, AddRule):
                text = " ".join((wish.type, wish.control, wish.module, *wish.args))
                before = rules[wish.index] if wish.index < len(rules) else ""
                leaves = [("indent", ""), ("text", lenses.inward(text)), ("end", tree.line_end)]
                tree.fill(tree.insert("rule", before=before), leaves)
                continue
            gone = Rule(wish.type, wish.control, wish.module, wish.args)
            for node in reversed(rules):
                if _rule(lenses.outward(tree.get(f"{node}/text") or "")) == gone:
                    tree.remove(node)
    return tree.data
