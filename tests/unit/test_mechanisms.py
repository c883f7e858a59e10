"""The mechanisms: the page says what was measured, and what was measured decides what may be offered."""

from __future__ import annotations

import pytest

import recipes
from recipes import measured
from recipes.measured import CHROOTS, RELEASES, Verdict, verdict
from recipes.mechanism_words import words
from tests.machines import measured_file
from wizard import sasl, syntax
from wizard.policy import BACKENDS

KINDS = tuple(BACKENDS)
PASSWORDS = {"PLAIN", "LOGIN"}


def test_the_page_and_the_file_are_what_was_measured() -> None:
    page = measured_file.PAGE.read_text()
    assert page == measured_file.page(page, measured.table()), "python -m tests.machines.measuring"
    assert measured_file.FILE.read_text() == measured_file.toml(measured.table())


def test_every_back_end_and_every_mechanism_is_measured_and_has_a_word() -> None:
    assert set(measured.table()) == set(KINDS)
    every = {*sasl.PREFERENCE, *syntax.MECHANISMS}
    assert all(set(row) == every == set(words()) for row in measured.table().values())
    cells = [cells for row in measured.table().values() for cells in row.values()]
    assert all(set(cell) == {(r, c) for r in RELEASES for c in CHROOTS} for cell in cells)


def test_the_back_ends_of_a_recipe_serve_the_same() -> None:
    for recipe in recipes.BACKENDS:
        assert {measured.serves(kind.type) for kind in recipe.types} == {recipe.serves}
        assert recipe.serves.issuperset(recipe.usual)


@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_past_a_back_end_or_lets_in_anybody_is_never_served(kind: str) -> None:
    serves = measured.serves(kind)
    assert "ANONYMOUS" not in serves
    assert "EXTERNAL" not in serves
    if kind.startswith("saslauthd"):
        assert serves == PASSWORDS
        assert "past saslauthd" in measured.refusal(kind, "CRAM-MD5")
    for mechanism in words():
        assert mechanism in serves or measured.refusal(kind, mechanism)


@pytest.mark.parametrize(
    ("replies", "meaning"),
    [
        ("-", Verdict.ABSENT),
        ("235 535 535", Verdict.SERVED),
        ("535 535 535", Verdict.REFUSED),
        ("454 454 454", Verdict.FAILS),
        ("535 535 235", Verdict.PAST),
        ("235 535 235", Verdict.BESIDE),
        ("235 235 235", Verdict.ANYBODY),
        ("535 235 535", Verdict.ANYBODY),
    ],
)
def test_what_replies_mean(replies: str, meaning: Verdict) -> None:
    assert verdict(replies) is meaning


def test_cells_are_written_down_only_as_far_as_they_differ_and_read_back_the_same() -> None:
    keys = [(release, chroot) for release in RELEASES for chroot in CHROOTS]
    for replies in (("a",) * 4, ("a", "b", "a", "b"), ("a", "a", "b", "b"), ("a", "b", "c", "d")):
        cells = dict(zip(keys, replies, strict=True))
        text = measured_file.toml({"dovecot": {"PLAIN": cells}})
        assert measured.parse(text) == {"dovecot": {"PLAIN": cells}}
    assert '"a"' in measured_file.toml({"x": {"PLAIN": dict.fromkeys(keys, "a")}})


def test_a_chroot_alone_does_not_spoil_a_mechanism_but_a_release_does() -> None:
    good, bad = "235 535 535", "454 454 454"
    chrooted = {(r, c): bad if c == "chrooted" else good for r in RELEASES for c in CHROOTS}
    assert measured.judged(chrooted) == {Verdict.SERVED}
    older = {(r, c): bad if r == "12" else good for r in RELEASES for c in CHROOTS}
    assert measured.judged(older) == {Verdict.SERVED, Verdict.FAILS}
