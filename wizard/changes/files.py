"""Changes to files: their content, and links."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from wizard.changes import disk, owners, words
from wizard.changes.base import Change, Undo
from wizard.changes.differences import unified
from wizard.changes.restoring import RestoreFile, RestoreText
from wizard.errors import ChangedSinceReviewError, HostError, WizardError

if TYPE_CHECKING:
    from pathlib import Path

    from wizard.root import Root


@dataclass(frozen=True, slots=True)
class WriteFile(Change):
    """A file gets new content, exactly the reviewed one.

    ``before``: the bytes that were reviewed, None: there must be no file. ``after``: None removes the file.
    ``owner``, ``group``, ``mode``: None keeps those of the present file (a new one is root's, 0644).
    A symbolic link at ``path`` stays, its target is written. ``secret``: the content is never shown.
    """

    kind: ClassVar[str] = "write-file"
    path: str
    before: bytes | None = field(repr=False)
    after: bytes | None = field(repr=False)
    owner: str | None = None
    group: str | None = None
    mode: int | None = None
    secret: bool = False

    def __post_init__(self) -> None:
        words.path(self.path)
        for name in (self.owner, self.group):
            words.account(name or "root")
        words.mode(self.mode or 0)

    @property
    def target(self) -> str:
        """The path."""
        return self.path

    @property
    def files(self) -> tuple[str, ...]:
        """The path."""
        return (self.path,)

    def diff(self, root: Root) -> str:
        """Return the unified diff, before it a line on owner and mode where they change."""
        return self._looks(root) + unified(self.path, self.before, self.after, secret=self.secret)

    def _looks(self, root: Root) -> str:
        if self.after is None or (self.owner, self.group, self.mode) == (None, None, None):
            return ""
        if self.before is not None and self.done_look(root):
            return ""
        mode = "" if self.mode is None else f", mode {self.mode:04o}"
        return f"# owner {self.owner or 'root'}:{self.group or 'root'}{mode}\n"

    def done(self, root: Root) -> bool:
        """Whether the file has that content, owner and mode."""
        found = self._found(root)
        if disk.read(found) != self.after:
            return False
        return self.after is None or self.done_look(root)

    def done_look(self, root: Root) -> bool:
        """Whether owner, group and mode are as wished."""
        found = self._found(root)
        if not found.exists():
            return False
        try:
            wish, now = self._wish(root, found), disk.look(found)
        except WizardError:  # an owner that is still to be created
            return False
        return (wish.uid, wish.gid, wish.mode) == (now.uid, now.gid, now.mode)

    def check(self, root: Root) -> None:
        """Look whether the file is what was reviewed.

        Raises:
            ChangedSinceReviewError: when it is not.
            HostError: when it is no regular file, or can't be written.

        """
        found = self._found(root)
        now = disk.read(found)
        if now == self.before:
            disk.refuse_unwritable(found)
            return
        if self.before is None:
            raise ChangedSinceReviewError(f"{found} exists, but did not when the plan was made; plan again")
        what = "is gone" if now is None else "was changed"
        raise ChangedSinceReviewError(f"{found} {what} since the plan was made; plan again")

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return the file as it is, and what it will be, so that others' edits can be told from that."""
        found = self._found(root)
        if found.is_symlink():
            return (RestoreFile.of(root, found),)
        wish = self._wish(root, found)
        way = RestoreText.of(root, found)
        return (replace(way, wrote=self.after, new_uid=wish.uid, new_gid=wish.gid, new_mode=wish.mode),)

    def apply(self, root: Root) -> None:
        """Write or remove the file.

        Raises:
            ChangedSinceReviewError: when its bytes are no longer those that were reviewed.
            WizardError: when it can't be written; it is then as it was.

        """
        self.check(root)
        found = self._found(root)
        if self.after is None:
            disk.remove(found)
            return
        disk.make_parents(found)
        disk.replace(found, self.after, self._wish(root, found))

    def _found(self, root: Root) -> Path:
        # what is to be removed is the name itself, link or not
        return root.path(self.path) if self.after is None else disk.real(root, self.path)

    def _wish(self, root: Root, found: Path) -> disk.Look:
        now = disk.look(found) if found.exists() else disk.Look(0, 0, 0o644)
        return disk.Look(
            now.uid if self.owner is None else owners.uid(root, self.owner),
            now.gid if self.group is None else owners.gid(root, self.group),
            now.mode if self.mode is None else self.mode,
            now.xattrs,
        )


@dataclass(frozen=True, slots=True)
class WriteLast(WriteFile):
    """The same, but made when every service has its new files.

    What says who may come in must not go away as long as anybody asks it.
    """

    kind: ClassVar[str] = "write-last"


@dataclass(frozen=True, slots=True)
class MakeLink(Change):
    """A symbolic link at ``path`` that leads to ``to``. What is no link there is never replaced."""

    kind: ClassVar[str] = "make-link"
    path: str
    to: str

    def __post_init__(self) -> None:
        words.path(self.path)
        if not self.to or "\0" in self.to or "\n" in self.to:
            raise WizardError(f"{self.to!r} can't be where a link leads")

    @property
    def target(self) -> str:
        """The link's own path."""
        return self.path

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command that would do it."""
        return f"+ ln -s {self.to} {self.path}\n"

    def done(self, root: Root) -> bool:
        """Whether the link is there and leads there."""
        found = root.path(self.path)
        return found.is_symlink() and str(found.readlink()) == self.to

    def check(self, root: Root) -> None:
        """Look that no file or directory is in the way; HostError otherwise."""
        found = root.path(self.path)
        if not found.is_symlink() and found.exists():
            kind = "a directory" if stat.S_ISDIR(found.lstat().st_mode) else "a file"
            raise HostError(f"{found} is {kind}, but a link has to be there; move it away and try again")
        disk.refuse_unwritable(found)

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return what is there: another link, or nothing."""
        self.check(root)
        return (RestoreFile.of(root, root.path(self.path)),)

    def apply(self, root: Root) -> None:
        """Make the link."""
        self.check(root)
        disk.make_parents(root.path(self.path))
        disk.place_link(root.path(self.path), self.to)
