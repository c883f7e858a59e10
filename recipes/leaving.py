"""What the back end before has left behind: taken away if an earlier change made it, else kept and named."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from recipes import chroot
from recipes.backend import asked
from wizard.changes import (
    Change,
    DropDirectory,
    DropLink,
    DropOverride,
    JoinGroup,
    MakeDirectory,
    MakeLink,
    QuitGroup,
    ReturnSecrets,
    ShareSecrets,
    StatOverride,
    WriteFile,
)
from wizard.changes.directories import override
from wizard.formats import maincf, smtpdconf
from wizard.ours import Kind
from wizard.steps import Edit, Note

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from wizard.host import Host
    from wizard.steps import Step, Wanted

_WHY = "the back end does not need it any more"
#: What saslauthd leaves in the directory of its socket when it is killed.
_SOCKETS = ("mux", "mux.accept", "saslauthd.pid", "cache.flock", "cache.mmap")


def places(wanted: Wanted, needed: Sequence[Step]) -> Iterator[Step]:
    """Yield what takes membership, directories and links away that are not among the ``needed`` steps.

    What somebody else has made is named when another one is asked from now on.
    """
    host = wanted.host
    switches = bool(asked(host)) and any(_asks_another(step) for step in needed)
    kept = {(type(step), step.target) for step in needed if isinstance(step, Change)}
    for change in chroot.everything(wanted):
        if (type(change), change.target) in kept or not (found := _found(change, host)):
            continue
        removal = _removal(change, host)
        if removal:
            yield removal
        elif switches:
            yield Note(f"{found}, which this back end does not need: somebody else saw to that; kept")


def _removal(change: Change, host: Host) -> Change | None:
    """Return what takes away what ``change`` has made; None if it was somebody else who did."""
    made = host.made
    match change:
        case JoinGroup(user, group) if made.has(Kind.MEMBER, f"{user} {group}"):
            return QuitGroup(user, group, reason=_WHY)
        case StatOverride(path) if made.has(Kind.OVERRIDE, path):
            return DropOverride(path, reason=_WHY)
        case MakeDirectory(path) if made.has(Kind.PATH, path) and _holds(host, path) <= {*_SOCKETS}:
            return DropDirectory(path, _SOCKETS, reason=_WHY)
        case MakeLink(path) if made.has(Kind.PATH, path):
            return DropLink(path, reason=_WHY)
        case ShareSecrets(path, shared) if made.has(Kind.SECRETS, path):
            return ReturnSecrets(path, shared, reason="no chrooted smtpd reads it any more")
    return None


def _found(change: Change, host: Host) -> str:
    """Return in words what is there of that kind, whoever has made it; empty: nothing."""
    match change:
        case JoinGroup(user, group) if change.done(host.root):
            return f"{user} is in the group {group}"
        case StatOverride(path) if override(host.root, path):
            return f"dpkg-statoverride has {path}"
        case MakeDirectory(path) if host.exists(path):
            return f"there is {path}"
        case MakeLink(path, to) if change.done(host.root):
            return f"{path} is a link to {to}"
        case ShareSecrets(_, shared) if host.exists(shared):
            return f"there are secrets in {shared}"
    return ""


def _asks_another(step: Step) -> bool:
    match step:
        case Edit(_, smtpdconf.SetKey("pwcheck_method" | "auxprop_plugin")):
            return True
        case Edit(_, maincf.SetParameter("smtpd_sasl_type")):
            return True
    return False


def emptied(host: Host, steps: Iterable[Step]) -> Iterator[Change]:
    """Yield the removal of the directories that were made for what ``steps`` remove, and for nothing else."""
    gone = {step.target for step in steps if isinstance(step, Change) and _removes(step)}
    parents = {str(parent) for path in gone for parent in PurePosixPath(path).parents}
    for path in sorted(parents, key=len, reverse=True):
        if host.made.has(Kind.PATH, path) and {f"{path}/{name}" for name in _holds(host, path)} <= gone:
            gone.add(path)
            yield DropDirectory(path, reason="nothing is left in it")


def _removes(step: Change) -> bool:
    file = isinstance(step, WriteFile) and step.after is None
    return file or isinstance(step, DropDirectory | DropLink)


def _holds(host: Host, path: str) -> set[str]:
    found = host.root.path(path)
    return {item.name for item in found.iterdir()} if found.is_dir() else set()
