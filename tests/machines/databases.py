"""Databases with accounts in them, on a machine of the kind ``databases``: PostgreSQL, MariaDB, SQLite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.machines.backends import MAIL_USER, PASSWORD, SYSTEM_USER, BackEnd
from tests.machines.mail_clients import SERVER

if TYPE_CHECKING:
    from tests.machines.machine import Machine

#: What a connection string, a shell or a configuration file would trip over.
DATABASE_PASSWORD = "d'b \\pä# ss"
DATABASE_SECRET = "/root/database.password"
FILE = "/var/spool/postfix/sasl/users.sqlite"
USER = "sue"
_SELECT = "SELECT password FROM users WHERE name = '%u' AND realm = '%r'"
_MECHANISMS = ("SCRAM-SHA-256", "PLAIN", "LOGIN")
_TABLE = "CREATE TABLE users (name VARCHAR(99), realm VARCHAR(99), password VARCHAR(99));"


@dataclass(frozen=True, slots=True)
class Database:
    """One engine: its service, its client for the administrator, its server's port."""

    engine: str
    service: str
    client: str
    port: int = 0

    def section(self, **other: str) -> str:
        """Return the policy's section; ``other`` keys as TOML."""
        keys = {"type": '"auxprop-sql"', "engine": f'"{self.engine}"', "database": '"mail"'}
        if self.port:
            keys |= {"hosts": '["127.0.0.1"]', "user": '"reader"', "password_file": f'"{DATABASE_SECRET}"'}
        else:
            keys |= {"database": f'"{FILE}"'}
        keys |= {"select": f'"{_SELECT}"', **other}
        return "\n".join(f"{key} = {value}" for key, value in keys.items() if value)

    def back_end(self, **other: str) -> BackEnd:
        """Return the back end; users of other back ends are strangers to it."""
        return BackEnd(self.section(**other), _MECHANISMS, USER, (SYSTEM_USER, MAIL_USER))

    @property
    def secrets(self) -> str:
        """The statements that make a table ``secrets``, in which the reader may not look."""
        made = [_TABLE.replace("users", "secrets")]
        if self.engine == "mysql":
            for reader in ("reader@'127.0.0.1'", "reader@localhost"):
                made += [
                    "REVOKE SELECT ON mail.* FROM",
                    reader,
                    "; GRANT SELECT ON mail.users TO",
                    reader,
                    ";",
                ]
        return " ".join(made)

    def text(self, value: str) -> str:
        """Return ``value`` as SQL."""
        doubled = value.replace("\\", "\\\\") if self.engine == "mysql" else value
        return "'" + doubled.replace("'", "''") + "'"

    def fill(self, machine: Machine) -> None:
        """Start the server, make the database, who may read it, and the accounts."""
        if self.service:
            machine.run(["systemctl", "start", self.service])
        else:
            machine.run("install -d -m 750 -g postfix /var/spool/postfix/sasl")
        machine.run(self.client.format(""), stdin=_SET_UP[self.engine].format(self.text(DATABASE_PASSWORD)))
        rows = [(USER, SERVER, PASSWORD), ("anna", "example.org", "anna's")]
        values = ", ".join(f"({', '.join(self.text(value) for value in row)})" for row in rows)
        grant = "GRANT SELECT ON users TO reader;" if self.engine == "pgsql" else ""
        self.tell(machine, " ".join((_TABLE, "INSERT INTO users VALUES", values, ";", grant)))
        if not self.service:
            machine.run(f"chgrp postfix {FILE} && chmod 640 {FILE}")
        machine.run(f"umask 077; cat >{DATABASE_SECRET}", stdin=f"{DATABASE_PASSWORD}\n")

    def tell(self, machine: Machine, statements: str) -> None:
        """Work off SQL as the administrator."""
        machine.run(self.client.format("mail" if self.service else ""), stdin=statements)


_SET_UP = {
    "pgsql": "CREATE ROLE reader LOGIN PASSWORD {0}; CREATE DATABASE mail;",
    "mysql": (
        "CREATE DATABASE mail CHARACTER SET utf8mb4; GRANT SELECT ON mail.* TO reader@'127.0.0.1' "
        "IDENTIFIED BY {0}; GRANT SELECT ON mail.* TO reader@localhost IDENTIFIED BY {0};"
    ),
    "sqlite": "",
}
PGSQL = Database("pgsql", "postgresql", "runuser -u postgres -- psql -qv ON_ERROR_STOP=1 {}", 5432)
MYSQL = Database("mysql", "mariadb", "mariadb {}", 3306)
SQLITE = Database("sqlite", "", f"sqlite3 -bail {FILE} {{}}")
DATABASES = {"pgsql": PGSQL, "mysql": MYSQL, "sqlite": SQLITE}
