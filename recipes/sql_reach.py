"""What the ``sql`` plugin can't ask, or a chrooted smtpd can't reach, told before anything is tried."""

from __future__ import annotations

import os
import pwd
import stat
from typing import TYPE_CHECKING

from recipes.chroot import after
from wizard.errors import PolicyError
from wizard.policy import SqlEngine
from wizard.steps import Note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wizard.host import Host, Metadata
    from wizard.policy import AuxpropSql
    from wizard.steps import Wanted

#: Where Debian's client libraries look for a server's socket if they are told no host.
SOCKETS = {SqlEngine.PGSQL: "/var/run/postgresql", SqlEngine.MYSQL: "/run/mysqld/mysqld.sock"}


def paths_of(backend: AuxpropSql) -> tuple[str, ...]:
    """Return the files and sockets that smtpd has to reach; none: it asks over TCP."""
    if backend.engine is SqlEngine.SQLITE:
        return (backend.database,)
    return tuple(path for host in backend.hosts or ("",) if (path := _socket_of(host, backend.engine)))


def _socket_of(host: str, engine: SqlEngine) -> str:
    if host.startswith("/"):
        return host
    # the MySQL client takes this name for its socket, the PostgreSQL client does not
    by_socket = not host or (host.partition(":")[0] == "localhost" and engine is SqlEngine.MYSQL)
    return SOCKETS[engine] if by_socket else ""


def refuse_unreachable(wanted: Wanted, backend: AuxpropSql) -> None:
    """Refuse what the plugin, or a chrooted smtpd, can't ask.

    Raises:
        PolicyError: with the way out.

    """
    for host in backend.hosts:
        _refuse_host(host, backend)
    if backend.engine is SqlEngine.SQLITE:
        _refuse_file(wanted.host, backend.database)
    if True in after(wanted):
        for path in paths_of(backend):
            _refuse_outside(wanted.host, path, backend)


def _refuse_outside(host: Host, path: str, backend: AuxpropSql) -> None:
    queue = host.queue_directory
    if path.startswith(f"{queue}/") or host.exists(queue + path):
        return
    if backend.engine is SqlEngine.SQLITE:
        raise PolicyError(
            "backend.database",
            f"smtpd is chrooted to {queue} and can't open {path}: move the file below {queue}, such as to "
            f'{queue}/sasl/users.sqlite, or say submission.chroot = "no"',
        )
    raise PolicyError(
        "backend.hosts",
        f"smtpd is chrooted to {queue} and can't reach the socket {path}: ask over TCP with "
        'hosts = ["127.0.0.1"], or say submission.chroot = "no"',
    )


def _refuse_file(host: Host, path: str) -> None:
    """Refuse a file that is missing, or that smtpd may write: SQL in a login name would change it."""
    found = host.metadata(path)
    if found is None:
        raise PolicyError("backend.database", f"there is no such file: {path}; make it, with the table in it")
    if host.root.live and _may_write(found):
        raise PolicyError(
            "backend.database",
            f"smtpd could write {path}, and so could SQL in a login name: let nobody but its owner write, "
            f"who must not be postfix: chmod go-w {path}",
        )
    if _logs_ahead(host.root.file(path)):
        raise PolicyError(
            "backend.database",
            f"{path} is in WAL mode, in which even readers write, and smtpd must not: "
            f"sqlite3 {path} 'PRAGMA journal_mode = delete'",
        )


def _logs_ahead(path: Path) -> bool:
    """Whether readers have to write beside the file (SQLite's file format, offset 19: 2 means WAL)."""
    try:
        with path.open("rb") as file:
            return file.read(20)[19:] == b"\x02"
    except OSError:
        return False


def _may_write(file: Metadata) -> bool:
    """Whether smtpd, which is the user postfix, has the right to write ``file``."""
    try:
        postfix = pwd.getpwnam("postfix")
    except KeyError:  # it is still to be installed, and is in no group but its own then
        return bool(file.mode & stat.S_IWOTH)
    if file.uid == postfix.pw_uid:
        return bool(file.mode & stat.S_IWUSR)
    in_group = file.gid in os.getgrouplist(postfix.pw_name, postfix.pw_gid)
    return bool(file.mode & (stat.S_IWGRP if in_group else stat.S_IWOTH))


def _refuse_host(host: str, backend: AuxpropSql) -> None:
    if host.startswith("/") and backend.engine is SqlEngine.MYSQL:
        raise PolicyError(
            "backend.hosts", f'{host}: the plugin asks MySQL at one socket only: write "localhost"'
        )
    name, _, port = host.partition(":")
    if name == "localhost" and port and backend.engine is SqlEngine.MYSQL:
        raise PolicyError(
            "backend.hosts", f"{host}: localhost means the socket, whatever the port: write 127.0.0.1:{port}"
        )
    if host.startswith("/") and len(backend.hosts) > 1:
        raise PolicyError(
            "backend.hosts", f"{host}: a socket must be the only one; name the others' addresses"
        )


def unprotected(name: str, host: Host) -> Iterator[Note]:
    """Yield a warning if passwords come from another host than this; ``name`` may be a socket."""
    name = name.rpartition(":")[0] or name
    if name and not name.startswith("/") and not host.is_here(name):
        yield Note(
            f"backend.hosts: passwords come from {name} over the network, and libsasl does not insist on "
            "TLS: let the line be a private one"
        )
