"""Augeas as a function from text to text: a text comes in, its tree is edited, a text goes out.

No file is touched. The only module that knows Augeas. Our lenses (``recipes/lenses``) keep every byte of a
text in a leaf of its tree, so what an edit does not name cannot change.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from wizard.errors import HostError, ParseError, WizardError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from augeas import Augeas

_LENSES = Path(__file__).resolve().parent.parent / "recipes" / "lenses"
_BEFORE, _TREE, _AFTER = "/before", "/tree", "/after"
_MOST_LINES = 5000  # each line costs Augeas more than the one before; these take two seconds
# Augeas keeps these for itself, and ends the whole program when it meets one (libaugeas, internal.h)
_RESERVED = re.compile(rb"[\0-\4]")
_LONGEST_SHOWN = 60  # characters of an unexpected line

# one handle serves all: loading a lens takes longer than parsing with it
_at_work = Lock()


@cache
def _augeas() -> Augeas:
    from augeas import Augeas  # noqa: PLC0415 - slow to load, and most only read

    return Augeas(root="/", loadpath=str(_LENSES), flags=Augeas.NO_MODL_AUTOLOAD | Augeas.NO_LOAD)


@dataclass(slots=True)
class Tree:
    """The tree of one text. Paths are Augeas path expressions below it, such as ``parameter[3]/value``.

    Texts are strings in which each character stands for one byte (Latin-1), so that any bytes survive;
    :func:`inward` and :func:`outward` translate. ``line_end`` is how the lines of this text end; ``data`` is
    the edited text, once the tree is closed.
    """

    _handle: Augeas
    line_end: str
    data: bytes = b""

    def match(self, path: str) -> list[str]:
        """Return the paths of all nodes that ``path`` means, in the order of the text."""
        found = (node.removeprefix(f"{_TREE}/") for node in self._handle.match(f"{_TREE}/{path}"))
        # a node alone of its kind has no number, and would be two as soon as there is another
        return [node if node.endswith("]") else f"{node}[1]" for node in found]

    def get(self, path: str) -> str | None:
        """Return the value of the first such node, None if there is none."""
        found = self.match(path)
        return (self._handle.get(f"{_TREE}/{found[0]}") or "") if found else None

    def text(self, node: str) -> str:
        """Return the whole text that ``node`` stands for."""
        parts = self.match(f"{node}/*")
        return "".join(map(self.text, parts)) if parts else self.get(node) or ""

    def set(self, path: str, value: str) -> None:
        """Give the node that value; a missing one is made, after its siblings."""
        self._handle.set(f"{_TREE}/{path}", value)

    def remove(self, path: str) -> None:
        """Remove the node and all below it."""
        self._handle.remove(f"{_TREE}/{path}")

    def insert(self, label: str, *, before: str = "", after: str = "") -> str:
        """Make a node ``label`` beside another one, by default as the last of all, and return its path."""
        if before:
            self._handle.insert(f"{_TREE}/{before}", label, before=True)
            # one of the same kind takes over the other's number
            same = before.rpartition("/")[2].startswith(f"{label}[")
            return before if same else self.match(f"{before}/preceding-sibling::*[1]")[0]
        last = after or (self.match("*") or [""])[-1]
        if not last:
            self._handle.set(f"{_TREE}/{label}", None)
            return f"{label}[1]"
        self._handle.insert(f"{_TREE}/{last}", label, before=False)
        return self.match(f"{last}/following-sibling::*[1]")[0]

    def fill(self, node: str, leaves: Iterable[tuple[str, str]]) -> None:
        """Give the new ``node`` its leaves, label and value, in that order."""
        for label, value in leaves:
            self._handle.set(f"{_TREE}/{node}/{label}[last()+1]", value)


@contextmanager
def opened(lens: str, path: str, data: bytes) -> Iterator[Tree]:
    """Give the tree of ``data``, read with ``lens`` ("Maincf.lns"); afterwards ``tree.data`` is the new text.

    Raises:
        ParseError: when the lens can't read ``data``; ``path`` is only for that message.
        HostError: when it has more lines than Augeas can handle.
        WizardError: when the edited tree is no such text.

    """
    _no_reserved(path, data)
    _not_too_long(path, data)
    text = data.decode("latin-1")
    # lenses want every line ended; where the last one was not, it stays so
    line_end = "\r\n" if text.split("\n", 1)[0].endswith("\r") else "\n"
    missing = "" if not text or text.endswith("\n") else line_end
    with _at_work:
        handle = _augeas()
        try:
            _parse(handle, lens, path, text + missing)
            tree = Tree(handle, line_end)
            yield tree
            tree.data = _written(handle, lens, path).removesuffix(missing).encode("latin-1")
        finally:
            for node in (_BEFORE, _TREE, _AFTER, f"/augeas/text{_TREE}"):
                handle.remove(node)


def _parse(handle: Augeas, lens: str, path: str, text: str) -> None:
    handle.set(_BEFORE, text)
    try:
        handle.text_store(lens, _BEFORE, _TREE)
    except ValueError:
        pos = handle.get(f"/augeas/text{_TREE}/error/pos")
        if not pos:
            raise HostError(f"{path}: Augeas can't read it") from None
        raise _unexpected(path, text, int(pos)) from None


def _written(handle: Augeas, lens: str, path: str) -> str:
    try:
        handle.text_retrieve(lens, _BEFORE, _TREE, _AFTER)
    except ValueError:
        raise WizardError(f"{path}: the edited text would be no valid one, so nothing is changed") from None
    return handle.get(_AFTER) or ""


def _no_reserved(path: str, data: bytes) -> None:
    if found := _RESERVED.search(data):
        line = data.count(b"\n", 0, found.start()) + 1
        raise ParseError(path, line, f"unexpected control character {found[0]!r}: this is no text file")


def _not_too_long(path: str, data: bytes) -> None:
    lines = data.count(b"\n")
    if lines > _MOST_LINES:
        raise HostError(f"{path} has {lines} lines; files of more than {_MOST_LINES} are not edited here")


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


def quoted(text: str) -> str:
    """Return ``text`` as a string in a path expression.

    Raises:
        WizardError: when it has both kinds of quotes, which Augeas can't write.

    """
    if '"' not in text:
        return f'"{inward(text)}"'
    if "'" in text:
        raise WizardError(f"{text!r} is not a name")
    return f"'{inward(text)}'"
