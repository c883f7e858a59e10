"""The lines of /etc/saslauthd.conf, of which the last with a key is the one that counts."""

from __future__ import annotations

import pytest

from wizard.changes.differences import unified
from wizard.errors import ParseError
from wizard.formats import saslauthdconf

_PATH = "/etc/saslauthd.conf"
_TEXT = (
    b"# ours\nldap_servers: ldap://a\nLDAP_BIND_PW: one\nldap_servers: ldap://b\n  ldap_password: two # x\n"
)


def test_the_last_line_counts_and_the_password_has_two_names() -> None:
    assert saslauthdconf.read(_PATH, _TEXT) == {"ldap_servers": "ldap://b", "ldap_password": "two # x"}


def test_an_edit_leaves_one_line_of_a_key_and_all_others() -> None:
    values = {"ldap_servers": "ldap://c", "ldap_password": "thr\"ee'\\ ä", "ldap_filter": None}
    text = saslauthdconf.edit(_PATH, _TEXT, values)
    assert text.startswith(b"# ours\n")
    assert saslauthdconf.read(_PATH, text) == {key: value for key, value in values.items() if value}
    assert (text.lower().count(b"ldap_servers"), text.lower().count(b"_pw"), text.count(b"word:")) == (
        1,
        0,
        1,
    )
    assert saslauthdconf.edit(_PATH, text, values) == text


def test_what_stays_is_not_touched() -> None:
    assert saslauthdconf.edit(_PATH, _TEXT, {"ldap_servers": "ldap://b", "ldap_scope": None}) == _TEXT


def test_a_line_that_can_not_be_read_is_named_without_its_secret() -> None:
    with pytest.raises(ParseError) as refused:
        saslauthdconf.read(_PATH, b"ldap_servers: a\n\nldap_password=hush\n")
    assert refused.value.line == 3
    assert "hush" not in str(refused.value)


def test_a_diff_hides_both_names_of_the_password() -> None:
    shown = unified(_PATH, b"ldap_bind_pw: hush\n", b"ldap_password: hush2\n")
    assert "hush" not in shown
    assert "+ldap_password: (hidden, new)" in shown
