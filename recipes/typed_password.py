"""A password that was typed for a back end, in a file of ours: what becomes of it once none asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.changes import WriteLast
from wizard.passwordfile import kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.steps import Wanted


def leave(wanted: Wanted) -> Iterator[WriteLast]:
    """Yield what takes the file away, unless the policy's own back end has a password."""
    path = kept("backend")
    if getattr(wanted.policy.backend, "password_file", ""):
        return
    content = wanted.host.read(path)
    if content is not None:
        why = "the back end does not need the password in it any more"
        yield WriteLast(path, before=content, after=None, secret=True, reason=why)
