"""Postfix's ``master.cf``: services and their ``-o name=value`` overrides (master(5)).

Each option is a node of its own; what the result means, postconf is asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard import lenses
from wizard.errors import HostError
from wizard.formats import folded

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from wizard.lenses import Tree

_LENS = "Mastercf.lns"
_BLANK = re.compile(r"\s")


@dataclass(frozen=True, slots=True)
class Option:
    """One ``-o name=value`` of a service."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class SetOption:
    """Give ``service``/``type`` the override ``name=value``."""

    service: str
    type: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class SetChroot:
    """Set the chroot column of ``service``/``type`` to ``y``, ``n`` or ``-``."""

    service: str
    type: str
    value: str


@dataclass(frozen=True, slots=True)
class AddService:
    """A new service with all its columns, put beside the commented-out example of the same name."""

    name: str
    type: str
    private: str
    unpriv: str
    chroot: str
    wakeup: str
    maxproc: str
    command: str
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class DisableService:
    """Turn every line of the service into a comment."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class EnableService:
    """Turn the comments that DisableService has made of the service ``text`` into it again.

    ``columns`` and ``options`` are what Postfix reads there.
    """

    text: str
    columns: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()


Edit = SetOption | SetChroot | AddService | DisableService | EnableService


def edit(path: str, data: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the text ``data`` with ``edits`` made, and everything else as it was.

    Raises:
        ParseError: when ``data`` is no master.cf.
        HostError: when a service to be edited is not there.

    """
    for text in (wish.text for wish in edits if isinstance(wish, EnableService)):
        data = _enabled(data, text)
    with lenses.opened(_LENS, path, data) as tree:
        for wish in edits:
            match wish:
                case EnableService():
                    pass  # done above
                case SetOption(service, kind, name, value):
                    _set_option(tree, _service(tree, path, service, kind), name, value)
                case SetChroot(service, kind, value):
                    tree.set(f"{_service(tree, path, service, kind)}/chroot", value)
                case AddService():
                    _add_service(tree, wish)
                case DisableService(name, kind):
                    # an earlier entry would count once the last is gone
                    for entry in reversed(_entries(tree, path, name, kind)):
                        _disable(tree, entry)
    return tree.data


def _service(tree: Tree, path: str, name: str, kind: str) -> str:
    """Return the node of a service; of two entries the last is the one that counts."""
    return _entries(tree, path, name, kind)[-1]


def _entries(tree: Tree, path: str, name: str, kind: str) -> list[str]:
    found = tree.match(_named(name, kind))
    if not found:
        raise HostError(f"{path}: there is no service {name} of type {kind}")
    return found


def _named(name: str, kind: str) -> str:
    return f"service[name={lenses.quoted(name)}][type={lenses.quoted(kind)}]"


# options


def _set_option(tree: Tree, service: str, name: str, value: str) -> None:
    found = tree.match(f"{service}/option[name={lenses.quoted(name)}]")
    if not found:
        _add_option(tree, service, Option(name, value))
        return
    option = found[-1]
    old = tree.get(f"{option}/value")
    if value and old and tree.get(f"{option}/close") is not None:
        tree.set(f"{option}/value", folded.reworded(old, lenses.inward(value)))
        return
    _, *rest = tree.match(f"{option}/*")
    if _BLANK.search(value) or tree.get(f"{option}/close") is not None:
        for leaf in reversed(rest):
            tree.remove(leaf)
        tree.fill(option, _leaves(Option(name, value)))
        return
    if tree.get(f"{option}/equals") is None:
        tree.set(f"{option}/equals", "=")
    tree.set(f"{option}/value", lenses.inward(value))


def _add_option(tree: Tree, service: str, option: Option) -> None:
    """Put it after the last option or flag, on a line of its own, indented like the others."""
    options = tree.match(f"{service}/*[label()='option' or label()='flag']")
    gaps = [gap for node in options if "\n" in (gap := tree.get(f"{node}/gap") or "")]
    indent = gaps[-1].rpartition("\n")[2] if gaps else "  "
    new = tree.insert("option", after=options[-1] if options else f"{service}/command[1]")
    tree.fill(new, [("gap", f"{tree.line_end}{indent}"), *_leaves(option)])


def _leaves(option: Option) -> list[tuple[str, str]]:
    """Return what follows the gap; a value with blanks in it stands in braces (postconf(5), since 3.0)."""
    value = lenses.inward(option.value)
    if _BLANK.search(value):
        around = [("flag", "-o { "), ("name", option.name), ("equals", " = "), ("value", value)]
        return [*around, ("close", " }")]
    return [("flag", "-o "), ("name", option.name), ("equals", "="), ("value", value)]


# whole services

#: column -> its width, as Postfix ships the file
_COLUMNS = {"name": 9, "type": 5, "private": 7, "unpriv": 7, "chroot": 7, "wakeup": 7, "maxproc": 7}


def _add_service(tree: Tree, service: AddService) -> None:
    after = _example(tree, service.name) or (tree.match("service[type='inet']") or [""])[-1]
    new = tree.insert("service", after=after)
    for column, width in _COLUMNS.items():
        value = str(getattr(service, column))
        tree.fill(new, [(column, value), ("gap", " " * max(1, width - len(value) + 1))])
    tree.fill(new, [("command", service.command)])
    for option in service.options:
        node = tree.insert("option", after=tree.match(f"{new}/*")[-1])
        tree.fill(node, [("gap", f"{tree.line_end}  "), *_leaves(option)])
    tree.fill(new, [("end", tree.line_end)])


def _example(tree: Tree, name: str) -> str:
    """Return the last comment of the commented-out example of the service ``name``; empty: there is none."""
    begin = re.compile(rf"\s*#\s*{re.escape(name)}\s+inet\s")
    goes_on = re.compile(r"\s*#\s{2,}\S")
    last = ""
    for node in tree.match("*"):
        text = (tree.get(node) or "") if node.startswith("#comment") else ""
        if begin.match(text) or (last and goes_on.match(text)):
            last = node
        elif last:
            break
    return last


def _disable(tree: Tree, service: str) -> None:
    for comment in _comments(tree.text(service)):
        tree.set(tree.insert("#comment", before=service), comment)
    tree.remove(service)


def _comments(text: str) -> list[str]:
    lines = text.split("\n")[:-1]
    return [f"{line}\n" if line.lstrip().startswith("#") else f"#{line}\n" for line in lines]


def texts(path: str, data: bytes, names: Collection[str], kind: str) -> list[str]:
    """Return the texts of the services ``names`` of type ``kind``, each with all of its lines.

    Raises:
        ParseError: when ``data`` is no master.cf.

    """
    with lenses.opened(_LENS, path, data) as tree:
        found = [node for name in names for node in tree.match(_named(name, kind))]
        return [tree.text(node) for node in found]


def is_disabled(data: bytes, text: str) -> bool:
    """Whether the service ``text`` is in ``data`` as DisableService leaves it."""
    return _enabled(data, text) != data


def _enabled(data: bytes, text: str) -> bytes:
    before, after = (f"\n{one}".encode("latin-1") for one in ("".join(_comments(text)), text))
    return (b"\n" + data).replace(before, after, 1)[1:]
