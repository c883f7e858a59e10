"""A tree to try changes on, all that can be seen of it, and stand-ins for the programs that work on it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from wizard.commands import Outcome
from wizard.root import Root

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_GROUPS = "root:x:0:\nsasl:x:45:\nmail:x:8:games\nempty:x:98:\n"
_USERS = "root:x:0:0::/root:/bin/sh\npostfix:x:101:\n"


def make(folder: Path) -> Root:
    """Return a small tree with users, groups and a Postfix directory."""
    for directory in ("etc/postfix", "var/lib/dpkg", "var/spool/postfix"):
        (folder / directory).mkdir(parents=True)
    (folder / "etc/group").write_text(_GROUPS)
    (folder / "etc/passwd").write_text(_USERS)
    (folder / "var/lib/dpkg/statoverride").write_text("root root 755 /x\n")
    return Root(folder)


def seen(root: Root, *, times: bool = True) -> dict[str, object]:
    """Return path -> type, owner, mode, attributes and content of all; ``times``: of files too."""
    return {str(path.relative_to(root.prefix)): _look(path, times=times) for path in root.prefix.rglob("*")}


def _look(path: Path, *, times: bool) -> tuple[object, ...]:
    info = path.lstat()
    kind = stat.S_IFMT(info.st_mode)
    if kind == stat.S_IFLNK:
        return (kind, str(path.readlink()))
    content = path.read_bytes() if kind == stat.S_IFREG else b""
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    time = info.st_mtime_ns if times and kind == stat.S_IFREG else 0
    return (kind, info.st_uid, info.st_gid, info.st_mode, attributes, content, time)


def run_in(root: Root, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Outcome:
    """Do what the few programs do that changes call, as far as the tree shows it."""
    match list(argv):
        case ["groupadd", "--system", *gid, name]:
            _edit(root, "/etc/group", lambda lines: [*lines, f"{name}:x:{[99, *gid][-1]}:"])
        case ["groupdel", name]:
            _edit(root, "/etc/group", lambda lines: [one for one in lines if not one.startswith(f"{name}:")])
        case ["usermod", "-a", "-G", group, user]:
            _edit(root, "/etc/group", lambda lines: [_with(one, group, user) for one in lines])
        case ["gpasswd", "-d", user, group]:
            _edit(root, "/etc/group", lambda lines: [_without(one, group, user) for one in lines])
        case ["dpkg-statoverride", "--add", owner, group, mode, path]:
            line = f"{owner} {group} {mode.lstrip('0')} {path}"
            _edit(root, "/var/lib/dpkg/statoverride", lambda lines: [*lines, line])
        case ["dpkg-statoverride", "--remove", path]:
            _edit(
                root,
                "/var/lib/dpkg/statoverride",
                lambda lines: [one for one in lines if one.split(" ", 3)[3] != path],
            )
        case ["postmap", name]:
            text = root.path(name.partition(":")[2])
            text.with_name(text.name + ".db").write_bytes(b"built of " + text.read_bytes())
        case ["saslpasswd2", "-c", "-p", "-f", path, _]:
            root.path(path).write_bytes(b"empty")
        case ["saslpasswd2", "-d", *_] | ["sasldblistusers2", *_]:
            pass
        case _:
            return Outcome(tuple(argv), 1, "", "no such program here")
    return Outcome(tuple(argv), 0, "", "")


def _edit(root: Root, path: str, edit: Callable[[list[str]], list[str]]) -> None:
    found = root.path(path)
    found.write_text("".join(f"{line}\n" for line in edit(found.read_text().splitlines())))


def _with(line: str, group: str, user: str) -> str:
    return f"{line}{user}" if line.startswith(f"{group}:") else line


def _without(line: str, group: str, user: str) -> str:
    return line.removesuffix(user) if line.startswith(f"{group}:") else line
