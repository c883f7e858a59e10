"""What Dovecot offers to Postfix, and what it says to a password, asked of Dovecot itself as Postfix does.

Source: Dovecot's authentication protocol, "Client <-> Server"; Postfix SASL_README for the address.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import pwd
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.commands import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.secret import Secret

# seconds; Postfix waits ten for an answer, and a Dovecot that was started just now may need some
_CONNECT, _ANSWER = 5.0, 10.0
_LONGEST = 65536  # bytes of the whole greeting


@dataclass(frozen=True, slots=True)
class Answer:
    """What Dovecot offers, or why it can't be asked."""

    offered: tuple[str, ...] = ()
    why_not: str = ""


def ask(path: str, queue_directory: str, user: str) -> Answer:
    """Ask what Dovecot offers at ``path``, a value of smtpd_sasl_path, to smtpd, which runs as ``user``."""
    try:
        offered = _offers(path, queue_directory)
    except OSError as error:
        return Answer(why_not=str(error.strerror or error))
    except ValueError as error:
        return Answer(why_not=str(error))
    if not path.startswith("inet:") and not _may_write(user, _socket(path, queue_directory)):
        return Answer(why_not=f"{user} may not write to {_socket(path, queue_directory)}: its owner or mode")
    return Answer(offered, "" if offered else "it offers no mechanism")


def _may_write(user: str, path: Path) -> bool:
    """Whether ``user``, as whom smtpd runs, may connect to the socket at ``path`` (unix(7))."""
    try:
        pwd.getpwnam(user)
    except KeyError:  # Postfix is still to be installed
        return True
    who = ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups")
    return run([*who, "test", "-w", str(path)]).ok


def mechanisms(path: str, queue_directory: str) -> tuple[str, ...]:
    """Return what Dovecot offers at ``path``, a value of smtpd_sasl_path; nothing if it can't be asked."""
    try:
        return _offers(path, queue_directory)
    except (OSError, ValueError):
        return ()


def _offers(path: str, queue_directory: str) -> tuple[str, ...]:
    with _connected(path, queue_directory) as connection:
        return tuple(_offered(_greeted(connection)))


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
    said = _received(connection, b"\n")
    if not said.startswith("VERSION\t"):
        raise ValueError("what answers there is no Dovecot, or not its authentication")
    return said if "\nDONE\n" in said else said + _received(connection, b"DONE\n")


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
        connection.connect(str(_socket(path, queue_directory)))
    except OSError:
        connection.close()
        raise
    return connection


def _socket(path: str, queue_directory: str) -> Path:
    return Path(queue_directory) / path.removeprefix("unix:")


def _offered(said: str) -> Iterator[str]:
    for line in said.splitlines():
        word, _, rest = line.partition("\t")
        name, *properties = rest.split("\t")
        if word == "MECH" and name and "private" not in properties:
            yield name.upper()
