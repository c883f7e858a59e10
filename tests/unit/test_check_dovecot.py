"""Asking Dovecot what it offers: a real socket, and somebody at its other end."""

from __future__ import annotations

import base64
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from wizard.check_dovecot import log_in, mechanisms
from wizard.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GREETING = (
    b"VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tscram-sha-256\tmutual-auth\n"
    b"MECH\tEXTERNAL\tprivate\nSPID\t7\nCUID\t1\nCOOKIE\tab\nDONE\n"
)


@contextmanager
def answering(server: socket.socket, said: bytes) -> Iterator[list[bytes]]:
    heard: list[bytes] = []

    def answer() -> None:
        caller, _ = server.accept()
        with caller:
            heard.append(caller.recv(1000))
            caller.sendall(said)

    thread = threading.Thread(target=answer)
    with server:
        thread.start()
        yield heard
        thread.join()


@pytest.mark.parametrize("prefix", ["", "unix:"])
def test_a_socket_in_the_queue_directory(tmp_path: Path, prefix: str) -> None:
    (tmp_path / "private").mkdir()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "private/auth"))
    server.listen()
    with answering(server, GREETING) as heard:
        assert mechanisms(f"{prefix}private/auth", str(tmp_path)) == ("PLAIN", "SCRAM-SHA-256")
    assert heard[0].startswith(b"VERSION\t1\t")


def test_a_port() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with answering(server, GREETING):
        found = mechanisms(f"inet:127.0.0.1:{server.getsockname()[1]}", "/nowhere")
    assert found == ("PLAIN", "SCRAM-SHA-256")


@pytest.mark.parametrize("answer", ["OK\t1\tuser=j\u00f6", "FAIL\t1\tuser=j\u00f6\ttemp", ""])
def test_logging_in_says_what_dovecot_said(answer: str) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def converse() -> None:
        caller, _ = server.accept()
        with caller:
            caller.recv(1000)
            caller.sendall(GREETING)
            heard.append(caller.recv(1000))
            caller.sendall(f"{answer}\n".encode() if answer else b"")

    thread = threading.Thread(target=converse)
    with server:
        thread.start()
        said = log_in(
            f"inet:127.0.0.1:{server.getsockname()[1]}", "/nowhere", "j\u00f6", Secret("p\u00e4\tss")
        )
        thread.join()
    assert said == answer
    words = heard[0].decode().removesuffix("\n").split("\t")
    assert words[:3] == ["AUTH", "1", "PLAIN"]
    assert words[-1].startswith("resp=")
    assert base64.b64decode(words[-1].removeprefix("resp=")) == "\0j\u00f6\0p\u00e4\tss".encode()


def test_where_plain_is_not_offered_no_password_is_sent() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with answering(server, GREETING.replace(b"\tPLAIN", b"\tLOGIN")) as heard:
        said = log_in(f"inet:127.0.0.1:{server.getsockname()[1]}", "/nowhere", "joe", Secret("x"))
    assert said == ""
    assert b"AUTH" not in heard[0]


@pytest.mark.parametrize("said", [b"", b"\xff\xff\n", b"MECH\nMECH\t\n", b"x" * 200_000])
def test_nonsense_is_nothing(said: bytes) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with answering(server, said):
        assert mechanisms(f"inet:127.0.0.1:{server.getsockname()[1]}", "/nowhere") == ()


@pytest.mark.parametrize("path", ["private/auth", "inet:127.0.0.1:x", "inet:127.0.0.1:1", "x" * 300])
def test_nobody_there_is_nothing(tmp_path: Path, path: str) -> None:
    assert mechanisms(path, str(tmp_path)) == ()
