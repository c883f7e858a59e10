"""Names of accounts, files that are no sasldb, how long a password may be, and how one is asked for."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from wizard import accounts, asking, passwordlimit
from wizard.accounts import Account, Sasldb
from wizard.errors import HostError, PolicyError
from wizard.policy import AuxpropSasldb, SaslauthdPam, SaslauthdSasldb
from wizard.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from wizard.policy import Backend


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


@pytest.mark.parametrize(
    ("backend", "longest"),
    [(AuxpropSasldb(), 1024), (SaslauthdSasldb(), 256), (SaslauthdPam(), 256), (None, 1024)],
)
def test_a_password_that_the_back_end_can_not_take_is_refused(backend: Backend | None, longest: int) -> None:
    passwordlimit.refuse_longer(backend, Secret("x" * longest))
    with pytest.raises(PolicyError, match=f"longer than the {longest} bytes"):
        passwordlimit.refuse_longer(backend, Secret("ä" + "x" * (longest - 1)))


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["one", "two"], "not the same"),
        ([""], "is empty"),
        ([], "no password was given"),
        (["one"], "no password"),
    ],
)
def test_a_new_password_is_typed_twice(monkeypatch: pytest.MonkeyPatch, typed: list[str], says: str) -> None:
    _type(monkeypatch, typed)
    with pytest.raises(PolicyError, match=says):
        asking.new_password("joe")
    _type(monkeypatch, ["one", "one"])
    assert asking.new_password("joe").reveal() == "one"


def _type(monkeypatch: pytest.MonkeyPatch, typed: list[str]) -> None:
    lines = iter(typed)

    def getpass(_: str) -> str:
        line = next(lines, None)
        if line is None:
            raise EOFError
        return line

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", getpass)
