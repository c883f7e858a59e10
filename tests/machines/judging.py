"""Runs on a machine, as root: plans submission for configurations of others, and tells what would change.

It says what Postfix's own postconf reads before and after, without a word of the program's own verification.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64decode, b64encode
from pathlib import Path

from wizard import engine
from wizard.changes import EnableService, ReloadService, RestartService, StartService
from wizard.errors import WizardError
from wizard.host import Host
from wizard.policy import AuxpropSasldb, Mechanisms, Policy, Submission, Tls, TlsSource

_POSTFIX = Path("/etc/postfix")
_SMTPD_CONF = _POSTFIX / "sasl/smtpd.conf"
_SERVING = (EnableService, ReloadService, RestartService, StartService)
POLICY = Policy(
    backend=AuxpropSasldb(),
    mechanisms=Mechanisms(),
    tls=Tls(TlsSource.SELF_SIGNED, names=("mail.example.net",)),
    submission=Submission(),
)


def _postconf(*options: str) -> tuple[int, str, str]:
    done = subprocess.run(["postconf", *options], capture_output=True, check=False)
    out, err = (text.decode(errors="backslashreplace") for text in (done.stdout, done.stderr))
    return done.returncode, out, err


def _aged(name: str) -> None:
    """Let a file look old: Postfix waits until one that was changed a moment ago has come to rest."""
    os.utime(_POSTFIX / name, (0, 0))


def _seen() -> tuple[dict[str, dict[str, str]], str]:
    """Return what Postfix reads (parameters, services' columns and options), and why it refuses to."""
    asked = {name: _postconf(*options) for name, options in _VIEWS.items()}
    refusal = next((error for status, _, error in asked.values() if status), "")
    return {name: _pairs(text) for name, (_, text, _) in asked.items()}, refusal


_VIEWS = {"parameters": (), "services": ("-F",), "options": ("-P",)}


def _pairs(text: str) -> dict[str, str]:
    lines = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in lines if name.strip() != "process_id"}


def _judge(files: dict[str, bytes]) -> dict[str, object]:
    """Put ``files`` in place, plan, write what is planned but for the services, and plan again."""
    _SMTPD_CONF.unlink(missing_ok=True)
    for name, data in files.items():
        (_POSTFIX / name).write_bytes(data)
        _aged(name)
    before, refusal = _seen()
    found: dict[str, object] = {"refusal": refusal, "before": before}
    try:
        for change in engine.plan(POLICY, Host()).changes:
            if not isinstance(change, _SERVING):
                change.apply(Host().root)
        for name in files:
            _aged(name)
        found["after"], _ = _seen()
        found["files"] = {name: b64encode((_POSTFIX / name).read_bytes()).decode() for name in files}
        found["again"] = [change.diff(Host().root) for change in engine.plan(POLICY, Host()).changes]
    except WizardError as error:
        found["error"] = [error.exit_code, str(error)]
    unchanged = all((_POSTFIX / name).read_bytes() == data for name, data in files.items())
    return found | {"unchanged": unchanged}


def main() -> None:
    """Read cases (name -> file -> base64) from standard input, write what became of each."""
    given: dict[str, dict[str, str]] = json.load(sys.stdin)
    stock = {name: (_POSTFIX / name).read_bytes() for name in ("main.cf", "master.cf")}
    for name, files in given.items():
        data = {file: b64decode(text) for file, text in files.items()}
        sys.stdout.write(json.dumps({"name": name, **_judge(stock | data)}) + "\n")


if __name__ == "__main__":
    main()
