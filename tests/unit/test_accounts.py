"""Names of accounts: the rules for new ones, and those that others made; and files that are no sasldb."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from wizard import accounts
from wizard.accounts import Account, Sasldb
from wizard.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "must not be empty"),
        ("a b", "must not hold a blank"),
        ("a/b@example.org", "must not hold '/'"),
        ("a\x1b", "must not hold control characters"),
        ("-a", "must not begin with '-'"),
        ("x" * 65, "must not be longer than 64 characters before the @"),
        ("a@b@c", "must have one '@' at most"),
        ("a@", "must have something behind the @"),
        ("@a", "must have something before the @"),
        ("joé@exämple.org", "must have only A-Z, a-z, 0-9, dots and hyphens behind the @"),
        ("a@" + "b" * 254, "must not be longer than 253 characters behind the @"),
        ("joé@example.org", ""),
        ("x" * 64, ""),
    ],
)
def test_the_rule_that_a_new_name_breaks_is_named(name: str, rule: str) -> None:
    assert accounts.broken_rule(name) == rule


@pytest.mark.parametrize(
    ("name", "account"),
    [
        ("a b@example.org", Account("a b", "example.org")),
        ("und@ex_ample", Account("und", "ex_ample")),
        ("-x", Account("-x", "example.net")),
    ],
)
def test_an_account_of_a_strange_name_is_meant_all_the_same(name: str, account: Account) -> None:
    assert Sasldb("/etc/sasldb2", "example.net").account(name) == account


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name, why in (
        ("pipe", "not a regular file"),
        ("folder", "not a regular"),
        ("loop", "Too many levels"),
    ):
        with pytest.raises(HostError, match=why):
            Sasldb(str(tmp_path / name), "example.net").accounts()
    (tmp_path / "dangling").symlink_to("nothing")
    for name in ("none", "dangling"):
        assert Sasldb(str(tmp_path / name), "example.net").accounts() == ()
