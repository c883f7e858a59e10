"""Reads and writes policy files (TOML 1.0). What was read is valid; what was written reads back the same."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import tomli_w

from wizard import policyrules
from wizard.errors import PolicyError
from wizard.policy import BACKENDS, Policy
from wizard.policyfields import SECTIONS, check_backend_type, fields_of, meant
from wizard.smallfiles import read_small_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wizard.policyfields import Field

_LARGEST = 64 * 1024
_POSITION = re.compile(r"\(at (?P<position>[^)]+)\)$")
_BARE = re.compile(r"[A-Za-z0-9_-]{1,40}")
_ALL_SECTIONS = ("backend", *SECTIONS)


def load(path: Path) -> Policy:
    """Read the policy file at ``path``: a regular file of at most 64 KiB in UTF-8.

    Raises:
        PolicyError: if it can't be read, or is not a valid policy.

    """
    try:
        content = read_small_file(path, _LARGEST).content
    except OSError as error:
        raise PolicyError("", f"{path}: {error.strerror}; name a policy file that can be read") from error
    return parse(content, str(path))


def parse(text: str | bytes, where: str = "") -> Policy:
    """Return the policy that ``text``, in TOML, describes. ``where`` is the name of its file.

    Raises:
        PolicyError: names the key and says what is allowed; for a mistake in the TOML, the line.

    """
    document = _toml(text, where or "the policy")
    _refuse_unknown(document, _ALL_SECTIONS)
    sections = {name: _section(name, table) for name, table in document.items()}
    make: Callable[..., Policy] = Policy
    policy = make(**sections)
    policyrules.check(policy)
    return policy


def render(policy: Policy) -> str:
    """Return ``policy`` as a policy file, with every key of its sections, always in the same order."""
    document: dict[str, dict[str, str | int | list[str]]] = {}
    for name in _ALL_SECTIONS:
        section = getattr(policy, name)
        if section is not None:
            document[name] = {"type": section.type} if name == "backend" else {}
            for field in fields(section):
                document[name][field.name] = _plain(getattr(section, field.name))
    return tomli_w.dumps(document)


def expressible(policy: Policy) -> tuple[Policy, tuple[str, ...]]:
    """Return ``policy`` without the sections that ``parse`` would refuse, and for each of them why.

    A host can be set up in ways that no policy file may ask for.
    """
    make: Callable[..., Policy] = Policy
    refused = {}
    for name in _ALL_SECTIONS:
        section = getattr(policy, name)
        try:
            parse(render(make(**{name: section})))
        except PolicyError as error:
            found = _shown(getattr(section, error.key.rpartition(".")[2], ""))
            refused[name] = f"{error.key} is {found}, which no policy file can have, so [{name}] is left out"
    return replace(policy, **dict.fromkeys(refused)), tuple(refused.values())


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _plain(value: str | int | tuple[str, ...]) -> str | int | list[str]:
    if isinstance(value, StrEnum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def _toml(text: str | bytes, where: str) -> dict[str, object]:
    try:
        return tomllib.loads(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise PolicyError("", f"{where}: not UTF-8 at byte {error.start + 1}; save it as UTF-8") from error
    except RecursionError as error:
        raise PolicyError("", f"{where}: nested too deeply for a policy") from error
    # a number of thousands of digits is a ValueError that tomllib does not wrap
    except ValueError as error:
        position = _POSITION.search(str(error))
        at = f", {position['position']}" if position else ""
        reason = _POSITION.sub("", str(error)).strip()
        raise PolicyError(
            "", f"{where}{at}: {reason}; texts stand in quotes, one key = value a line"
        ) from error


def _refuse_unknown(document: Mapping[str, object], allowed: tuple[str, ...]) -> None:
    for name, table in document.items():
        if name not in allowed:
            problem = f"no such section; there are {', '.join(allowed)}{meant(name, allowed)}"
            raise PolicyError(_spelt(name), problem)
        if not isinstance(table, dict):
            raise PolicyError(
                name, f"must be a section: [{name}] on a line of its own, and its keys below it"
            )


def _section(name: str, table: object) -> object:
    given = dict(table) if isinstance(table, dict) else {}
    form = _backend_form(given) if name == "backend" else SECTIONS[name]
    known = fields_of(name, form)
    for key in given:
        if key not in known:
            raise PolicyError(f"{name}.{_spelt(key)}", _unknown(name, key, known, form))
    for key, field in known.items():
        if field.default is None and key not in given:
            raise PolicyError(field.key, "must be given")
    make: Callable[..., object] = form
    return make(**{key: known[key].accept(raw) for key, raw in given.items()})


def _backend_form(given: dict[str, object]) -> type:
    """Take ``type`` out of the ``given`` keys and return the class for it."""
    if "type" not in given:
        raise PolicyError("backend.type", f"must be given: one of {', '.join(BACKENDS)}")
    name = given.pop("type")
    if not isinstance(name, str):
        raise PolicyError("backend.type", f"must be a text in quotes: one of {', '.join(BACKENDS)}")
    if problem := check_backend_type(name):
        raise PolicyError("backend.type", problem)
    return BACKENDS[name]


def _unknown(section: str, key: str, known: Mapping[str, Field], form: type) -> str:
    """Say what to do about a ``key`` that ``form`` has not: another back end's, or misspelt."""
    has = ", ".join(known) or "no further key"
    if section != "backend":
        return f"no such key; [{section}] has {has}{meant(key, known)}"
    owners = [name for name, other in BACKENDS.items() if key in fields_of(section, other)]
    whose = f"is a key of {', '.join(owners)}" if owners else "no such key"
    this = next(name for name, other in BACKENDS.items() if other is form)
    return f'{whose}; with type = "{this}" there is {has}{meant(key, known)}'


def _spelt(key: str) -> str:
    """Return a key that nobody vouches for, as TOML would quote it, cut to a readable length."""
    return key if _BARE.fullmatch(key) else ascii(key[:40])
