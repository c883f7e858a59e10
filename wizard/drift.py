"""What others have edited since a change: each checkpoint keeps, in ``after.json``, what it has left."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wizard import journal
from wizard.changes import WriteFile, disk, owners
from wizard.changes.differences import unified
from wizard.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wizard.changes import Change
    from wizard.journal import Checkpoint
    from wizard.root import Root

_AFTER = journal.AFTER


@dataclass(frozen=True, slots=True)
class Left:
    """What there is at a path. ``digest`` is that of the bytes; empty: there is nothing.

    ``link``: where a symbolic link there leads. ``look``: numbers of owner and group, mode; None: not known.
    ``content`` is there only if it may be shown.
    """

    digest: str = ""
    link: str = ""
    look: tuple[int, int, int] | None = None
    content: bytes | None = field(default=None, repr=False)

    @classmethod
    def at(cls, root: Root, path: str) -> Left:
        """Look what is there now; HostError when it is no regular file."""
        name, found = root.path(path), root.file(path)
        link = str(name.readlink()) if name.is_symlink() else ""
        content = disk.read(found)
        if content is None:
            return cls(link=link)
        info = found.stat()
        return cls(digest(content), link, (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)), content)

    def besides(self, root: Root) -> tuple[str, ...]:
        """Return in words what there is besides the bytes: kind, owner, mode; nothing if unknown."""
        if self.look is None:
            return ()
        uid, gid, mode = self.look
        kind = f"a link to {self.link}" if self.link else "a file"
        return kind, f"owner {owners.names(root, uid, gid)}", f"mode {mode:04o}"

    def is_still(self, now: Left) -> bool:
        """Whether ``now`` is the same, as far as this is known."""
        return self.digest == now.digest and (
            self.look is None or (self.look, self.link) == (now.look, now.link)
        )


@dataclass(frozen=True, slots=True)
class Drift:
    """A file that others have edited ``since`` the change that left it as it ``was``; ``now`` it is so."""

    path: str
    since: str
    was: Left
    now: Left

    @property
    def edited(self) -> bool:
        """Whether the bytes are others, or it is gone; not only its owner, mode or place."""
        return self.was.digest != self.now.digest

    def diff(self, root: Root) -> str:
        """Return what they have done: kind, owner and mode, and a unified diff; nothing of a secret."""
        return "".join(f"# {line}\n" for line in self._besides(root)) + (
            self._content() if self.edited else ""
        )

    def _besides(self, root: Root) -> Iterator[str]:
        if not self.now.digest and self.was.digest:
            yield f"{self.path} is gone"
        elif self.now.digest and not self.was.digest:
            yield f"{self.path} is there again"
        for was, now in zip(self.was.besides(root), self.now.besides(root), strict=False):
            if was != now:
                yield f"{now}; it was {was}"

    def _content(self) -> str:
        secret = self.was.content is None
        if secret and not (self.was.digest and self.now.digest):
            return ""
        return unified(self.path, self.was.content, self.now.content, secret=secret)


def seal(checkpoint: Checkpoint, root: Root, changes: Iterable[Change]) -> None:
    """Keep what every file that ``changes`` decide about is now, so that later edits are seen."""
    listed = list(changes)
    shown = {change.path for change in listed if isinstance(change, WriteFile) and not change.secret}
    paths = dict.fromkeys(path for change in listed for path in change.files)
    left = {path: _pack(Left.at(root, path), shown=path in shown) for path in paths}
    disk.replace(checkpoint.directory / _AFTER, json.dumps(left).encode(), journal.ours())


def digest(content: bytes | None) -> str:
    """Return what tells ``content`` from any other; empty: no file."""
    return "" if content is None else hashlib.sha256(content).hexdigest()


def _pack(left: Left, *, shown: bool) -> dict[str, object]:
    packed: dict[str, object] = {"digest": left.digest, "link": left.link, "look": left.look}
    if shown and left.content is not None:
        packed["content"] = base64.b64encode(left.content).decode()
    return packed


def sealed(checkpoint: Checkpoint) -> dict[str, Left]:
    """Return what ``checkpoint`` has left at each path; nothing if it did not come so far.

    Raises:
        HostError: when the record is damaged.

    """
    path = checkpoint.directory / _AFTER
    content = disk.read(path)
    with journal.damaged(path):
        return {str(path): _unpack(was) for path, was in dict(json.loads(content or b"{}")).items()}


def _unpack(was: dict[str, Any]) -> Left:
    uid, gid, mode = was.get("look") or (None, None, None)
    return Left(
        str(was["digest"]),
        str(was.get("link", "")),
        None if uid is None or gid is None or mode is None else (int(uid), int(gid), int(mode)),
        base64.b64decode(was["content"]) if "content" in was else None,
    )


def edits(checkpoint: Checkpoint, root: Root) -> tuple[Drift, ...]:
    """Return what others have done since to the files that ``checkpoint`` has left."""
    compared = [(path, was, Left.at(root, path)) for path, was in sealed(checkpoint).items()]
    return tuple(
        Drift(path, checkpoint.time, was, now) for path, was, now in compared if not was.is_still(now)
    )


def drift(root: Root) -> tuple[Drift, ...]:
    """Return the files that were edited by hand since a change in force has left them; only root can know."""
    found: dict[str, Drift | None] = {}
    try:
        known = journal.checkpoints(root)
    except HostError:
        return ()
    for one in known:
        if one.state.in_force:
            found |= dict.fromkeys(sealed(one))
            found |= {each.path: each for each in edits(one, root)}
    return tuple(each for each in found.values() if each)
