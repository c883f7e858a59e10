"""Runs on a machine: clients of others log in by any mechanism.

They are curl, swaks, gsasl, smtplib for tokens, and scram.pl for the rest. Attempts come by standard
input.
"""

from __future__ import annotations

import base64
import json
import os
import re
import smtplib
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_CURL = ("PLAIN", "LOGIN", "CRAM-MD5", "NTLM")
_TOKENS = ("XOAUTH2", "OAUTHBEARER")
_PERL = ("SCRAM-SHA-224", "SCRAM-SHA-384", "SCRAM-SHA-512", "OTP")
_REPLY = re.compile(r"^(?:< |<[-~*]+ +)?(\d{3})[ -]", re.MULTILINE)


class Attempt(NamedTuple):
    """One log-in; ``ticket``: the file with the Kerberos ticket, where the mechanism wants one."""

    port: int
    mechanism: str
    user: str
    password: str
    ticket: str


@contextmanager
def _session(server: str, port: int) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP(server, port, timeout=10) as client:
        client.starttls(context=context)
        client.ehlo()
        yield client


def offered(server: str, port: int) -> list[str]:
    """Return the mechanisms that EHLO offers inside TLS; none where the server hangs up."""
    try:
        with _session(server, port) as client:
            return client.esmtp_features.get("auth", "").split()
    except (OSError, smtplib.SMTPException):
        return []


def _offered_soon(server: str, port: int) -> list[str]:
    """Return what is offered once the server has read that it is to offer ANONYMOUS too."""
    end = time.monotonic() + 5
    while "ANONYMOUS" not in (found := offered(server, port)) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _run(argv: list[str], environment: dict[str, str]) -> str:
    """Return the first reply that ends a log-in: 235, 4xx or 5xx; 334 is half of one."""
    done = subprocess.run(
        argv, capture_output=True, check=False, stdin=subprocess.DEVNULL, env={**os.environ, **environment}
    )
    said = (done.stdout + done.stderr).decode(errors="replace")
    return next((code for code in _REPLY.findall(said) if code == "235" or code[0] in "45"), "none")


def _log_in(server: str, trusted: str, one: Attempt) -> str:
    if one.mechanism == "DIGEST-MD5":  # curl's is not what Dovecot understands, gsasl's not what libsasl does
        return _run(
            ["swaks", "--server", f"{server}:{one.port}", "--tls", "--auth", one.mechanism,
             "--auth-user", one.user, "--auth-password", one.password, "--quit-after", "AUTH"], {}
        )  # fmt: skip
    if one.mechanism in _TOKENS:
        return _by_token(server, one)
    if one.mechanism in _CURL:
        return _run(
            ["curl", "-sv", f"smtp://{server}:{one.port}/", "--ssl-reqd", "--cacert", trusted, "-X", "NOOP",
             "-u", f"{one.user}:{one.password}", "--login-options", f"AUTH={one.mechanism}"], {}
        )  # fmt: skip
    # it asks the terminal for what is missing; its channel binding is not what TLS 1.3 has
    who = ["-a", one.user, "-p", one.password]
    if one.mechanism in ("GSSAPI", "GS2-KRB5", "EXTERNAL"):
        who = ["-a", one.user, "-z", one.user]
    elif one.mechanism == "ANONYMOUS":
        who = ["-n", one.user]
    return _run(
        ["gsasl", "--smtp", "--no-cb", f"--connect={server}:{one.port}", f"--x509-ca-file={trusted}",
         f"--mechanism={one.mechanism}", *who], {"KRB5CCNAME": f"FILE:{one.ticket}"}
    )  # fmt: skip


def _by_token(server: str, one: Attempt) -> str:
    """Log in with a bearer token (RFC 7628, and what XOAUTH2 was before); an error is to be acknowledged."""
    standard = one.mechanism == "OAUTHBEARER"
    head = f"n,a={one.user}," if standard else f"user={one.user}"
    said = iter((f"{head}\1auth=Bearer {one.password}\1\1", "\1" if standard else ""))
    with _session(server, one.port) as client:
        try:
            code, _ = client.auth(one.mechanism, lambda _=None: next(said))
        except smtplib.SMTPResponseException as error:
            code = error.smtp_code
    return str(code)


def _by_perl(server: str, attempts: list[Attempt]) -> list[str]:
    lines = (
        f"{one.port} {one.mechanism} " + " ".join(base64.b64encode(w.encode()).decode() for w in one[2:4])
        for one in attempts
    )
    script = str(Path(__file__).with_name("scram.pl"))
    done = subprocess.run(
        ["perl", script, server], input="\n".join(lines), capture_output=True, check=True, text=True
    )
    return done.stdout.split()


def replies(server: str, trusted: str, attempts: list[Attempt]) -> dict[Attempt, str]:
    """Try all ``attempts``, several at a time; return the reply to each."""
    others = [one for one in attempts if one.mechanism not in _PERL]
    with ThreadPoolExecutor(8) as pool:
        # one after the other, because a one-time password is right once, and until the next is asked for
        groups = [[one for one in attempts if one.mechanism == name] for name in _PERL]
        by_perl = [pool.submit(_by_perl, server, group) for group in groups]
        found = dict(zip(others, pool.map(lambda one: _log_in(server, trusted, one), others), strict=True))
        for group, said in zip(groups, by_perl, strict=True):
            found.update(zip(group, said.result(), strict=True))
    return found


def main() -> None:
    """Log in by all mechanisms that are offered, and print a reply a line, "-" for the others."""
    server, trusted = sys.argv[1:]
    attempts = [Attempt(*one) for one in json.load(sys.stdin)]
    ports = {port: _offered_soon(server, port) for port in {one.port for one in attempts}}
    possible = [one for one in attempts if one.mechanism in ports[one.port]]
    found = replies(server, trusted, possible)
    for one in attempts:
        sys.stdout.write(f"{found.get(one, '-')}\n")


if __name__ == "__main__":
    main()
