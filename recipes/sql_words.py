"""What the ``sql`` plugin's answer means, in the admin's words.

Of a query that fails libsasl tells what MySQL and SQLite say, and drops what PostgreSQL says, which is
therefore asked once more, by its own client library (libpq; PostgreSQL documentation, "libpq - C Library").
"""

from __future__ import annotations

import ctypes
import socket
from typing import TYPE_CHECKING

from recipes.sql_reach import SOCKETS
from wizard.errors import PolicyError
from wizard.policy import SqlEngine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wizard.lookup import Answer
    from wizard.policy import AuxpropSql

_MYSQL_PORT = 3306
_SECONDS = 4
_SAYS = ("sql plugin: ", "sql query failed: ")
_SILENT = "libsasl does not say why"
_NOTHING_FOUND = "no result found"
_NOT_LET_IN = ("FATAL: ", "fe_sendauth: ", "could not look up local user")
_DATABASE = ('database "', "permission denied for database ")


def judged(
    answer: Answer, backend: AuxpropSql, host: str, options: Mapping[str, str], *, chrooted: bool
) -> PolicyError | None:
    """Return what is wrong if nobody's password was looked up with this ``answer``; None: nothing.

    ``options`` are those of smtpd.conf, with ``host`` alone.
    """
    said = complaint(answer)
    if answer.unknown:
        return _query_refused(said, backend, host, options) if said else None
    if answer.right or answer.refused:
        return PolicyError("backend.select", "finds a password for a user who does not exist as well")
    where = "from within the chroot" if chrooted else "as the user postfix, which smtpd is"
    if backend.engine is SqlEngine.SQLITE:
        return PolicyError("backend.database", f"{backend.database} can't be read {where}: {said or _SILENT}")
    if answer.code is None:
        return PolicyError("backend.hosts", f"{_named(host)} does not answer in time")
    why = said or _connection_refused(host) or _SILENT
    if chrooted and "could not translate host name" in why:  # which is found outside
        why += "; Postfix copies /etc/hosts and /etc/resolv.conf there when it starts: restart it"
    return _not_let_in(said, backend, host) or PolicyError(
        "backend.hosts", f"{_named(host)} can't be asked {where}: {why}"
    )


def complaint(answer: Answer) -> str:
    """Return what the plugin complains of, first of all; empty: of nothing."""
    said = [line.removeprefix(start) for line in answer.said for start in _SAYS if line.startswith(start)]
    return next((line for line in said if line != _NOTHING_FOUND), "")


def broken_out(host: str) -> PolicyError:
    """Return that a login name reaches the server as SQL."""
    return PolicyError(
        "backend.select",
        f"a quote in a login name ends the text around it at {_named(host)}, so names could be SQL: have no "
        "E before '%u' (PostgreSQL), and no NO_BACKSLASH_ESCAPES in the server's sql_mode (MySQL, MariaDB)",
    )


def _named(host: str) -> str:
    return host or "the database's socket"


def _not_let_in(said: str, backend: AuxpropSql, host: str) -> PolicyError | None:
    silent = backend.engine is SqlEngine.MYSQL and not _connection_refused(host)
    if not silent and not any(words in said for words in _NOT_LET_IN):
        return None
    why = _fatal(said) or "user or password is wrong"
    if why.startswith(_DATABASE):
        return PolicyError("backend.database", f"{_named(host)} says: {why}")
    if not backend.user:
        return PolicyError("backend.user", f"{_named(host)} lets nobody in without a name: {why}")
    return PolicyError("backend.password_file", f"{_named(host)} does not let {backend.user} in: {why}")


def _fatal(said: str) -> str:
    """Return why PostgreSQL let nobody in; it is asked twice, with TLS and without, and may only know one."""
    told = [part.partition(" connection to server ")[0].strip() for part in said.split("FATAL: ")[1:]]
    return next((why for why in told if not why.startswith("no pg_hba.conf")), next(iter(told), ""))


def _query_refused(said: str, backend: AuxpropSql, host: str, options: Mapping[str, str]) -> PolicyError:
    why = said
    if said.startswith("PGRES_"):
        why = _postgres(options) or "the server refuses it: see its log, or try it with psql"
    asked = f" by {host}" if host else ""
    return PolicyError(
        "backend.select",
        f"is not taken{asked}: {why}. The table and its columns must be there in {backend.database}"
        + (f", and {backend.user} must be allowed to read them" if backend.user else ""),
    )


def _postgres(options: Mapping[str, str]) -> str:
    """Return what PostgreSQL says to the query; empty: it can't be asked from here."""
    try:
        libpq = ctypes.CDLL("libpq.so.5")
    except OSError:  # it is still to be installed
        return ""
    libpq.PQconnectdb.restype = libpq.PQexec.restype = ctypes.c_void_p
    libpq.PQerrorMessage.restype = ctypes.c_char_p
    host, _, port = options["sql_hostnames"].partition(":")
    named = {"host": host, "port": port, "user": options.get("sql_user"), "dbname": options["sql_database"]}
    # the plugin puts them between quotes in just this way
    parts = [f"{key}='{value}'" for key, value in named.items() if value]
    parts += [f"password='{options.get('sql_passwd', '')}'", f"connect_timeout='{_SECONDS}'"]
    connection = ctypes.c_void_p(libpq.PQconnectdb(" ".join(parts).encode()))
    query = options["sql_select"].replace("%u", "x").replace("%r", "x").replace("%p", "userPassword")
    libpq.PQexec(connection, b"SET default_transaction_read_only = on")
    libpq.PQexec(connection, query.encode())
    said = (libpq.PQerrorMessage(connection) or b"").decode(errors="replace")
    libpq.PQfinish(connection)
    return said.partition("\n")[0].partition(":")[2].strip()


def _connection_refused(host: str) -> str:
    """Return why no connection to a MySQL server comes about; empty: it does."""
    name, _, port = host.partition(":")
    try:
        if not name or name == "localhost":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(SOCKETS[SqlEngine.MYSQL])
        else:
            socket.create_connection((name, int(port or _MYSQL_PORT)), _SECONDS).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""
