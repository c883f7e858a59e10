"""What an LDAP server may answer, the well-behaved and the others."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizard.ldap import Answer, Connection, LdapError

if TYPE_CHECKING:
    from collections.abc import Iterator

# a bind response (RFC 4511, section 4.2.2): message 1, result 49, no name, "no"
_REFUSED = bytes.fromhex("300e 020101 6109 0a0131 0400 0402") + b"no"
# an entry before the end of a search
_ENTRY = bytes.fromhex("3009 020101 6404 0400 3000")
_DONE = bytes.fromhex("300c 020101 6507 0a0100 0400 0400")


@contextmanager
def _server(answer: bytes) -> Iterator[str]:
    """Give the URI of a server that says ``answer`` to whoever says something, and hangs up."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            line, _ = server.accept()
            with line:
                line.recv(4096)
                line.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"ldap://127.0.0.1:{server.getsockname()[1]}"
        thread.join(5)


def test_a_refusal_is_told_with_its_number() -> None:
    with _server(_REFUSED) as uri, Connection(uri, "") as server:
        assert server.bind("cn=a" * 50, "hush") == Answer(49, "no")


def test_entries_are_read_with_their_values() -> None:
    attribute = b"\x30\x0c\x04\x02OU\x31\x06\x04\x01x\x04\x01\xff"
    found = b"\x04\x03c=a\x30" + bytes([len(attribute)]) + attribute
    entry = b"\x02\x01\x01\x64" + bytes([len(found)]) + found
    answer = b"\x30" + bytes([len(entry)]) + entry
    with _server(answer + _DONE) as uri, Connection(uri, "") as server:
        assert [(one.name, one.of("ou")) for one in server.below("c=a", "ou", most=5)] == [
            ("c=a", ("x", "\\xff"))
        ]
    with _server(answer * 3 + _DONE) as uri, Connection(uri, "") as server:
        assert len(server.below("", "ou", "x" * 300, most=2)) == 2
    with _server(_DONE) as uri, Connection(uri, "") as server:
        assert server.entry("", "namingContexts") is None


def test_the_end_of_a_search_is_its_answer() -> None:
    with _server(_ENTRY + _DONE) as uri, Connection(uri, "") as server:
        assert server.look_up("dc=a") == Answer(0, "")


@pytest.mark.parametrize(
    "answer", [b"", b"220 mail ESMTP\r\n", b"0", b"\x30\x84\xff\xff\xff\xff", b"0\x03\x02\x01\x01"]
)
def test_what_is_no_answer_is_said_to_be_none(answer: bytes) -> None:
    with _server(answer) as uri, Connection(uri, "") as server, pytest.raises(LdapError):
        server.bind("", "")


@given(st.binary(max_size=64))
def test_any_answer_is_an_answer_or_none(content: bytes) -> None:
    with _server(b"\x30" + bytes([len(content)]) + content) as uri, Connection(uri, "") as server:
        try:
            server.bind("", "")
        except LdapError:
            return


def test_nobody_there_is_said() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    with pytest.raises(LdapError, match="Connection refused"):
        Connection(f"ldap://127.0.0.1:{port}", "")
