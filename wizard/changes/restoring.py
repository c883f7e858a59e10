"""The way back of files: to the bytes they had, or, where others have edited them, without our change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from wizard.changes import disk, merging
from wizard.changes.base import Undo

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from wizard.root import Root


@dataclass(frozen=True, slots=True)
class RestoreFile(Undo):
    """Makes a path what it was: a file, a link, or nothing.

    ``path`` is where the bytes really lie: if the change went through a symbolic link, the link's target.
    ``made``: directories that were missing and go away again when empty.
    """

    kind: ClassVar[str] = "restore-file"
    path: str
    content: bytes | None = field(default=None, repr=False)
    link: str | None = None
    uid: int = 0
    gid: int = 0
    mode: int = 0
    mtime_ns: int = 0
    xattrs: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    made: tuple[str, ...] = ()

    @classmethod
    def of(cls, root: Root, found: Path) -> Self:
        """Record what is at ``found`` now; a symbolic link as the link it is."""
        path = disk.inside(root, found) if found.parent.exists() else _below(root, found)
        if found.is_symlink():
            return cls(path, link=str(found.readlink()))
        content = disk.read(found)
        if content is None:
            return cls(path, made=tuple(_below(root, parent) for parent in disk.missing_parents(found)))
        now = disk.look(found)
        return cls(
            path,
            content,
            uid=now.uid,
            gid=now.gid,
            mode=now.mode,
            mtime_ns=now.mtime_ns or 0,
            xattrs=now.xattrs,
        )

    def undo(self, root: Root) -> str | None:
        """Make it as it was, and clear away what a killed run has left beside it."""
        found = root.path(self.path)
        disk.sweep(found)
        if self.link is not None:
            disk.make_parents(found)
            disk.place_link(found, self.link)
        elif self.content is not None:
            disk.make_parents(found)
            wish = disk.Look(self.uid, self.gid, self.mode, self.xattrs, self.mtime_ns)
            if found.is_symlink() or disk.read(found) != self.content or disk.look(found) != wish:
                disk.restore(found, self.content, wish)
        else:
            disk.remove(found)
        for directory in reversed(self.made):
            disk.remove_empty(root.path(directory))
        return None


def _below(root: Root, found: Path) -> str:
    return f"/{found.relative_to(root.prefix)}"


@dataclass(frozen=True, slots=True)
class Back:
    """What a file becomes on the way back; None: no file. ``overlaps``: what others would lose, in words."""

    content: bytes | None = field(repr=False)
    overlaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RestoreText(RestoreFile):
    """Takes what was changed in a text back; what others have changed in it since stays.

    ``wrote``: the bytes it was given, None: it was removed; with the owner and mode ``new_uid`` ... Of these
    only what is still so goes back, too.
    """

    kind: ClassVar[str] = "restore-text"
    wrote: bytes | None = field(default=None, repr=False)
    new_uid: int = 0
    new_gid: int = 0
    new_mode: int = 0

    def present(self, root: Root) -> bytes | None:
        """Return what is there now.

        Raises:
            HostError: when that is no regular file, or a link that leads nowhere.

        """
        found = disk.real(root, self.path)
        # half of what an earlier way back was writing is nobody's edit
        return self.wrote if disk.is_torn(found) else disk.read(found)

    def back(self, now: bytes | None) -> Back:
        """Return what ``now`` becomes; where both have changed it, what it was before."""
        if now in (self.wrote, self.content):
            return Back(self.content)
        if now is None:
            return Back(self.content, (f"{self.path} is gone",))
        if self.wrote is None:
            return Back(self.content, (f"{self.path} is there again",))
        merged = merging.undone(self.content or b"", self.wrote, now)
        if merged.overlaps:
            return Back(self.content, tuple(f"{self.path}, {_lines(found)}" for found in merged.overlaps))
        return Back(None if self.content is None and not merged.content else merged.content)

    def settled(self, now: bytes | None) -> RestoreText:
        """Return the way that is left when the content has become ``now``, what it becomes, already."""
        if now == self.content:
            return self
        look = (
            (self.new_uid, self.new_gid, self.new_mode)
            if self.content is None
            else (self.uid, self.gid, self.mode)
        )
        uid, gid, mode = look
        return replace(self, content=now, wrote=now, uid=uid, gid=gid, mode=mode, mtime_ns=0)

    def undo(self, root: Root) -> str | None:
        """Do it. Where others have changed the same lines, what they have made of them is kept beside it."""
        found = disk.real(root, self.path)
        for each in {found, root.path(self.path)}:
            disk.sweep(each)
        now = self.present(root)
        back = self.back(now)
        said = None
        if back.overlaps and now is not None:
            said = f"what was edited since in {self.path} is kept in {disk.set_aside(found, now)}"
        elif back.content not in (now, self.content):
            said = f"what was edited since in {self.path} stays in it"
        self._put(root, found, back.content)
        return said

    def _put(self, root: Root, found: Path, content: bytes | None) -> None:
        if content is None:
            disk.remove(root.path(self.path))
            for directory in reversed(self.made):
                disk.remove_empty(root.path(directory))
            return
        disk.make_parents(found)
        wish = self._look(found, content)
        if disk.read(found) == content and disk.look(found) == wish:
            return
        if content == self.content:
            disk.restore(found, content, wish)
        else:
            disk.replace(found, content, wish)

    def _look(self, found: Path, content: bytes) -> disk.Look:
        before = disk.Look(self.uid, self.gid, self.mode, self.xattrs, self.mtime_ns)
        if not found.exists() or disk.is_torn(found):
            return before
        now = disk.look(found)
        if self.content is None:
            return now
        time = (self.mtime_ns or None) if content == self.content else None
        if time is None and disk.read(found) == content:
            time = now.mtime_ns
        return disk.Look(
            self.uid if now.uid == self.new_uid else now.uid,
            self.gid if now.gid == self.new_gid else now.gid,
            self.mode if now.mode == self.new_mode else now.mode,
            now.xattrs,
            time,
        )


def _lines(found: range) -> str:
    return f"line {found[0]}" if len(found) == 1 else f"lines {found[0]} to {found[-1]}"
