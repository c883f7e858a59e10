"""Runs the programs that know the tree that is worked on: this host's own, or those below ``--root``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.commands import Outcome, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wizard.root import Root


def run_in(root: Root, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Outcome:
    """Run ``argv`` in the tree (chroot(1) where that is not the live host) and wait for it."""
    inside = [] if root.live else ["chroot", str(root.prefix)]
    return run([*inside, *argv], stdin=stdin, timeout=timeout)
