"""Passwords of the host itself, from the keyboard into files only root can read, and nowhere else.

A policy names a file with the password. What was typed instead is in a file in memory while a plan is made,
and in one of these once it is applied.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.passwordfile import kept
from wizard.policy import AuxpropLdapdb, AuxpropSql, SaslauthdLdap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wizard.policy import Policy
    from wizard.root import Root
    from wizard.secret import Secret

    #: By the section of the policy that they belong to.
    Passwords = Mapping[str, Secret]

_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
_LONGEST = 512
_LOGS_IN = SaslauthdLdap | AuxpropSql | AuxpropLdapdb  # back ends that this host has a password for


def problem(text: str) -> str | None:
    """Say why ``text`` can't be a password; None: it can."""
    if len(text.encode()) > _LONGEST:
        return f"must not be longer than {_LONGEST} bytes"
    return None if text.isprintable() else "must not hold control characters"


@contextmanager
def with_files(policy: Policy, passwords: Passwords) -> Iterator[Policy]:
    """Give ``policy`` with the ``passwords`` in files in memory, which are gone afterwards."""
    if not passwords:
        yield policy
        return
    memory = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="postfix-auth.", dir=memory) as name:
        files = {section: Path(name) / section for section in passwords}
        for section, password in passwords.items():
            _write(files[section], password)
        yield _naming(policy, {section: str(path) for section, path in files.items()})


def named(policy: Policy, passwords: Passwords) -> Policy:
    """Return ``policy`` with the names of the files in which typed ``passwords`` are kept."""
    return _naming(policy, {section: kept(section) for section in passwords})


def _naming(policy: Policy, files: Mapping[str, str]) -> Policy:
    backend, smarthost = policy.backend, policy.smarthost
    if "backend" in files and isinstance(backend, _LOGS_IN):
        backend = replace(backend, password_file=files["backend"])
    if "smarthost" in files and smarthost is not None:
        smarthost = replace(smarthost, password_file=files["smarthost"])
    return replace(policy, backend=backend, smarthost=smarthost)


def keep(passwords: Passwords, root: Root) -> None:
    """Keep the ``passwords`` on the host for good.

    Raises:
        OSError: when one can't be written.

    """
    for section, password in passwords.items():
        path = root.path(kept(section))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # a new file takes the old one's place: nobody reads half a password, and no link is followed
        arriving = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        _write(arriving, password)
        arriving.replace(path)


def _write(path: Path, password: Secret) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(password.reveal() + "\n")
        file.flush()
        os.fsync(file.fileno())
