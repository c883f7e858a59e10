"""Files of shell variables in ``/etc/default``: read by sh (init scripts) or by systemd (EnvironmentFile)."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard.errors import ParseError, WizardError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LENS = "Shellvars.lns"
_ASSIGNMENT = re.compile(r"[ \t\r\f\v]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=")
_WORD = re.compile(r"""(?:[^\s;"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')*""", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_UNSAFE = re.compile(r'["$`\\\r]')


@dataclass(frozen=True, slots=True)
class SetVariable:
    """Give the variable ``name`` a value; of several assignments the last is the one that counts."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class DropVariable:
    """Take every assignment of ``name`` out."""

    name: str


Edit = SetVariable | DropVariable


def read(path: str, data: bytes) -> Mapping[str, str]:
    """Return variable -> value, without quotes; nothing is expanded, for systemd would not either.

    Raises:
        ParseError: when a value's quotes don't end.

    """
    found: dict[str, str] = {}
    text, at = data.decode(errors="backslashreplace"), 0
    while at < len(text):
        if assignment := _ASSIGNMENT.match(text, at):
            end = _end(text, assignment.end())
            try:
                found[assignment[1]] = _first_word(text[assignment.end() : end])
            except ValueError:
                line = text.count("\n", 0, at) + 1
                raise ParseError(
                    path, line, f"the quotes in the value of {assignment[1]} don't end"
                ) from None
            at = end
        at = text.find("\n", at) + 1 or len(text)
    return found


def _end(text: str, begin: int) -> int:
    """Return where the word that begins there ends: quoted, it may have several lines."""
    word = _WORD.match(text, begin)
    end = word.end() if word else begin
    # what does not end goes as far as its line, to be refused
    return end if text[end : end + 1] not in ('"', "'", "\\") else (text.find("\n", end) + 1 or len(text))


def _first_word(text: str) -> str:
    """Return what sh makes of the word ``text``; ValueError when its quotes don't end."""
    if not text:
        return ""
    if "'" not in text:
        text = _ESCAPED.sub(lambda two: "" if two[1] == "\n" else two[0], text)  # the line goes on
    words = shlex.shlex(text, posix=True, punctuation_chars=";")
    words.whitespace_split = True
    return next(iter(words), "")


def edit(path: str, data: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the text ``data`` with ``edits`` made, and everything else as it was.

    Raises:
        ParseError: when ``data`` has lines beyond assignments and comments that can't be read.
        WizardError: when a value can't be written so that sh and systemd read the same.

    """
    from wizard import lenses  # noqa: PLC0415 - Augeas is loaded by who edits only

    _no_carriage_return(path, data)
    with lenses.opened(_LENS, path, data) as tree:
        for wish in edits:
            found = tree.match(f"variable[name={lenses.quoted(wish.name)}]")
            if isinstance(wish, DropVariable):
                for node in reversed(found):
                    tree.remove(node)
                continue
            if _UNSAFE.search(wish.value):
                raise WizardError(f"{path}: {wish.name} can't have the value {wish.value!r}")
            value = lenses.inward(_quoted(wish.value))
            if found and tree.get(f"{found[-1]}/value") is None:
                tree.insert("value", after=f"{found[-1]}/name[1]")
            if found:
                tree.set(f"{found[-1]}/value", value)
            else:
                leaves = [("before", ""), ("name", wish.name), ("value", value), ("end", tree.line_end)]
                tree.fill(tree.insert("variable"), leaves)
    return tree.data


def _no_carriage_return(path: str, data: bytes) -> None:
    at = data.find(b"\r")
    if at >= 0:
        wrong = f"unexpected carriage return, which sh takes as part of the value: sed -i 's/\\r$//' {path}"
        raise ParseError(path, data.count(b"\n", 0, at) + 1, wrong)


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[A-Za-z0-9._/-]+", value) else f'"{value}"'
