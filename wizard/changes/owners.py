"""Users and groups by name, in the tree that is worked on (passwd(5), group(5))."""

from __future__ import annotations

import grp
import pwd
from typing import TYPE_CHECKING

from wizard.errors import WizardError
from wizard.numbers import number
from wizard.smallfiles import read_host_file

if TYPE_CHECKING:
    from wizard.root import Root

GROUPS, _USERS = "/etc/group", "/etc/passwd"
_LARGEST = 64 << 20  # bytes, for hosts with very many users


def uid(root: Root, name: str) -> int:
    """Return the number of the user ``name``; WizardError if there is none."""
    if root.live:
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            raise WizardError(f"there is no user {name} on this host") from None
    return _number(root, _USERS, name)


def gid(root: Root, name: str) -> int:
    """Return the number of the group ``name``; WizardError if there is none."""
    if root.live:
        try:
            return grp.getgrnam(name).gr_gid
        except KeyError:
            raise WizardError(f"there is no group {name} on this host") from None
    return _number(root, GROUPS, name)


def names(root: Root, uid: int, gid: int) -> str:
    """Return the owner and group with these numbers as chown(1) takes them; a number nobody has stays one."""
    users, groups = (
        {fields[2]: fields[0] for fields in reversed(_lines(root, file)) if len(fields) > 2}  # noqa: PLR2004 - name, password, number
        for file in ("/etc/passwd", GROUPS)
    )
    return f"{users.get(str(uid), uid)}:{groups.get(str(gid), gid)}"


def members(root: Root, group: str) -> frozenset[str] | None:
    """Return who is in ``group``: whom its line names, and whose first group it is; None: no such group."""
    found = named(root, group)
    return None if found is None else found | first(root, group)


def named(root: Root, group: str) -> frozenset[str] | None:
    """Return whom the line of ``group`` names, who alone can be taken out of it; None: no such group."""
    for fields in _lines(root, GROUPS):
        if fields[0] == group and len(fields) > 3:  # noqa: PLR2004 - name, password, number, members
            return frozenset(filter(None, fields[3].split(",")))
    return None


def first(root: Root, group: str) -> frozenset[str]:
    """Return whose first group ``group`` is: its number stands in their own line (passwd(5))."""
    numbers = {fields[2] for fields in _lines(root, GROUPS) if fields[0] == group and len(fields) > 3}  # noqa: PLR2004
    users = (fields for fields in _lines(root, _USERS) if len(fields) > 3)  # noqa: PLR2004 - name, password, uid, gid
    return frozenset(fields[0] for fields in users if fields[3] in numbers)


def _number(root: Root, file: str, name: str) -> int:
    if name == "root":
        return 0
    for fields in _lines(root, file):
        if fields[0] == name and len(fields) > 2 and (found := number(fields[2])) is not None:  # noqa: PLR2004 - name, password, number
            return found
    raise WizardError(f"{root.path(file)} has no {name}")


def _lines(root: Root, file: str) -> list[list[str]]:
    text = (read_host_file(root.path(file), _LARGEST) or b"").decode(errors="replace")
    return [line.split(":") for line in text.split("\n")]
