"""Runs on a machine: finds out which mechanisms its Dovecot knows, and lets it offer all of those.

Of one that it does not know, or can't have with its databases, Dovecot's authentication does not start.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

_FILE = Path("/etc/dovecot/conf.d/99-everything.conf")
_SOCKET = "/var/spool/postfix/private/auth"
#: What lets the user in, and a token of somebody else's.
TOKEN, OTHERS_TOKEN = "token", "others-token"
_ANSWERS = 8099  # the port of who is asked about tokens (RFC 7662)
_INTROSPECTION = f"""
introspection_mode = get
introspection_url = http://127.0.0.1:{_ANSWERS}/?token=
username_attribute = username
active_attribute = active
active_value = true
"""
_TOKENS_FILE = Path("/etc/dovecot/tokens.conf.ext")
_FOR_TOKENS = "xoauth2 oauthbearer"
_TOKENS = {
    (2, 3): f"passdb {{\n  driver = oauth2\n  mechanisms = {_FOR_TOKENS}\n  args = {_TOKENS_FILE}\n}}\n",
    (2, 4): f"oauth2 {{{_INTROSPECTION}}}\npassdb oauth2 {{\n  mechanisms_filter = {_FOR_TOKENS}\n}}\n",
}
_FATAL = re.compile(r"Fatal: (?:Unknown authentication mechanism '(\S+)'|(\S+) mechanism can't)")


def _known(mechanisms: list[str], more: str) -> list[str]:
    """Start Dovecot with as many of ``mechanisms`` as it can have, and return them."""
    for _ in range(2 * len(mechanisms)):  # on a busy machine it may fail to start without a word
        _FILE.write_text(f"auth_mechanisms = {' '.join(mechanisms).lower()}\n{more}")
        subprocess.run(["systemctl", "reset-failed", "dovecot"], check=True)
        subprocess.run(["systemctl", "restart", "dovecot"], check=True)
        if _answers():
            return mechanisms
        stumbled = _stumbled_at(mechanisms)
        mechanisms = [name for name in mechanisms if name != stumbled]
    raise AssertionError("Dovecot does not start")


def _answers() -> bool:
    said = b""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(_SOCKET)
            client.sendall(b"VERSION\t1\t1\nCPID\t1\n")
            while b"\nDONE\n" not in said and (more := client.recv(4096)):
                said += more
        except ConnectionError:
            return False
    return b"\nDONE\n" in said


def _stumbled_at(mechanisms: list[str]) -> str | None:
    """Return the one of ``mechanisms`` that keeps Dovecot from starting, by its own word if it says one."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        log = subprocess.run(
            ["journalctl", "-q", "-o", "cat", "-t", "dovecot"], capture_output=True, check=True, text=True
        )
        found = [str(one[1] or one[2]) for one in _FATAL.finditer(log.stdout)]
        if found and found[-1] in mechanisms:
            return found[-1]
        time.sleep(0.05)
    return None


class _Issuer(BaseHTTPRequestHandler):
    """Tells whose a token is."""

    users: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        token = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
        user = self.users.get(token)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"active": user is not None, "username": user or ""}).encode())


def issue(user: str) -> None:
    """Answer for the tokens, of ``user`` and of somebody else, until the machine ends."""
    _Issuer.users = {TOKEN: user, OTHERS_TOKEN: "guest"}
    HTTPServer(("127.0.0.1", _ANSWERS), _Issuer).serve_forever()


def main() -> None:
    """Let Dovecot offer what it knows of the mechanisms in the arguments; first come server and user."""
    server, user, *mechanisms = sys.argv[1:]
    subprocess.Popen(
        [sys.executable, "-c", f"from tests.machines.dovecot_mechanisms import issue; issue({user!r})"],
        start_new_session=True,
    )
    _TOKENS_FILE.write_text(_INTROSPECTION)
    found = subprocess.run(["dovecot", "--version"], capture_output=True, check=True, text=True).stdout
    major, minor = found.split(".")[:2]
    more = f"auth_gssapi_hostname = {server}\n" + _TOKENS[int(major), int(minor)]
    _known(mechanisms, more)


if __name__ == "__main__":
    main()
