"""Lookup tables in the form that Postfix reads, built by postmap(1) or postalias(1)."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from wizard.changes import disk, words
from wizard.changes.base import Change, Undo
from wizard.changes.restoring import RestoreFile
from wizard.changes.tree import run_in
from wizard.errors import WizardError

if TYPE_CHECKING:
    from pathlib import Path

    from wizard.root import Root

#: The types that postmap builds, and what it adds to the name (DATABASE_README).
SUFFIXES = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb"}


@dataclass(frozen=True, slots=True)
class BuildTable(Change):
    """The table of ``type`` (``hash``, ``lmdb`` ...) for the text at ``path``, with its owner and mode.

    ``program``: ``postmap``, or ``postalias`` for a file of aliases. A type that Postfix reads as text, such
    as ``texthash``, needs no building.
    """

    kind: ClassVar[str] = "build-table"
    type: str
    path: str
    program: str = "postmap"

    def __post_init__(self) -> None:
        if self.program not in ("postmap", "postalias"):
            raise WizardError(f"{self.program!r} builds no tables")
        words.table_type(self.type)
        words.path(self.path)

    @property
    def target(self) -> str:
        """The built file, or the text where nothing is built."""
        return self.path + SUFFIXES.get(self.type, "")

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command."""
        return f"+ {self.program} {self.type}:{self.path}\n" if self.type in SUFFIXES else ""

    def done(self, root: Root) -> bool:  # noqa: ARG002 - a plan has it only if the text changes
        """Whether there is nothing to build."""
        return self.type not in SUFFIXES

    def check(self, root: Root) -> None:
        """Look that it can be written; HostError otherwise."""
        if self.type in SUFFIXES:
            disk.refuse_unwritable(disk.real(root, self.target))

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return the present table, and that nothing is left beside the text."""
        if self.type not in SUFFIXES:
            return ()
        text = disk.real(root, self.path)
        back = RestoreTable.of(root, disk.real(root, self.target))
        there = disk.inside(root, text)
        return (Sweep(there), replace(back, text=there, type=self.type, program=self.program))

    def apply(self, root: Root) -> None:
        """Build the table under another name and put it in place at once: a reader never sees half of one.

        Raises:
            WizardError: with what the program said.

        """
        if self.type not in SUFFIXES:
            return
        text, table = disk.real(root, self.path), disk.real(root, self.target)
        beside = disk.temporary(text)
        try:
            with disk.explained(text):
                os.link(text, beside)
            name = f"{self.type}:{disk.inside(root, beside)}"
            run_in(root, [self.program, name]).expect(f"building the table for {self.path}")
            built = beside.with_name(beside.name + SUFFIXES[self.type])
            self._settle(text, built, table)
        finally:
            disk.sweep(text)

    def _settle(self, text: Path, built: Path, table: Path) -> None:
        with disk.explained(built):
            info = text.stat()
            os.chown(built, info.st_uid, info.st_gid)
            built.chmod(stat.S_IMODE(info.st_mode))
            fd = os.open(built, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            built.replace(table)
            disk.sync_directory(table.parent)


@dataclass(frozen=True, slots=True)
class RestoreTable(RestoreFile):
    """Brings back the table that was built for ``text`` before; to be followed when the text is back."""

    kind: ClassVar[str] = "restore-table"
    text: str = ""
    type: str = "hash"
    program: str = "postmap"

    def rebuild(self, root: Root) -> None:
        """Build it anew: for a text that is not the one it was built for, as others have edited it since."""
        BuildTable(self.type, self.text, program=self.program, reason="").apply(root)


@dataclass(frozen=True, slots=True)
class Sweep(Undo):
    """Clears away what a killed run has left beside ``path``."""

    kind: ClassVar[str] = "sweep"
    path: str

    def undo(self, root: Root) -> None:
        """Remove it."""
        found = root.path(self.path)
        disk.sweep(found)
