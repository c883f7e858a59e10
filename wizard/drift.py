"""What others have edited since a change: each checkpoint keeps, in ``after.json``, what it has left."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wizard import journal
from wizard.changes import WriteFile, disk
from wizard.changes.differences import unified
from wizard.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wizard.changes import Change
    from wizard.journal import Checkpoint
    from wizard.root import Root

_AFTER = "after.json"


@dataclass(frozen=True, slots=True)
class Drift:
    """A file that others have edited ``since`` the change that left it ``was``; None: it is secret."""

    path: str
    since: str
    was: bytes | None = field(repr=False)

    def diff(self, root: Root) -> str:
        """Return what they have done, as a unified diff; nothing of a secret."""
        now = disk.read(root.file(self.path))
        return unified(self.path, self.was, now, secret=self.was is None)


def seal(checkpoint: Checkpoint, root: Root, changes: Iterable[Change]) -> None:
    """Keep what every file that ``changes`` decide about is now, so that later edits are seen."""
    listed = list(changes)
    shown = {change.path for change in listed if isinstance(change, WriteFile) and not change.secret}
    paths = dict.fromkeys(path for change in listed for path in change.files)
    left = {path: _left(root, path, shown=path in shown) for path in paths}
    disk.replace(checkpoint.directory / _AFTER, json.dumps(left).encode(), journal.ours())


def edits(checkpoint: Checkpoint, root: Root) -> tuple[Drift, ...]:
    """Return what others have done since to the files that ``checkpoint`` has left."""
    with journal.damaged(checkpoint.directory / _AFTER):
        return tuple(
            Drift(path, checkpoint.time, base64.b64decode(was["content"]) if "content" in was else None)
            for path, was in _sealed(checkpoint).items()
            if _left(root, path, shown=False)["digest"] != was["digest"]
        )


def _sealed(checkpoint: Checkpoint) -> dict[str, dict[str, str]]:
    path = checkpoint.directory / _AFTER
    content = disk.read(path)
    with journal.damaged(path):
        sealed: dict[str, dict[str, str]] = dict(json.loads(content)) if content else {}
    return sealed


def _left(root: Root, path: str, *, shown: bool) -> dict[str, str]:
    content = disk.read(root.file(path))
    if content is None:
        return {"digest": ""}
    left = {"digest": hashlib.sha256(content).hexdigest()}
    return left | {"content": base64.b64encode(content).decode()} if shown else left


def drift(root: Root) -> tuple[Drift, ...]:
    """Return the files that were edited by hand since a change in force has left them; only root can know."""
    found: dict[str, Drift | None] = {}
    try:
        known = journal.checkpoints(root)
    except HostError:
        return ()
    for one in known:
        if one.state.in_force:
            found |= dict.fromkeys(_sealed(one))
            found |= {each.path: each for each in edits(one, root)}
    return tuple(each for each in found.values() if each)
