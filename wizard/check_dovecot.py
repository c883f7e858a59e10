"""What Dovecot offers to Postfix, and what it says to a password, asked of Dovecot itself as Postfix does.

Source: Dovecot's authentication protocol, "Client <-> Server"; Postfix SASL_README for the address.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.secret import Secret

# seconds; Postfix waits ten for an answer, and a Dovecot that was started just now may need some
_CONNECT, _ANSWER = 5.0, 10.0
_LONGEST = 65536  # bytes of the whole greeting


def mechanisms(path: str, queue_directory: str) -> tuple[str, ...]:
    """Return what Dovecot offers at ``path``, a value of smtpd_sasl_path; nothing if it can't be asked."""
    try:
        with _connected(path, queue_directory) as connection:
            return tuple(_offered(_greeted(connection)))
    except (OSError, ValueError):
        return ()


def log_in(path: str, queue_directory: str, name: str, password: Secret) -> str:
    """Log in with PLAIN at ``path``; return Dovecot's answer, which begins with OK or FAIL if it is one.

    Empty: it does not offer PLAIN there.

    Raises:
        OSError: when it can't be asked.
        ValueError: when ``path`` is no address.

    """
    with _connected(path, queue_directory) as connection:
        if "PLAIN" not in _offered(_greeted(connection)):
            return ""
        response = base64.b64encode(f"\0{name}\0{password.reveal()}".encode())
        connection.sendall(b"AUTH\t1\tPLAIN\tservice=smtp\tsecured\tresp=" + response + b"\n")
        return _received(connection, b"\n").partition("\n")[0]


def _greeted(connection: socket.socket) -> str:
    connection.sendall(f"VERSION\t1\t2\nCPID\t{os.getpid()}\n".encode())
    return _received(connection, b"\nDONE\n")


def _received(connection: socket.socket, end: bytes) -> str:
    """Return what comes until ``end``, or until nothing more does."""
    said = b""
    while end not in said and len(said) < _LONGEST:
        received = connection.recv(4096)
        if not received:
            break
        said += received
    return said.decode(errors="replace")


def on_loopback(path: str) -> bool:
    """Whether ``path``, a value ``inet:HOST:PORT``, stays on this host."""
    name = path.removeprefix("inet:").rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def _connected(path: str, queue_directory: str) -> socket.socket:
    """Connect to ``inet:host:port``, or to a socket in the queue directory."""
    if path.startswith("inet:"):
        host, _, port = path.removeprefix("inet:").rpartition(":")
        found = socket.create_connection((host.strip("[]"), int(port)), _CONNECT)
        found.settimeout(_ANSWER)
        return found
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(_ANSWER)
    try:
        connection.connect(str(Path(queue_directory) / path.removeprefix("unix:")))
    except OSError:
        connection.close()
        raise
    return connection


def _offered(said: str) -> Iterator[str]:
    for line in said.splitlines():
        word, _, rest = line.partition("\t")
        name, *properties = rest.split("\t")
        if word == "MECH" and name and "private" not in properties:
            yield name.upper()
