"""The accounts that tests make for themselves in sasldb, and how those go that a killed run has left."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.changes.tree import run_in

if TYPE_CHECKING:
    from wizard.root import Root

_START = "postfix-auth-test-"
_NAME = re.compile(rf"{_START}([0-9a-f]{{6}})[0-9a-f]{{2}}")


def new_name() -> str:
    """Return a name that says which process it belongs to: another run's account is not to be removed."""
    return f"{_START}{os.getpid():06x}{secrets.token_hex(1)}"


def left_over(name: str) -> bool:
    """Whether an account called so was made for a test by a process that is no more."""
    found = _NAME.fullmatch(name)
    return found is not None and not _at_work(int(found[1], 16))


def _at_work(process: int) -> bool:
    if process == os.getpid():
        return True
    with suppress(OSError):
        # the number may be another program's by now
        return b"wizard." in Path(f"/proc/{process}/cmdline").read_bytes()
    return False


def sweep(root: Root, path: str) -> None:
    """Remove those from the sasldb at ``path``, where it can be read; a later run tries it again."""
    for line in run_in(root, ["sasldblistusers2", "-f", path]).stdout.splitlines():
        name, _, realm = line.rpartition(": ")[0].rpartition("@")
        if left_over(name):
            run_in(root, ["saslpasswd2", "-d", "-f", path, "-u", realm, "--", name])
