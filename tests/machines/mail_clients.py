"""Mail clients of others that log in to a machine from outside: swaks and, for SCRAM, gsasl."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.machines.machine import STRANGER, Machine

if TYPE_CHECKING:
    from collections.abc import Iterable

SERVER = "mail.example.net"  # what machines are called, and what their certificate must say
FAR_AWAY = "someone@example.org"
_TRUSTED = "/root/trusted.pem"
_REPLY = re.compile(r"^(?:<[-~*]+ +)?(\d{3})[ -]", re.MULTILINE)
#: Speaks to a port as no client should: AUTH at once, in the clear.
_BLURT = """
import base64, smtplib, sys
with smtplib.SMTP(sys.argv[1], int(sys.argv[2])) as client:
    client.ehlo()
    print(*client.esmtp_features)
    print(client.docmd("AUTH", "PLAIN " + base64.b64encode(b"\\0" + sys.stdin.buffer.read()).decode())[0])
"""


@dataclass(frozen=True, slots=True)
class Login:
    """One attempt to log in at ``port``."""

    port: int
    mechanism: str
    user: str
    password: str = field(repr=False)


def face_the_world(machine: Machine) -> None:
    """Give the machine's name the address of a stranger: who calls it by name comes from outside."""
    machine.run(f"sed -i 's/^127.0.1.1/{STRANGER}/' /etc/hosts")


def trust(client: Machine, server: Machine, certificate: str) -> None:
    """Let gsasl on ``client`` trust ``certificate``, a file on ``server``; it refuses to log in without."""
    client.write_file(_TRUSTED, server.read_file(certificate))


def replies(machine: Machine, logins: Iterable[Login]) -> list[str]:
    """Try all ``logins`` at the same time; return the reply to each: 235, 535 or 'none'."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda login: _reply(machine, login), logins))


def _reply(machine: Machine, login: Login) -> str:
    arguments = _gsasl(login) if login.mechanism.startswith("SCRAM") else _swaks(login)
    said = machine.run(arguments, check=False).stdout
    # greeting, EHLO and STARTTLS are answered with 220 and 250, half a login with 334
    return next((code for code in _REPLY.findall(said) if code == "235" or code[0] in "45"), "none")


def _swaks(login: Login) -> list[str]:
    return [*_call(login.port), *_credentials(login), "--quit-after", "AUTH"]


def _credentials(login: Login) -> list[str]:
    return ["--auth", login.mechanism, "--auth-user", login.user, "--auth-password", login.password]


def _call(port: int) -> list[str]:
    # port 25 need not have TLS
    tls = {465: "--tls-on-connect", 25: "--tls-optional"}.get(port, "--tls")
    return ["swaks", "--server", f"{SERVER}:{port}", tls]


def _gsasl(login: Login) -> list[str]:
    # its channel binding is not what TLS 1.3 has
    return ["gsasl", "--smtp", "--no-cb", f"--connect={SERVER}:{login.port}", f"--x509-ca-file={_TRUSTED}",
            f"--mechanism={login.mechanism}", f"--authentication-id={login.user}",
            f"--password={login.password}"]  # fmt: skip


def relays(machine: Machine, port: int, login: Login | None = None) -> bool:
    """Whether the server takes a recipient far away from a stranger, or from ``login``. Nothing is sent."""
    call = [*_call(port), *_credentials(login)] if login else _call(port)
    done = machine.run([*call, "--to", FAR_AWAY, "--quit-after", "RCPT"], check=False)
    assert f"RCPT TO:<{FAR_AWAY}>" in done.stdout, done
    return done.status == 0


def auth_in_the_clear(machine: Machine, port: int, user: str, password: str) -> tuple[bool, str]:
    """Return whether AUTH is offered before TLS, and the reply to whoever tries it there with PLAIN."""
    words = machine.run(
        ["python3", "-c", _BLURT, SERVER, str(port)], stdin=f"{user}\0{password}"
    ).stdout.splitlines()
    return "auth" in words[0].split(), words[1]
