"""A diff shows what changes, and never a password."""

from __future__ import annotations

import pytest

from wizard.changes import WriteFile
from wizard.changes.differences import unified
from wizard.formats import smtpdconf
from wizard.root import Root


@pytest.mark.parametrize("key", ["sql_passwd", "ldapdb_pw", "  SQL_Passwd"])
@pytest.mark.parametrize("before", [None, b"", b"x: y\n", b"%s: old one\nmech_list: LOGIN\n"])
def test_a_password_in_smtpd_conf_is_not_shown(before: bytes | None, key: str) -> None:
    before = before.replace(b"%s", key.encode()) if before else before
    after = f"mech_list: PLAIN\n{key}: new one\nsql_user: joe"
    shown = unified("/etc/smtpd.conf", before, after.encode())
    assert "new one" not in shown
    assert "old one" not in shown
    assert f"+{key}: (hidden, new)\n" in shown
    assert "+sql_user: joe\n\\ No newline" in shown


@pytest.mark.parametrize(
    "table",
    [
        "inline:{[a.example]:587=joe:s3cr3t}",
        "hash:/etc/x, static:joe:s3cr3t",
        "inline:{\n# one\n  a=b:s3cr3t\n  }",
    ],
)
def test_a_table_of_passwords_within_main_cf_is_not_shown(table: str) -> None:
    before = f"a = b\nsmtp_sasl_password_maps = {table}\nrelayhost = x\n"
    after = "a = b\nsmtp_sasl_password_maps = hash:/etc/postfix/sasl_passwd\nrelayhost = y\n"
    shown = unified("/etc/postfix/main.cf", before.encode(), after.encode())
    assert "s3cr3t" not in shown
    assert "+relayhost = y\n" in shown
    assert "-relayhost = x\n" in shown


def test_a_password_that_stays_is_no_change() -> None:
    text = b"sql_passwd: secret\nmech_list: PLAIN\n"
    shown = unified("/f", text, text.replace(b"PLAIN", b"LOGIN"))
    assert " sql_passwd: (hidden)\n" in shown
    assert unified("/f", text, text) == ""


def test_nothing_on_the_way_shows_it_either() -> None:
    edit = smtpdconf.SetKey("sql_passwd", "s3cr3t")
    change = WriteFile("/etc/f", before=None, after=b"sql_passwd: s3cr3t\n", reason="")
    assert "s3cr3t" not in f"{edit!r}{change!r}{change.diff(Root())}"
