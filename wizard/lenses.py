"""Augeas as a function from text to text: a text comes in, its tree is edited, a text goes out. No file is touched.

The only module that knows Augeas. Our lenses (``recipes/lenses``) keep every byte of a text in a leaf of its
tree, so what an edit does not name cannot change.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from augeas import Augeas

from wizard.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LENSES = Path(__file__).resolve().parent.parent / "recipes" / "lenses"
_BEFORE, _TREE, _AFTER = "/before", "/tree", "/after"
_LONGEST_SHOWN = 60  # characters of an unexpected line

# one handle serves all: loading a lens takes longer than parsing with it
_at_work = Lock()


@cache
def _augeas() -> Augeas:
    return Augeas(root="/", loadpath=str(_LENSES), flags=Augeas.NO_MODL_AUTOLOAD | Augeas.NO_LOAD)


@dataclass(slots=True)
class Tree:
    """The tree of one text. Paths are Augeas path expressions below it, such as ``parameter[3]/value``.

    Texts are strings in which each character stands for one byte (Latin-1), so that any bytes survive;
    :func:`inward` and :func:`outward` translate.
    """

    _handle: Augeas
    _lens: str
    text: str = field(default="")

    def match(self, path: str) -> list[str]:
        """Return the paths of all nodes that ``path`` means, in the order of the text."""
        return [found.removeprefix(f"{_TREE}/") for found in self._handle.match(f"{_TREE}/{path}")]

    def get(self, path: str) -> str | None:
        """Return the value of the first such node, None if there is none."""
        if not self._handle.match(f"{_TREE}/{path}[1]"):
            return None
        return self._handle.get(f"{_TREE}/{path}[1]") or ""

    def set(self, path: str, value: str) -> None:
        """Give the node that value; a missing one is made, after its siblings."""
        self._handle.set(f"{_TREE}/{path}", value)

    def insert(self, path: str, label: str, *, before: bool) -> None:
        """Make a node ``label`` before or after the node ``path``."""
        self._handle.insert(f"{_TREE}/{path}", label, before)

    def remove(self, path: str) -> None:
        """Remove the node and all below it."""
        self._handle.remove(f"{_TREE}/{path}")


@contextmanager
def opened(lens: str, path: str, data: bytes) -> Iterator[Tree]:
    """Give the tree of ``data``, read with ``lens`` ("Maincf.lns"); afterwards its ``text`` is the edited text.

    Raises:
        ParseError: when the lens can't read ``data``; ``path`` is only for that message.

    """
    _no_nul(path, data)
    with _at_work:
        handle = _augeas()
        try:
            yield (tree := _parsed(handle, lens, path, data.decode("latin-1")))
            handle.text_retrieve(lens, _BEFORE, _TREE, _AFTER)
            tree.text = handle.get(_AFTER) or ""
        finally:
            for node in (_BEFORE, _TREE, _AFTER, f"/augeas/text{_TREE}"):
                handle.remove(node)


def _parsed(handle: Augeas, lens: str, path: str, text: str) -> Tree:
    handle.set(_BEFORE, text)
    try:
        handle.text_store(lens, _BEFORE, _TREE)
    except ValueError:
        pos = handle.get(f"/augeas/text{_TREE}/error/pos")
        if not pos:
            raise
        raise _unexpected(path, text, int(pos)) from None
    return Tree(handle, lens)


def _no_nul(path: str, data: bytes) -> None:
    at = data.find(b"\0")
    if at >= 0:
        raise ParseError(path, data.count(b"\n", 0, at) + 1, "unexpected NUL byte: this is no text file")


def _unexpected(path: str, text: str, at: int) -> ParseError:
    """Name line and text at the byte ``at`` of the text as Augeas has it, where parsing came to its end."""
    # Augeas counts bytes of UTF-8
    before = text.encode()[:at].decode(errors="ignore")
    line = before.count("\n")
    shown = outward(text.split("\n")[line]).strip()
    return ParseError(path, line + 1, f"unexpected {shown[:_LONGEST_SHOWN]!r}")


def inward(text: str) -> str:
    """Return ``text`` as a tree holds it: one character for each byte of its UTF-8."""
    return text.encode().decode("latin-1")


def outward(text: str) -> str:
    """Return what a tree holds as text; bytes that are no UTF-8 become ``\\xff``."""
    return text.encode("latin-1").decode(errors="backslashreplace")
