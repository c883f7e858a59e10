"""Asks saslauthd whether a password is right, through its socket, as libsasl and testsaslauthd(8) do."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from wizard.errors import PolicyError

if TYPE_CHECKING:
    from wizard.secret import Secret

_PATIENCE = 20.0  # seconds; PAM waits two or three before it says no
_LONGEST_WORD, _LONGEST_ANSWER = 65535, 1024  # bytes; a word's length has two
_SERVICE = "smtp"


def ask(path: str, user: str, password: Secret, realm: str = "") -> str:
    """Return the answer of the saslauthd at ``path``; it begins with OK or NO, and is empty if none came.

    Raises:
        OSError: when it can't be asked.
        PolicyError: when name or password are too long for it.

    """
    words = [word.encode() for word in (user, password.reveal(), _SERVICE, realm)]
    if any(len(word) > _LONGEST_WORD for word in words):
        raise PolicyError("NAME", "name or password are longer than saslauthd can be told")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_PATIENCE)
        connection.connect(path)
        connection.sendall(b"".join(struct.pack("!H", len(word)) + word for word in words))
        with connection.makefile("rb") as answer:
            length = int.from_bytes(answer.read(2))
            return answer.read(min(length, _LONGEST_ANSWER)).decode(errors="backslashreplace")
