"""Writes down what was measured: recipes/measured.toml, and the table in docs/mechanisms.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipes.measured import CHROOTS, RELEASES, Verdict, verdict
from recipes.mechanism_words import words
from tests.machines.images import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Cells = Mapping[tuple[str, str], str]
    Table = Mapping[str, Mapping[str, Cells]]

FILE = REPOSITORY / "recipes" / "measured.toml"
PAGE = REPOSITORY / "docs" / "mechanisms.md"
_HEAD = """\
# What each back end does with each mechanism. Written by python -m tests.machines.measuring, see
# docs/mechanisms.md: the replies to the right credential, to a wrong one, and to one of another place;
# "-": not offered. Where Debian 12 and 13, or smtpd chrooted and not, differ, each is named.
"""
_SIGNS = {
    Verdict.SERVED: "yes",
    Verdict.ABSENT: "-",
    Verdict.REFUSED: "no",
    Verdict.FAILS: "fails",
    Verdict.PAST: "**past it**",
    Verdict.BESIDE: "*beside it*",
    Verdict.ANYBODY: "**anybody**",
}


def toml(table: Table) -> str:
    """Return the file's text."""
    parts = [_HEAD]
    for kind, row in table.items():
        parts.append(f"\n[{kind}]\n")
        parts += [f"{mechanism} = {_folded(cells)}\n" for mechanism, cells in row.items()]
    return "".join(parts)


def _folded(cells: Cells) -> str:
    """Return a cell as TOML, and no more of it than differs."""
    by_chroot = {chroot: {cells[release, chroot] for release in RELEASES} for chroot in CHROOTS}
    by_release = {release: {cells[release, chroot] for chroot in CHROOTS} for release in RELEASES}
    if len(set(cells.values())) == 1:
        return f'"{next(iter(cells.values()))}"'
    for agreeing in (by_chroot, by_release):
        if all(len(found) == 1 for found in agreeing.values()):
            return _inline({key: found.pop() for key, found in agreeing.items()})
    return _inline({" ".join(key): found for key, found in cells.items()})


def _inline(pairs: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f'"{key}" = "{value}"' for key, value in pairs.items()) + " }"


def page(text: str, table: Table) -> str:
    """Return the page ``text`` with its two tables: of what was measured, and of what is to be said."""
    return _between(_between(text, "measured", _measured(table)), "words", _words())


def _between(text: str, mark: str, content: str) -> str:
    begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->\n"
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content}\n{end}{rest.partition(end)[2]}"


def _measured(table: Table) -> str:
    alike: dict[tuple[str, ...], list[str]] = {}
    for kind, row in table.items():
        alike.setdefault(tuple(_sign(cells) for cells in row.values()), []).append(kind)
    heads = ("mechanism", *("<br>".join(kinds) for kinds in alike.values()))
    return f"{_agreement(table)}\n\n{_lines(heads, zip(next(iter(table.values())), *alike, strict=True))}"


def _words() -> str:
    rows = (
        (name, f"**outdated**: {word.outdated}" if word.outdated else word.about, word.source)
        for name, word in words().items()
    )
    return _lines(("mechanism", "", "says who"), rows)


def _lines(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    every = (heads, ["---"] * len(heads), *rows)
    return "".join(f"| {' | '.join(row)} |\n" for row in every)


def _agreement(table: Table) -> str:
    """Say in which cells the releases differ."""
    differ = [
        f"{mechanism} with {kind}"
        for kind, row in table.items()
        for mechanism, cells in row.items()
        if any(cells[RELEASES[0], chroot] != cells[RELEASES[1], chroot] for chroot in CHROOTS)
    ]
    if differ:
        return f"Debian {' and '.join(RELEASES)} differ in: {', '.join(differ)}."
    return f"Debian {' and '.join(RELEASES)} agree in every cell."


def _sign(cells: Cells) -> str:
    """Return what stands in a cell of the table: one sign, or one for each case that differs."""
    signs = {key: _SIGNS[verdict(replies)] for key, replies in cells.items()}
    if len(set(signs.values())) == 1:
        return next(iter(signs.values()))
    if all(signs[RELEASES[0], chroot] == signs[RELEASES[1], chroot] for chroot in CHROOTS):
        return ", ".join(f"{chroot}: {signs[RELEASES[0], chroot]}" for chroot in CHROOTS)
    return ", ".join(f"{' '.join(key)}: {sign}" for key, sign in signs.items())
