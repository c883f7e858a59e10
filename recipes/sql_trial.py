"""Whether smtpd will reach the database, from the chroot too, and whether the database takes the query.

It is found out as smtpd will do it (``wizard.lookup``), before anything is saved.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import socket
import stat
from typing import TYPE_CHECKING

from recipes.chroot import after
from wizard import lookup
from wizard.errors import PolicyError
from wizard.policy import SqlEngine
from wizard.steps import Note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wizard.host import Host, Metadata
    from wizard.lookup import Answer
    from wizard.policy import AuxpropSql
    from wizard.steps import Step, Wanted

_TIMEOUT = 8.0  # seconds for one host
_MYSQL_PORT = 3306
#: Where Debian's client libraries look for a server's socket if they are told no host.
_SOCKETS = {SqlEngine.PGSQL: "/var/run/postgresql", SqlEngine.MYSQL: "/run/mysqld/mysqld.sock"}
_SAYS = ("sql plugin: ", "sql query failed: ")
_SILENT = "libsasl does not say why"
_NOTHING_FOUND = "no result found"
#: Nobody's name, which is SQL where the plugin and the server do not agree on what protects a quote.
_QUOTING = "postfix-auth-test\\' --"


def path_of(backend: AuxpropSql) -> str:
    """Return the file or socket that smtpd has to reach; empty: it is asked over TCP."""
    if backend.engine is SqlEngine.SQLITE:
        return backend.database
    first = backend.hosts[0] if backend.hosts else ""
    if first.startswith("/"):
        return first
    # the MySQL client takes this name for its socket, the PostgreSQL client does not
    by_socket = not first or (first == "localhost" and backend.engine is SqlEngine.MYSQL)
    return _SOCKETS[backend.engine] if by_socket else ""


def refuse_unreachable(wanted: Wanted, backend: AuxpropSql) -> None:
    """Refuse what the plugin, or a chrooted smtpd, can't ask.

    Raises:
        PolicyError: with the way out.

    """
    for host in backend.hosts:
        _refuse_host(host, backend)
    path, queue = path_of(backend), wanted.host.queue_directory
    if backend.engine is SqlEngine.SQLITE:
        _refuse_file(wanted.host, path)
    if (
        not path
        or True not in after(wanted)
        or path.startswith(f"{queue}/")
        or wanted.host.exists(queue + path)
    ):
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
    if host.startswith("/") and len(backend.hosts) > 1:
        raise PolicyError(
            "backend.hosts", f"{host}: a socket must be the only one; name the others' addresses"
        )
    if host.count(":") > 1:
        raise PolicyError(
            "backend.hosts",
            f"{host}: the plugin takes what follows the first colon for a port: write its name",
        )


def tried(wanted: Wanted, backend: AuxpropSql, keys: Mapping[str, str]) -> Iterator[Step]:
    """Try every host with a query for nobody, and yield a note on each that does not answer.

    Raises:
        PolicyError: when none does, or one does not take the query.

    """
    if not wanted.host.root.live or os.geteuid() != 0:
        return
    failures = []
    for host in backend.hosts or ("",):
        for chrooted in sorted(after(wanted)) or [False]:
            failure = _failure(wanted, backend, keys, host, chrooted=chrooted)
            if failure and failure.key not in ("backend.hosts", "backend.password_file"):
                raise failure
            if failure:
                failures.append((host, failure))
                break
        yield from _unprotected(host)
    if len(failures) == len(backend.hosts or ("",)):
        raise failures[0][1]
    for _, failure in failures:
        yield Note(f"{failure}; the other hosts are asked instead")


def _unprotected(host: str) -> Iterator[Note]:
    name = host.rpartition(":")[0] or host
    try:
        near = not name or name.startswith("/") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        near = name == "localhost"
    if not near:
        yield Note(
            f"backend.hosts: passwords come from {name} over the network, and libsasl does not insist on "
            "TLS: let the line be a private one"
        )


def _failure(
    wanted: Wanted, backend: AuxpropSql, keys: Mapping[str, str], host: str, *, chrooted: bool
) -> PolicyError | None:
    """Return why ``host`` can't be asked, or does not take the query; None: it works."""
    realm = wanted.policy.authorization.local_domain if wanted.policy.authorization else ""
    smtpd = lookup.Smtpd.of(wanted.host, chrooted=chrooted, realm=realm)
    options = dict(keys) | {"sql_hostnames": host}
    for key in ("sql_hostnames", "sql_database"):
        if smtpd.chroot and options[key].startswith(f"{smtpd.chroot}/"):
            options[key] = options[key].removeprefix(smtpd.chroot)
    failure = _judged(lookup.check(options, smtpd, timeout=_TIMEOUT), backend, host, chrooted=chrooted)
    if failure or backend.engine is SqlEngine.SQLITE:
        return failure
    quoting = lookup.check(options, smtpd, timeout=_TIMEOUT, user=_QUOTING)
    return None if quoting.unknown and not _complaint(quoting) else _broken_out(host)


def _judged(answer: Answer, backend: AuxpropSql, host: str, *, chrooted: bool) -> PolicyError | None:
    wrong = _complaint(answer)
    if answer.right or answer.unknown or answer.refused:
        return _query_refused(wrong, backend, host) if wrong else None
    where = "from within the chroot" if chrooted else "as the user postfix, which smtpd is"
    if backend.engine is SqlEngine.SQLITE:
        return PolicyError(
            "backend.database", f"{backend.database} can't be read {where}: {wrong or _SILENT}"
        )
    named = host or "the database's socket"
    if answer.code is None:
        return PolicyError("backend.hosts", f"{named} does not answer within {_TIMEOUT:.0f} seconds")
    if "FATAL: " in wrong or (backend.engine is SqlEngine.MYSQL and not _connection_refused(host)):
        why = wrong.rpartition("FATAL: ")[2].strip() or "user, password or database is wrong"
        return PolicyError("backend.password_file", f"{named} does not let {backend.user or 'us'} in: {why}")
    why = wrong or _connection_refused(host) or _SILENT
    return PolicyError("backend.hosts", f"{named} can't be asked {where}: {why}")


def _complaint(answer: Answer) -> str:
    """Return what the plugin complains of, first of all; empty: of nothing."""
    said = [line.removeprefix(start) for line in answer.said for start in _SAYS if line.startswith(start)]
    return next((line for line in said if line != _NOTHING_FOUND), "")


def _broken_out(host: str) -> PolicyError:
    asked = f" at {host}" if host else ""
    return PolicyError(
        "backend.select",
        f"a quote in a login name ends the text around it{asked}, so names could be SQL: have no E before "
        "'%u' (PostgreSQL), and no NO_BACKSLASH_ESCAPES in the server's sql_mode (MySQL, MariaDB)",
    )


def _query_refused(said: str, backend: AuxpropSql, host: str) -> PolicyError:
    # libsasl drops what PostgreSQL says
    why = "the server refuses it: see its log, or try it with psql" if said.startswith("PGRES_") else said
    asked = f" by {host}" if host else ""
    return PolicyError(
        "backend.select",
        f"is not taken{asked}: {why}. The table and its columns must be there in {backend.database}"
        + (f", and {backend.user} must be allowed to read them" if backend.user else ""),
    )


def _connection_refused(host: str) -> str:
    """Return why no connection to a MySQL server comes about; empty: it does."""
    name, _, port = host.partition(":")
    try:
        if not name or name == "localhost":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(_SOCKETS[SqlEngine.MYSQL])
        else:
            socket.create_connection((name, int(port or _MYSQL_PORT)), _TIMEOUT / 2).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
