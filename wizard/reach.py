"""Whether a server that is to check passwords can be asked from here; if not, why, in words.

The same is asked again while somebody types, so an answer counts for a while.
"""

from __future__ import annotations

import re
import socket
import time
from contextlib import suppress
from functools import lru_cache

_SECONDS = 3.0  # for a name, a connection or an answer; the admin is waiting
_COUNTS_FOR = 20.0  # seconds
_GREETING = re.compile(rb"\* (?:OK|PREAUTH)\b", re.IGNORECASE)
_LONGEST_ANSWER = 8192  # bytes


class UnreachableError(Exception):
    """A server can't be asked. The message is the end of a sentence about it."""


def addresses(name: str, port: int) -> tuple[str, ...]:
    """Return the IP addresses of ``name``.

    Raises:
        UnreachableError: when it has none, or nobody can say.

    """
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise UnreachableError(f"{name} has no address that this host can find: {error.strerror}") from None
    except OSError as error:
        raise UnreachableError(f"{name}: {error.strerror}") from None
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect(name: str, port: int) -> socket.socket:
    """Return a connection to ``name``, with a time limit on whatever is done with it.

    Raises:
        UnreachableError: when there can be none.

    """
    addresses(name, port)
    try:
        return socket.create_connection((name, port), _SECONDS)
    except TimeoutError:
        why = f"no answer within {_SECONDS:.0f} s"
    except OSError as error:
        why = str(error.strerror)
    raise UnreachableError(f"{name} can't be reached at port {port}: {why}")


def trouble(name: str, port: int) -> str:
    """Return why nobody can be reached at ``port`` of ``name``; empty: somebody can."""
    return _trouble(name, port, int(time.monotonic() / _COUNTS_FOR))


@lru_cache(maxsize=8)
def _trouble(name: str, port: int, _: int) -> str:
    try:
        connect(name, port).close()
    except UnreachableError as error:
        return str(error)
    return ""


def imap_trouble(name: str, port: int) -> str:
    """Return why the IMAP server can't be given a password in clear text, as saslauthd does; "": it can."""
    return _imap_trouble(name, port, int(time.monotonic() / _COUNTS_FOR))


@lru_cache(maxsize=8)
def _imap_trouble(name: str, port: int, _: int) -> str:
    try:
        with connect(name, port) as line:
            return _no_imap(line, f"{name} at port {port}")
    except UnreachableError as error:
        return str(error)


def _no_imap(line: socket.socket, where: str) -> str:
    """Read the greeting and ask what the server can do (RFC 3501, sections 7.1 and 6.1.1)."""
    try:
        greeting = line.recv(_LONGEST_ANSWER)
        if not _GREETING.match(greeting):
            return f"{where} does not answer as an IMAP server"
        line.sendall(b"a CAPABILITY\r\n")
        told = greeting
        while b"\na OK" not in told and len(told) < _LONGEST_ANSWER and (piece := line.recv(_LONGEST_ANSWER)):
            told += piece
        with suppress(OSError):
            line.sendall(b"b LOGOUT\r\n")
    except TimeoutError:
        return (
            f"{where} says nothing; saslauthd speaks no TLS, so it has to be a port without TLS, such as 143"
        )
    except OSError as error:
        return f"{where}: {error.strerror}"
    if b"LOGINDISABLED" in told.upper():
        return (
            f"{where} takes no password without TLS (LOGINDISABLED), and saslauthd speaks none; "
            "Dovecot takes them from a host in login_trusted_networks"
        )
    return ""
