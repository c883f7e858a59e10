"""The secrets file (sasldb), made readable for Postfix inside its chroot and outside of it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from wizard.changes import disk, owners, testaccounts, words
from wizard.changes.base import Change, Undo
from wizard.changes.restoring import RestoreFile
from wizard.changes.tree import run_in
from wizard.errors import WizardError

if TYPE_CHECKING:
    from pathlib import Path

    from wizard.root import Root

_MODE = 0o660
_SQUINT = 0o007  # what others may do with it must be nothing


@dataclass(frozen=True, slots=True)
class ShareSecrets(Change):
    """The file at ``path`` belongs to root and ``group``, whose members may read it; nobody else gets to.

    ``shared``, if not empty, is where the file really lies then, inside the directory that chrooted programs
    can't leave; a symbolic link stays at ``path``. A copy would go stale with every new password.
    """

    kind: ClassVar[str] = "share-secrets"
    path: str
    shared: str
    group: str

    def __post_init__(self) -> None:
        words.path(self.path)
        words.account(self.group)
        if self.shared:
            words.path(self.shared)

    @property
    def target(self) -> str:
        """The secrets file."""
        return self.path

    def diff(self, root: Root) -> str:
        """Return the commands."""
        access = f"+ chown root:{self.group} {self._home}\n+ chmod {_MODE:04o} {self._home}\n"
        if self.shared and not self._linked(root):
            return f"+ mv {self.path} {self.shared}\n+ ln -s {self.shared} {self.path}\n{access}"
        return access

    @property
    def _home(self) -> str:
        return self.shared or self.path

    def _linked(self, root: Root) -> bool:
        found = root.path(self.path)
        return found.is_symlink() and str(found.readlink()) == self.shared

    def done(self, root: Root) -> bool:
        """Whether the group can use it, others can't, and it lies where it has to."""
        if self.shared and not self._linked(root):
            return False
        found = root.file(self.path)
        if not found.exists():
            return False
        info = found.stat()
        try:
            gid = owners.gid(root, self.group)
        except WizardError:  # a group that is still to be created
            return False
        return info.st_gid == gid and not info.st_mode & _SQUINT and bool(info.st_mode & stat.S_IRGRP)

    def check(self, root: Root) -> None:
        """Look that regular files are at both names, or nothing; HostError otherwise."""
        for path in filter(None, (self.path, self.shared)):
            # refuses a link that leads nowhere, or where others may write
            found = disk.real(root, path)
            disk.refuse_unwritable(found)
            disk.read(found)

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return owner, mode and place of the file, and what is at the second name."""
        found = root.path(self.path)
        if not root.file(self.path).exists():
            back = RestoreSecrets(self.path)
        else:
            now = disk.look(root.file(self.path))
            link = str(found.readlink()) if found.is_symlink() else None
            back = RestoreSecrets(self.path, link, now.uid, now.gid, now.mode, now.xattrs)
        if not self.shared or self._linked(root):
            return (back,)
        return (back, RestoreFile.of(root, root.path(self.shared)))

    def apply(self, root: Root) -> None:
        """Make it so.

        Raises:
            WizardError: when there is no such file, and saslpasswd2 can't make one.

        """
        self.check(root)
        found = root.path(self.path)
        content = disk.read(root.file(self.path))
        if content is None:
            _make_empty(root, self.path)
            content = disk.read(root.file(self.path)) or b""
        look = disk.Look(0, owners.gid(root, self.group), _MODE)
        if self.shared and not self._linked(root):
            home = root.path(self.shared)
            disk.make_parents(home)
            disk.replace(home, content, look)
            disk.place_link(found, self.shared)
            return
        _dress(disk.real(root, self.path), look)


def _make_empty(root: Root, path: str) -> None:
    """Make a secrets file without secrets, as Debian's package does: add an account, and remove it."""
    nobody = "no:such:user"
    doing = f"making {path}"
    run_in(root, ["saslpasswd2", "-c", "-p", "-f", path, nobody], stdin=b"!").expect(doing)
    run_in(root, ["saslpasswd2", "-d", "-f", path, nobody]).expect(doing)


def _dress(found: Path, look: disk.Look) -> None:
    with disk.explained(found):
        # first the mode, so that at no moment a wrong group can read
        found.chmod(look.mode & 0o600)
        os.chown(found, look.uid, look.gid)
        found.chmod(look.mode)


@dataclass(frozen=True, slots=True)
class RestoreSecrets(Undo):
    """Brings the secrets file back to its old place, owner and mode, with the secrets that are in it now.

    ``link``: where the name led to, None: it was the file itself. ``uid`` -1: there was no file.
    """

    kind: ClassVar[str] = "restore-secrets"
    path: str
    link: str | None = None
    uid: int = -1
    gid: int = -1
    mode: int = 0
    xattrs: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)

    def undo(self, root: Root) -> str | None:
        """Do it; a password that was changed in the meantime stays changed."""
        found = root.path(self.path)
        disk.sweep(found)
        if disk.read(root.file(self.path)) is not None:
            testaccounts.sweep(root, self.path)
        content = disk.read(root.file(self.path))
        if self.uid < 0:
            disk.remove(found)
        elif content is None:
            # nobody could bring it back by trying again
            if self.link is None:
                disk.remove(found)
            return _gone(self.path)
        elif self.link is None:
            look = disk.Look(self.uid, self.gid, self.mode, self.xattrs)
            if found.is_symlink():
                disk.replace(found, content, look)
            else:
                _dress(found, look)
        else:
            disk.place_link(found, self.link)
            _dress(disk.real(root, self.path), disk.Look(self.uid, self.gid, self.mode))
        return None

    def conflicts(self, root: Root) -> tuple[str, ...]:
        """Return that it is gone, or the accounts made since in a file that would go away."""
        there = root.file(self.path).exists()
        if self.uid >= 0 and not there:
            return (_gone(self.path),)
        if self.uid >= 0 or not there:
            return ()
        listed = run_in(root, ["sasldblistusers2", "-f", self.path]).stdout.splitlines()
        entries = (line.partition(":")[0] for line in listed if "@" in line)
        names = dict.fromkeys(
            entry for entry in entries if not testaccounts.left_over(entry.rpartition("@")[0])
        )
        return (f"{self.path} would go, and with it {', '.join(names)}; remove them first",) if names else ()


@dataclass(frozen=True, slots=True)
class ReturnSecrets(Change):
    """The secrets file lies at ``path`` itself again, and no longer at ``shared``, in the chroot."""

    kind: ClassVar[str] = "return-secrets"
    path: str
    shared: str

    def __post_init__(self) -> None:
        words.path(self.path)
        words.path(self.shared)

    @property
    def target(self) -> str:
        """The secrets file."""
        return self.path

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command."""
        return f"+ mv {self.shared} {self.path}\n"

    def done(self, root: Root) -> bool:
        """Whether no link leads from one place to the other."""
        found = root.path(self.path)
        return not (found.is_symlink() and str(found.readlink()) == self.shared)

    def check(self, root: Root) -> None:
        """Look that both places can be written; HostError otherwise."""
        for path in (self.path, self.shared):
            disk.refuse_unwritable(root.path(path))

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return that it is moved again, with the owner and mode it has."""
        if self.done(root):
            return ()
        now = disk.look(root.path(self.shared))
        return (MoveSecrets(self.path, self.shared, now.uid, now.gid, now.mode, now.xattrs),)

    def apply(self, root: Root) -> None:
        """Move it, owner and mode as they are.

        Raises:
            WizardError: when it is gone.

        """
        if self.done(root):
            return
        home = root.path(self.shared)
        content = disk.read(home)
        if content is None:
            raise WizardError(f"{home} is gone; restore it from a backup")
        disk.replace(root.path(self.path), content, disk.look(home))
        disk.remove(home)


@dataclass(frozen=True, slots=True)
class MoveSecrets(Undo):
    """Moves the secrets file from ``path`` into the chroot again, to ``shared``, with what is in it now."""

    kind: ClassVar[str] = "move-secrets"
    path: str
    shared: str
    uid: int
    gid: int
    mode: int
    xattrs: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)

    def undo(self, root: Root) -> str | None:
        """Move it, unless the link is there already."""
        found, home = root.path(self.path), root.path(self.shared)
        disk.sweep(found)
        disk.sweep(home)
        if found.is_symlink():
            return None
        content = disk.read(found)
        if content is None:
            return _gone(self.path)
        disk.make_parents(home)
        disk.replace(home, content, disk.Look(self.uid, self.gid, self.mode, self.xattrs))
        disk.place_link(found, self.shared)
        return None

    def conflicts(self, root: Root) -> tuple[str, ...]:
        """Return that it is gone."""
        return () if root.file(self.path).exists() else (_gone(self.path),)


def _gone(path: str) -> str:
    again = f"saslpasswd2 -f {path} -c NAME makes a new one"
    return f"{path} is gone, and the accounts with it: restore it from a backup, or {again}"
