"""A password that was typed, in a file of ours: it is put there, and goes once nothing asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.changes import MakeDirectory, WriteFile, WriteLast
from wizard.passwordfile import KEPT, kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wizard.secret import Secret
    from wizard.steps import Step, Wanted


def keep(wanted: Wanted, typed: Mapping[str, Secret]) -> Iterator[Step]:
    """Yield what keeps the passwords that were ``typed``, each by the policy's section that it is of."""
    host = wanted.host
    for section, password in typed.items():
        if not getattr(getattr(wanted.given, section), "password_file", ""):
            continue
        if not host.root.path(KEPT).is_dir():
            yield MakeDirectory(KEPT, "root", "root", 0o700, reason="passwords are for root only")
        path, content = kept(section), f"{password.reveal()}\n".encode()
        before, reason = host.read(path), "the password that was typed, for the next time"
        yield WriteFile(path, before, content, "root", "root", 0o600, secret=True, reason=reason)


def leave(wanted: Wanted) -> Iterator[WriteLast]:
    """Yield what takes the file away, unless the policy's own back end has a password."""
    path = kept("backend")
    if getattr(wanted.policy.backend, "password_file", ""):
        return
    content = wanted.host.read(path)
    if content is not None:
        why = "the back end does not need the password in it any more"
        yield WriteLast(path, before=content, after=None, secret=True, reason=why)
