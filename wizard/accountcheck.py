"""Tries one account at both layers, the back end and Postfix, to show at which of them a log-in fails."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import recipes
from wizard import accounts, checks
from wizard.check_targets import targets
from wizard.choices import owns_accounts
from wizard.policy import Saslauthd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.host import Host
    from wizard.secret import Secret

_PATIENCE = 20.0  # seconds; PAM waits two or three before it says no
_LONGEST_ANSWER = 1024  # bytes


@dataclass(frozen=True, slots=True)
class Tried:
    """What one ``layer`` ("saslauthd", "submission, PLAIN") said to the account, and what that means."""

    layer: str
    ok: bool
    said: str
    why: str = ""


def check(host: Host, name: str, password: Secret) -> Iterator[Tried]:
    """Yield what the back end itself says of the account, then each service with each mechanism.

    Raises:
        HostError: when Postfix is not installed.

    """
    backend = recipes.read(host).backend
    if isinstance(backend, Saslauthd):
        yield _ask_saslauthd(f"{host.saslauthd.run_dir}/mux", name, password)
    elif backend is not None and owns_accounts(backend):
        yield _look_up(host, name)
    known = checks.derive(targets(host), checks.Account(name, password))
    for result in checks.run([each for each in known if each.name.endswith(".right")]):
        mechanism = result.check.title.partition(",")[0]
        good = result.ok and not result.skipped
        why = result.skipped or result.explanation
        yield Tried(f"{result.service}, {mechanism}", good, result.observed, why)


def _look_up(host: Host, name: str) -> Tried:
    sasldb = accounts.of(host)
    account = sasldb.account(name)
    there = account in sasldb.accounts()
    return Tried(sasldb.path, there, f"{account} is {'there' if there else 'not there'}")


def _ask_saslauthd(path: str, name: str, password: Secret) -> Tried:
    """Ask as libsasl does: user, password, service and realm, each after its length (saslauthd's IPC)."""
    user, _, realm = name.partition("@")
    words = (user, password.reveal(), "smtp", realm)
    question = b"".join(struct.pack("!H", len(word.encode())) + word.encode() for word in words)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_PATIENCE)
            connection.connect(path)
            connection.sendall(question)
            with connection.makefile("rb") as answer:
                length = int.from_bytes(answer.read(2))
                said = answer.read(min(length, _LONGEST_ANSWER)).decode(errors="backslashreplace")
    except OSError as error:
        return Tried("saslauthd", False, f"{path}: {error.strerror or 'no answer'}")
    return Tried("saslauthd", said.startswith("OK"), said or "no answer")
