"""Passwords in a database, read by libsasl's ``sql`` plugin inside smtpd (SASL_README, "The sql plugin").

Its options and macros are libsasl's own (Cyrus SASL, "Options", and plugins/sql.c for what becomes of them).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recipes import name_fence, sql_reach, sql_trial, user_names
from recipes.auxprop import USUAL
from recipes.backend import BackendRecipe
from recipes.chroot import after, link_back
from recipes.shown import Shown
from recipes.user_names import Called
from wizard.passwordfile import read_unpadded_password_file
from wizard.policy import AuxpropSql, SqlEngine
from wizard.steps import Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recipes.user_names import Names
    from wizard.host import Host
    from wizard.policy import Backend
    from wizard.steps import Step, Wanted

#: What the plugin calls its engines.
_ENGINES = {SqlEngine.PGSQL: "pgsql", SqlEngine.MYSQL: "mysql", SqlEngine.SQLITE: "sqlite3"}
#: Options that no policy speaks of; kept where somebody has set them.
_BY_HAND = ("sql_usessl", "sql_insert", "sql_update", "sql_verbose")
_OPEN_DOOR = (
    "backend.engine: with sqlite a login name can be SQL: libsasl writes \\' for a quote in it, which SQLite "
    "takes for the end of the text. Who makes such a name is let in without a password. He can send nothing, "
    "for Postfix refuses mail from names with a quote; but login by login he can find out every password, "
    "and send with one of those, write files wherever the user postfix may, and fill the disk. "
    "For trials only: pgsql, mysql, sasldb and Dovecot have no such hole"
)


def is_sqlite(backend: Backend) -> bool:
    """Whether login names reach SQLite, which takes a quote in them for the end of the text."""
    return isinstance(backend, AuxpropSql) and backend.engine is SqlEngine.SQLITE


def leave(wanted: Wanted) -> Iterator[Step]:
    """Yield what takes away what only SQLite needs."""
    if wanted.policy.backend and not is_sqlite(wanted.policy.backend):
        yield from name_fence.leave(wanted)


def _keys(wanted: Wanted) -> dict[str, str]:
    backend, found = wanted.backend(AuxpropSql), wanted.host.smtpd_conf.keys
    keys = {
        "pwcheck_method": "auxprop",
        "auxprop_plugin": "sql",
        "sql_engine": _ENGINES[backend.engine],
        "sql_hostnames": _hosts(backend, found.get("sql_hostnames", "")),
        "sql_user": backend.user,
        "sql_passwd": _password(wanted, backend),
        "sql_database": backend.database,
        "sql_select": backend.select,
    }
    if _in_force(wanted.host):
        keys |= {key: found[key] for key in _BY_HAND if key in found}
    # libsasl can't read a key without a value
    return {key: value for key, value in keys.items() if value}


def _hosts(backend: AuxpropSql, written: str) -> str:
    """Return the list for smtpd.conf; one that names the same hosts stays as it is written."""
    return written if _listed(written) == backend.hosts else ", ".join(backend.hosts)


def _listed(written: str) -> tuple[str, ...]:
    return tuple(written.replace(",", " ").split())


def _password(wanted: Wanted, backend: AuxpropSql) -> str:
    """Return the password as smtpd.conf has to hold it; where no file is named, the one it holds already."""
    if backend.password_file and wanted.given.backend:
        key = "backend.password_file"
        password = read_unpadded_password_file(Path(backend.password_file), key, "smtpd.conf").reveal()
        return _quoted(password) if backend.engine is SqlEngine.PGSQL else password
    found = wanted.host.smtpd_conf.keys
    same = (found.get("sql_user"), found.get("sql_engine")) == (backend.user, _ENGINES[backend.engine])
    return found.get("sql_passwd", "") if same else ""


def _quoted(password: str) -> str:
    """Escape it for libpq's connection string, into which the plugin puts it as it is."""
    return password.replace("\\", "\\\\").replace("'", "\\'")


def _steps(wanted: Wanted) -> Iterator[Step]:
    backend, host = wanted.backend(AuxpropSql), wanted.host
    keys = _keys(wanted)
    sql_reach.refuse_unreachable(wanted, backend)
    if backend.engine is SqlEngine.SQLITE:
        yield Note(_OPEN_DOOR)
        yield from name_fence.steps(wanted)
    for key in _BY_HAND:
        if key in keys:
            yield Note(f"set by hand: {host.smtpd_conf.path} has {key}: {keys[key]}; kept")
    if any(host.smtpd_conf.keys.get(key) != value for key, value in keys.items()):
        yield from sql_trial.tried(wanted, backend, keys)
    below = f"{host.queue_directory}/"
    if True in after(wanted) and any(path.startswith(below) for path in sql_reach.paths_of(backend)):
        yield from link_back(wanted)


def _in_force(host: Host) -> bool:
    conf = host.smtpd_conf
    return conf.methods[:1] == ("auxprop",) and conf.keys.get("auxprop_plugin") == "sql"


def _read(host: Host) -> Backend | None:
    if not _in_force(host):
        return None
    keys = host.smtpd_conf.keys
    named = keys.get("sql_engine", "mysql").lower()
    engine = next((engine for engine, name in _ENGINES.items() if name == named), None)
    database, select = keys.get("sql_database", ""), keys.get("sql_select") or keys.get("sql_statement", "")
    if engine is None or not database or not select:
        return None
    if engine is SqlEngine.SQLITE:
        return AuxpropSql(engine, database, select)
    return AuxpropSql(
        engine, database, select, _listed(keys.get("sql_hostnames", "")), keys.get("sql_user", "")
    )


def _names(host: Host) -> Names:
    """Return the names; a query that never asks for %r lets any domain pass."""
    select = host.smtpd_conf.keys.get("sql_select") or host.smtpd_conf.keys.get("sql_statement", "")
    about = "what the query finds; %u is what is typed up to an @"
    if "%r" not in select:
        return user_names.found(host, about, Called.BARE, cut=True)
    realm = host.settled_postfix.auth_values("myhostname")[0]
    return user_names.found(host, f"{about}, %r the rest", Called.WHOLE, realm=realm)


SQL = BackendRecipe(
    shown=(
        Shown(
            AuxpropSql,
            "An SQL database",
            "passwords in clear in a table",
            "the accounts are rows in the database {0.database}, and made there",
            "The database {0.database} is down, or no longer takes user or password, or a chrooted smtpd "
            "can't reach its socket or file.",
            remote=True,
        ),
    ),
    needs=("sql",),
    usual=USUAL,
    owns_accounts=False,
    keys=_keys,
    steps=_steps,
    read=_read,
    names=_names,
)
