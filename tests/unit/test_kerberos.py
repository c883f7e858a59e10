"""What is read of krb5.conf and of a keytab."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wizard.kerberos import configuration, principals

_TEXT = """
# the house's own
[libdefaults]
    default_realm = EXAMPLE.NET
    dns_lookup_kdc = no
[realms]
    OTHER.EXAMPLE = {
        kdc = kdc.other.example
    }
    EXAMPLE.NET = {
        kdc = kdc1.example.net
        ; kdc = kdc0.example.net
        v4_instance_convert = {
            mit = mit.edu
        }
        kdc = kdc2.example.net:750
    }
[domain_realm]
    .example.net = EXAMPLE.NET
"""


def _packed(text: str) -> bytes:
    return len(text).to_bytes(2) + text.encode()


def _entry(*parts: str) -> bytes:
    content = (len(parts) - 1).to_bytes(2) + b"".join(map(_packed, parts)) + b"\0\0\0\1\0\0\0\0\2\0\x12\0\1k"
    return len(content).to_bytes(4) + content


def test_realm_and_its_servers_are_found() -> None:
    found = configuration(_TEXT)
    assert (found.realm, found.elsewhere) == ("EXAMPLE.NET", False)
    assert found.servers == ("kdc1.example.net", "kdc2.example.net:750")


def test_what_is_included_is_not_known() -> None:
    assert configuration("includedir /etc/krb5.conf.d/\n").elsewhere
    assert not configuration("").elsewhere
    assert configuration("").realm == ""


def test_names_in_a_keytab_are_found_between_holes() -> None:
    hole = (-8 & 0xFFFFFFFF).to_bytes(4) + b"deleted!"
    keys = _entry("EXAMPLE.NET", "host", "mail.example.net") + hole + _entry("EXAMPLE.NET", "root")
    assert principals(b"\x05\x02" + keys) == {"host/mail.example.net", "root"}


@given(st.binary())
def test_what_is_no_keytab_does_no_harm(data: bytes) -> None:
    assert principals(b"\x05\x01" + data) == frozenset()
    principals(b"\x05\x02" + data)
