"""docs/command-line.md says what is true: its policies are valid; no command, key or value is missing."""

from __future__ import annotations

import re
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

import pytest

from wizard import cli, policyfile
from wizard.policy import BACKENDS
from wizard.policyfields import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAGE = (Path(__file__).parents[2] / "docs/command-line.md").read_text()


def _part(title: str) -> str:
    """Return the part of the page under the heading that begins with ``title``."""
    return re.split(r"^#", _PAGE.split(f"# {title}", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def _keys() -> Iterator[tuple[str, str, type]]:
    sections = [("backend", form) for form in BACKENDS.values()] + list(SECTIONS.items())
    for section, form in sections:
        for field in fields(form):
            yield section, field.name, form


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", _PAGE, re.DOTALL))
def test_every_policy_on_it_is_valid(text: str) -> None:
    policyfile.parse(text)


@pytest.mark.parametrize(("section", "key", "form"), sorted(set(_keys()), key=str))
def test_every_key_is_in_the_table_of_its_section(section: str, key: str, form: type) -> None:
    part = _part(f"`[{section}]`")
    assert f"`{key}`" in part
    kind = get_type_hints(form)[key]
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        assert [value for value in kind if f'`"{value}"`' not in part] == []


@pytest.mark.parametrize("name", BACKENDS)
def test_every_back_end_is_on_it_with_its_keys(name: str) -> None:
    row = next(line for line in _part("`[backend]`").splitlines() if line.startswith(f'| `"{name}"`'))
    assert {field.name for field in fields(BACKENDS[name])} == set(re.findall(r"`(\w+)`", row))


def test_every_command_is_on_it_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    commands = set(re.findall(r"^    ([a-z]+)  ", capsys.readouterr().out, re.MULTILINE))
    assert "status" in commands
    assert set(re.findall(r"^\| `([a-z]+)", _part("Commands"), re.MULTILINE)) == commands
