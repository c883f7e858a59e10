"""The smarthost's password, from the keyboard into a file only root can read, and nowhere else."""

from __future__ import annotations

import os
import secrets
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.policy import Policy
    from wizard.root import Root
    from wizard.secret import Secret

_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
_DIRECTORY, _NAME = "/etc/postfix-auth", "smarthost.password"


@contextmanager
def with_password_file(policy: Policy, password: Secret | None) -> Iterator[Policy]:
    """Give ``policy`` with the ``password`` in a file in memory, which is gone afterwards."""
    if policy.smarthost is None or password is None:
        yield policy
        return
    with tempfile.TemporaryDirectory(
        prefix="postfix-auth.", dir=_MEMORY if _MEMORY.is_dir() else None
    ) as name:
        path = Path(name) / _NAME
        _write(path, password)
        yield replace(policy, smarthost=replace(policy.smarthost, password_file=str(path)))


def named(policy: Policy, password: Secret | None) -> Policy:
    """Return ``policy`` with the name of the file in which a typed ``password`` is kept."""
    if policy.smarthost is None or password is None:
        return policy
    return replace(policy, smarthost=replace(policy.smarthost, password_file=f"{_DIRECTORY}/{_NAME}"))


def keep(password: Secret, root: Root) -> None:
    """Keep the ``password`` on the host for good.

    Raises:
        OSError: when it can't be written.

    """
    directory = root.path(_DIRECTORY)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # a new file takes the old one's place: nobody reads half a password, and no link is followed
    arriving = directory / f".{_NAME}.{secrets.token_hex(8)}"
    _write(arriving, password)
    arriving.replace(directory / _NAME)


def _write(path: Path, password: Secret) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(password.reveal() + "\n")
        file.flush()
        os.fsync(file.fileno())
