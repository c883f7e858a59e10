"""What a user has to type: worked out from how the name is looked up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from recipes.saslauthd_ldap import called
from recipes.user_names import Called, Names

_HOSTS_OWN = Names("here", Called.BARE, "example.net")
_SASLDB = Names("in sasldb", Called.WHOLE, "example.net", realm="mail.example.net")
_ELSEWHERE = Names("at a server", Called.EITHER, "example.net")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (_HOSTS_OWN, ("joe", "joe@a.example")),
        (replace(_HOSTS_OWN, cut=True), ("joe", "joe")),
        (replace(_HOSTS_OWN, cut=True, appended="example.org"), ("joe", "joe")),
        (replace(_HOSTS_OWN, appended="example.org"), ("joe@example.org", "joe@a.example")),
        (_SASLDB, ("joe@mail.example.net", "joe@a.example")),
        (replace(_SASLDB, appended="example.org"), ("joe@example.org", "joe@a.example")),
    ],
)
def test_what_a_name_is_looked_up_as(names: Names, found: tuple[str, str]) -> None:
    assert (names.looked_up("joe"), names.looked_up("joe@a.example")) == found


@pytest.mark.parametrize(
    ("names", "forms"),
    [
        (_HOSTS_OWN, ("joe",)),
        (replace(_HOSTS_OWN, cut=True), ("joe",)),
        (replace(_HOSTS_OWN, cut=True, appended="example.org"), ("joe",)),
        (replace(_HOSTS_OWN, appended="example.org"), ()),
        (_SASLDB, ("joe", "joe@mail.example.net")),
        (replace(_SASLDB, appended="example.org"), ("joe", "joe@example.org")),
        (_ELSEWHERE, ("joe", "joe@example.net")),
        (replace(_ELSEWHERE, cut=True), ("joe",)),
        (replace(_ELSEWHERE, appended="example.org"), ("joe", "joe@example.org")),
        (replace(_ELSEWHERE, called=Called.WHOLE), ("joe@example.net",)),
        (replace(_ELSEWHERE, called=Called.WHOLE, cut=True), ()),
    ],
)
def test_only_forms_that_are_found_are_to_be_typed(names: Names, forms: tuple[str, ...]) -> None:
    assert names.forms("joe") == forms


def test_what_lets_more_in_than_was_meant_or_nobody_is_said() -> None:
    assert _SASLDB.traps("joe") == ()
    assert "joe@anything gets in too" in replace(_HOSTS_OWN, cut=True).traps("joe")[0]
    assert "joe@example.org" in replace(_HOSTS_OWN, appended="example.org").traps("joe")[0]


@pytest.mark.parametrize(
    ("pattern", "with_r", "without"),
    [
        ("uid=%u", (Called.EITHER, False), (Called.EITHER, True)),
        ("(mail=%u)", (Called.WHOLE, False), (Called.WHOLE, True)),
        ("(|(uid=%u)(mail=%u))", (Called.EITHER, False), (Called.EITHER, True)),
        ("(mail=%u@example.net)", (Called.EITHER, False), (Called.EITHER, True)),
        ("(uid=%U)", (Called.BARE, True), (Called.BARE, True)),
        ("(&(uid=%U)(mail=%U@%d))", (Called.WHOLE, False), (Called.WHOLE, True)),
        ("(&(uid=%U)(mail=%U@%r))", (Called.WHOLE, False), (Called.WHOLE, False)),
    ],
)
def test_what_a_filter_finds_says_what_is_typed(
    pattern: str, with_r: tuple[Called, bool], without: tuple[Called, bool]
) -> None:
    assert called(pattern, joined=True) == with_r
    assert called(pattern, joined=False) == without
