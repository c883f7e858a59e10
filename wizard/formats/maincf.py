"""Postfix's ``main.cf``: logical lines ``name = value`` (postconf(5)). What they mean, postconf is asked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard import lenses
from wizard.formats import folded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wizard.lenses import Tree

_LENS = "Maincf.lns"


@dataclass(frozen=True, slots=True)
class SetParameter:
    """Give the parameter ``name`` a value of one line; of several settings the last one counts."""

    name: str
    value: str


Edit = SetParameter


def edit(path: str, data: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the text ``data`` with ``edits`` made, and everything else as it was.

    Raises:
        ParseError: when ``data`` is no main.cf.

    """
    with lenses.opened(_LENS, path, data) as tree:
        for wish in edits:
            found = tree.match(f"parameter[name={lenses.quoted(wish.name)}]")
            if found:
                _set(tree, found[-1], wish.value)
            else:
                _add(tree, wish.name, wish.value)
    return tree.data


def _set(tree: Tree, node: str, value: str) -> None:
    equals = tree.get(f"{node}/equals") or "="
    before = tree.text(node)
    if not value:
        tree.remove(f"{node}/value")
        # what stood between "=" and the value is part of the same leaf
        tree.set(f"{node}/equals", equals[: equals.index("=") + 1])
    else:
        old = tree.get(f"{node}/value")
        if old is None:
            tree.set(f"{node}/equals", f"{equals} ")
            tree.insert("value", after=f"{node}/equals[1]")
        tree.set(f"{node}/value", folded.reworded(old or "", lenses.inward(value)))
    # comments within the old value for which there is no place in the new one stay below it
    lost = Counter(_comments(before)) - Counter(_comments(tree.text(node)))
    for comment in reversed(list(lost.elements())):
        tree.set(tree.insert("#comment", after=node), f"{comment}\n")


def _comments(text: str) -> list[str]:
    return [line for line in text.split("\n")[1:] if line.lstrip().startswith("#")]


def _add(tree: Tree, name: str, value: str) -> None:
    worth = [("equals", " = "), ("value", lenses.inward(value))] if value else [("equals", " =")]
    tree.fill(tree.insert("parameter"), [("name", name), *worth, ("end", tree.line_end)])
