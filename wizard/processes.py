"""Which services run and which start at boot: asked of processes and of files, for units do not tell.

On Debian 12 ``postfix.service`` is a stub that stays active whatever Postfix does, and saslauthd's init
script ends well without starting anything when its defaults file lacks ``START=yes``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from wizard import sasl
from wizard.errors import ParseError
from wizard.formats import shellvars
from wizard.smallfiles import read_host_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wizard.root import Root

#: The service's program: its name, and a directory that must be in its path ("": any).
_PROGRAMS: Mapping[str, tuple[str, str]] = {
    "postfix": ("master", "postfix"),
    "saslauthd": ("saslauthd", ""),
    "dovecot": ("dovecot", ""),
}
_UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_WANTS = "/etc/systemd/system"
_RUN_LEVELS = ("2", "3", "4", "5")


def running(service: str) -> bool:
    """Whether a process of ``service`` (postfix, saslauthd, dovecot) runs on this host.

    One inside a container or another root directory, which a host sees as well, does not count.
    """
    return bool(processes(service))


def processes(service: str) -> list[psutil.Process]:
    """Return the processes of ``service`` on this host."""
    return [process for process in psutil.process_iter() if _is(process, *_PROGRAMS[service])]


@dataclass(frozen=True, slots=True)
class Listener:
    """Who listens on a TCP port at ``address``: a ``program``, "" if that can't be known, and its ``pid``.

    ``service``: the mail service it is part of, "" for all other programs.
    """

    address: str
    program: str = ""
    pid: int = 0
    service: str = ""


def listeners() -> dict[int, tuple[Listener, ...]]:
    """Return the TCP ports on which somebody listens on this host."""
    found: dict[int, set[Listener]] = {}
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr:
            who = _listener(connection.laddr.ip, connection.pid)
            found.setdefault(connection.laddr.port, set()).add(who)
    return {port: tuple(sorted(who, key=lambda one: one.address)) for port, who in found.items()}


def _listener(address: str, pid: int | None) -> Listener:
    try:
        process = psutil.Process(pid) if pid else None
        # any child that was given the socket may be named as its holder
        line = [process, *process.parents()] if process else []
        services = (name for name, program in _PROGRAMS.items() for one in line if _is(one, *program))
        return Listener(address, process.name() if process else "", pid or 0, next(services, ""))
    except psutil.Error:
        return Listener(address)


def _is(process: psutil.Process, program: str, directory: str) -> bool:
    try:
        words = process.cmdline()
        path = Path(words[0]) if words else Path()
        return (
            path.name == program
            and (not directory or directory in path.parts)
            and process.uids().real == 0
            and _is_ours(process.pid)
        )
    except psutil.Error:
        return False


def _is_ours(pid: int) -> bool:
    """Whether the process sees the processes and the file tree that we see (namespaces(7))."""
    try:
        here, there = Path("/proc/self/ns/pid").readlink(), Path(f"/proc/{pid}/ns/pid").readlink()
        return here == there and os.path.samestat(Path(f"/proc/{pid}/root").stat(), Path("/").stat())
    except PermissionError:
        return True  # only root may look; to others it is ours until shown otherwise
    except OSError:
        return False


def enabled(service: str, root: Root) -> bool | None:
    """Whether ``service`` starts at boot; None where nothing boots: a container without an init.

    A service that is not installed, or whose unit is masked, does not start.
    """
    if not boots(root):
        return None
    unit = f"{service}.service"
    units = [place for place in _UNITS if _exists(root, f"{place}/{unit}")]
    if units:
        return not _masked(root, f"{units[0]}/{unit}") and _wanted(root, unit)
    return _init_script_starts(root, service)


def boots(root: Root) -> bool:
    """Whether an init starts services here; a container usually has none."""
    if root.live:
        return Path("/run/systemd/system").is_dir()
    return any(_exists(root, f"{lib}/systemd/systemd") for lib in ("/usr/lib", "/lib"))


def _exists(root: Root, inside: str) -> bool:
    found = root.path(inside)
    return found.exists() or found.is_symlink()


def _masked(root: Root, inside: str) -> bool:
    found = root.path(inside)
    return found.is_symlink() and found.readlink() == Path("/dev/null")


def _wanted(root: Root, unit: str) -> bool:
    """Whether ``systemctl enable`` has linked ``unit`` from some target (systemd.unit(5), [Install])."""
    base = root.path(_WANTS)
    return any(
        (folder / unit).is_symlink() for pattern in ("*.wants", "*.requires") for folder in base.glob(pattern)
    )


def _init_script_starts(root: Root, service: str) -> bool:
    """Whether ``update-rc.d`` has linked the init script, and its defaults file lets it start."""
    linked = any(
        path.is_symlink()
        for level in _RUN_LEVELS
        for path in root.path(f"/etc/rc{level}.d").glob(f"S[0-9][0-9]{service}")
    )
    return linked and (service != "saslauthd" or _start_is_yes(root))


def _start_is_yes(root: Root) -> bool:
    return any(_says_yes(path, root) for path in sasl.defaults_files(root))


def _says_yes(path: str, root: Root) -> bool:
    try:
        return shellvars.read(path, read_host_file(root.file(path)) or b"").get("START") == "yes"
    except ParseError:
        return False  # nor can the init script read it
