"""What each back end does with each mechanism, as measured on real servers: ``recipes/measured.toml``.

``python -m tests.machines.measuring`` writes that file; docs/mechanisms.md shows it and tells how it is made.
Nothing is read before somebody asks.
"""

from __future__ import annotations

import tomllib
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Debian's releases and the two ways in which an smtpd may run, as the file names them.
RELEASES = ("12", "13")
CHROOTS = ("chrooted", "not chrooted")
_FILE = Path(__file__).with_name("measured.toml")
_IN, _ABSENT = "235", "-"  # the reply to who is let in (RFC 4954, section 4); what was not offered
#: Who checks tickets itself; with every other back end smtpd does, and the back end is not asked.
_OWN_TICKETS = "dovecot"


class Verdict(StrEnum):
    """What the replies to the right credential, a wrong one and another place's amount to."""

    SERVED = "served"
    ABSENT = "not offered"
    REFUSED = "refused"
    FAILS = "fails"
    PAST = "past it"
    BESIDE = "beside it"
    ANYBODY = "anybody"


def verdict(replies: str) -> Verdict:
    """Return what a cell of the file means."""
    if replies == _ABSENT:
        return Verdict.ABSENT
    right, wrong, elsewhere = replies.split()
    if wrong == _IN:
        return Verdict.ANYBODY
    if elsewhere == _IN:
        return Verdict.BESIDE if right == _IN else Verdict.PAST
    if right == _IN:
        return Verdict.SERVED
    return Verdict.FAILS if right.startswith("4") else Verdict.REFUSED


@cache
def table() -> Mapping[str, Mapping[str, Mapping[tuple[str, str], str]]]:
    """Return back end -> mechanism -> (release, chroot) -> replies."""
    return parse(_FILE.read_text())


def parse(text: str) -> Mapping[str, Mapping[str, Mapping[tuple[str, str], str]]]:
    """Return what ``text``, the file's, says."""
    rows: dict[str, dict[str, str | dict[str, str]]] = tomllib.loads(text)
    return {kind: {mechanism: _spread(cell) for mechanism, cell in row.items()} for kind, row in rows.items()}


def _spread(cell: str | Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Return the replies for each release and chroot; the file names only where they differ."""
    if isinstance(cell, str):
        cell = dict.fromkeys(RELEASES, cell)
    return {
        (release, chroot): next(cell[key] for key in (f"{release} {chroot}", release, chroot) if key in cell)
        for release in RELEASES
        for chroot in CHROOTS
    }


def verdicts(kind: str, mechanism: str) -> frozenset[Verdict]:
    """Return the verdicts on a mechanism, one if the releases agree; a chroot alone spoils nothing."""
    return judged(table().get(kind, {}).get(mechanism, {}))


def judged(cells: Mapping[tuple[str, str], str]) -> frozenset[Verdict]:
    """Return the verdicts on the replies for each release and chroot."""
    found = {key: verdict(replies) for key, replies in cells.items()}
    dead = {release for release in RELEASES if {found.get((release, c)) for c in CHROOTS} == {Verdict.FAILS}}
    return frozenset(
        one for (release, _), one in found.items() if one is not Verdict.FAILS or release in dead
    )


@cache
def serves(kind: str) -> frozenset[str]:
    """Return the mechanisms that ``kind``, a policy's ``backend.type``, serves on every release."""
    return frozenset(_served(kind))


def _served(kind: str) -> Iterator[str]:
    good = {Verdict.SERVED} | ({Verdict.BESIDE} if kind == _OWN_TICKETS else set())
    for mechanism in table()[kind]:
        if verdicts(kind, mechanism) <= good:
            yield mechanism


def beside(kind: str, mechanism: str) -> bool:
    """Whether ``mechanism`` also lets in whom the back end ``kind`` does not know."""
    return Verdict.BESIDE in verdicts(kind, mechanism)


def refusal(kind: str, mechanism: str) -> str:
    """Return why the back end ``kind`` can't serve ``mechanism``."""
    found = verdicts(kind, mechanism)
    who = "Dovecot" if kind == "dovecot" else f"the SASL library with {kind}"
    match sorted(found):
        case [Verdict.PAST]:
            return (
                "saslauthd is handed a password and can check PLAIN and LOGIN only; for anything else the "
                "SASL library asks /etc/sasldb2, past saslauthd: whoever has a password there is let in, and "
                "nobody else"
            )
        case [Verdict.BESIDE]:
            return (
                f"smtpd checks Kerberos tickets itself, beside {kind}: whoever has one is let in, whether "
                "the back end knows him or not"
            )
        case [Verdict.ANYBODY]:
            return "lets everybody in"
        case [Verdict.ABSENT] | []:
            return f"not offered by {who}"
        case _:
            return "refuses everybody"
