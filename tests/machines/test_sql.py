"""Accounts in PostgreSQL, MariaDB and SQLite: who gets in, where the password stands, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.machines import mail_clients
from tests.machines.backends import (
    CERTIFICATE,
    CHROOTS,
    POLICY,
    SYSTEM_USER,
    BackEnd,
    Chroot,
    apply,
    log_in,
    policy,
    postfix_auth,
    prepare,
    right,
    state,
    strangers_get_nothing,
    wrong,
)
from tests.machines.databases import (
    DATABASE_PASSWORD,
    DATABASE_SECRET,
    FILE,
    MYSQL,
    PGSQL,
    SQLITE,
    Database,
)
from tests.machines.images import Kind
from tests.machines.machine import LAUNCHER
from tests.machines.mail_clients import Login
from wizard import policyfile
from wizard.policy import Authorization

if TYPE_CHECKING:
    from tests.machines.conftest import Boot
    from tests.machines.machine import Machine

SMTPD_CONF = "/etc/postfix/sasl/smtpd.conf"


def set_up(boot: Boot, database: Database, chroot: Chroot) -> tuple[Machine, str]:
    machine = boot(Kind.DATABASES)
    database.fill(machine)
    return machine, prepare(machine, chroot)


def ask(machine: Machine, back_end: BackEnd, chroot: Chroot) -> tuple[int, str]:
    """Return exit status and words of the plan for this back end; the password is in none of them."""
    machine.write_file(POLICY, policy(back_end, chroot))
    done = machine.run([LAUNCHER, "plan", "-p", POLICY], check=False)
    said = done.stdout + done.stderr
    assert DATABASE_PASSWORD not in said
    assert DATABASE_PASSWORD.replace("'", "\\'") not in said
    return done.status, said


@pytest.mark.parametrize(
    ("database", "chroot"),
    [
        *((PGSQL, chroot) for chroot in CHROOTS.values()),
        (MYSQL, CHROOTS["mixed"]),
        (SQLITE, CHROOTS["mixed"]),
    ],
    ids=[*(f"pgsql-{name}" for name in CHROOTS), "mysql-mixed", "sqlite-mixed"],
)
def test_it_lets_its_users_in_and_nobody_else(boot: Boot, database: Database, chroot: Chroot) -> None:
    machine, before = set_up(boot, database, chroot)
    back_end = database.back_end()

    status, planned = ask(machine, back_end, chroot)
    assert status == 0
    assert "auxprop_plugin: sql" in planned
    assert ("a login name can be SQL" in planned) == (database is SQLITE)
    assert "everything is applied" in apply(machine, back_end, chroot)
    mail_clients.trust(machine, machine, CERTIFICATE)
    log_in(machine, right(back_end, chroot), wrong(back_end, chroot))
    log_in(
        machine, [Login(587, "PLAIN", "anna@example.org", "anna's")], [Login(587, "PLAIN", "anna", "anna's")]
    )
    strangers_get_nothing(machine, back_end, chroot)

    if database.port:
        assert machine.run(["stat", "-c", "%U:%G %a", SMTPD_CONF]).stdout == "root:postfix 640\n"
        machine.run(["chmod", "644", SMTPD_CONF])
        assert "# owner root:postfix, mode 0640" in ask(machine, back_end, chroot)[1]
        apply(machine, back_end, chroot)
        assert machine.run(["stat", "-c", "%U:%G %a", SMTPD_CONF]).stdout == "root:postfix 640\n"
    assert "Nothing to do" in apply(machine, back_end, chroot)
    found = policyfile.parse(postfix_auth(machine, "policy").stdout)
    given = policyfile.parse(policy(back_end, chroot))
    assert found == replace(given, authorization=Authorization())

    if database.port:
        postfix_auth(machine, "rollback", "--yes")
    postfix_auth(machine, "rollback", "--yes")
    assert state(machine) == before


@pytest.mark.either_release
@pytest.mark.parametrize("database", [PGSQL, MYSQL], ids=["pgsql", "mysql"])
def test_the_databases_password_is_in_one_place(boot: Boot, database: Database) -> None:
    """Not on the screen, in a log or in a file that others can read; it stays when its own file goes."""
    chroot = CHROOTS["chrooted"]
    machine, _ = set_up(boot, database, chroot)
    back_end = database.back_end()
    apply(machine, back_end, chroot)
    for arguments in (["policy"], ["status"], ["history"], ["plan", "--json", "-p", POLICY], ["test"]):
        said = machine.run([LAUNCHER, *arguments], check=False)
        assert DATABASE_PASSWORD not in said.stdout + said.stderr
    part = DATABASE_PASSWORD.rpartition("\\")[2]
    found = machine.run(["grep", "-rlIF", "--", part, "/etc", "/run", "/tmp", "/root", "/var"], check=False)
    readable = [
        path
        for path in found.stdout.splitlines()
        if machine.run(["runuser", "-u", "nobody", "--", "cat", path], check=False).status == 0
    ]
    assert SMTPD_CONF in found.stdout
    assert readable == []
    assert part not in machine.run("journalctl -q").stdout

    machine.run(["rm", DATABASE_SECRET])
    unnamed = database.back_end(password_file="")
    assert "Nothing to do" in apply(machine, unnamed, chroot)
    given = policyfile.parse(policy(unnamed, chroot))
    found_policy = policyfile.parse(postfix_auth(machine, "policy").stdout)
    assert found_policy.backend == given.backend
    # another one is seen, and not shown
    machine.run(f"umask 077; echo another >{DATABASE_SECRET}")
    status, words = ask(machine, back_end, chroot)
    assert (status, "does not let reader in" in words, "another" in words) == (2, True, False)


@pytest.mark.either_release
@pytest.mark.parametrize("database", [PGSQL, MYSQL], ids=["pgsql", "mysql"])
def test_several_hosts(boot: Boot, database: Database) -> None:
    chroot = CHROOTS["chrooted"]
    machine, _ = set_up(boot, database, chroot)
    hosts = f'["127.0.0.1:1", "127.0.0.1:{database.port}"]'
    back_end = database.back_end(hosts=hosts)
    planned = ask(machine, back_end, chroot)[1]
    assert "127.0.0.1:1 can't be asked" in planned
    assert "the other hosts are asked instead" in planned
    apply(machine, back_end, chroot)
    mail_clients.trust(machine, machine, CERTIFICATE)
    log_in(machine, right(back_end, chroot), wrong(back_end, chroot))


def from_users(what: str = "password", table: str = "users", name: str = "'%u'") -> str:
    """Return a query as TOML."""
    return " ".join(('"SELECT', what, "FROM", table, "WHERE name =", f'{name}"'))


#: What any server is refused with: keys of the back end, the key that is blamed, what is said of it.
_WRONG: tuple[tuple[dict[str, str], str, str], ...] = (
    ({"hosts": '["127.0.0.1:1"]'}, "hosts", "127.0.0.1:1 can't be asked"),
    ({"hosts": '["127.0.0.1:1", "127.0.0.1:2"]'}, "hosts", "127.0.0.1:2 can't be asked"),
    ({"hosts": '["nowhere.example.com"]'}, "hosts", "nowhere.example.com has no address"),
    ({"hosts": '["::1"]'}, "hosts", "item 1 can't be an IPv6 address"),
    ({"hosts": '["[::1]"]'}, "hosts", "item 1 can't be an IPv6 address"),
    ({"user": '"nobody"'}, "password_file", "127.0.0.1 does not let nobody in"),
    ({"user": "", "password_file": ""}, "user", "127.0.0.1 lets nobody in without a name"),
    ({"password_file": ""}, "password_file", "127.0.0.1 does not let reader in"),
    ({"password_file": '"/root/none"'}, "password_file", "/root/none: No such file"),
    ({"password_file": '"/root/open"'}, "password_file", "has mode 0644, so others can read"),
    ({"password_file": '"/root/theirs"'}, "password_file", "who could change it: chown root"),
    ({"password_file": '"/root/wrong"'}, "password_file", "127.0.0.1 does not let reader in"),
    ({"database": '"nothing"'}, "database", "nothing"),
    ({"select": from_users(table="nowhere")}, "select", "nowhere"),
    ({"select": from_users("nought")}, "select", "nought"),
    ({"select": from_users(table="secrets")}, "select", "denied"),
    ({"select": '"SELECT password FROM users"'}, "select", "must contain %u"),
    ({"select": from_users(name="%u")}, "select", "must have %u between single quotes"),
    ({"select": "\"SELECT '%u'\""}, "select", "finds a password for a user who does not exist as well"),
)
_OTHER_FILES = f"""
umask 077; echo wrong >/root/wrong; cp {DATABASE_SECRET} /root/theirs; chown postfix /root/theirs
cp {DATABASE_SECRET} /root/open; chmod 644 /root/open
"""


@pytest.mark.either_release
@pytest.mark.parametrize("database", [PGSQL, MYSQL], ids=["pgsql", "mysql"])
def test_what_can_not_be_asked_is_refused_with_the_reason(boot: Boot, database: Database) -> None:
    machine, before = set_up(boot, database, CHROOTS["chrooted"])
    machine.run(_OTHER_FILES)
    database.tell(machine, database.secrets)

    def refused(chroot: str, **keys: str) -> str:
        status, said = ask(machine, database.back_end(**keys), CHROOTS[chroot])
        assert status == 2, said
        return said

    by_socket = '["localhost"]' if database is MYSQL else '["/var/run/postgresql"]'
    for chroot in ("chrooted", "mixed"):
        assert 'hosts = ["127.0.0.1"]' in refused(chroot, hosts=by_socket)
        assert 'hosts = ["127.0.0.1"]' in refused(chroot, hosts="")
    for keys, key, words in _WRONG:
        said = refused("chrooted", **keys)
        assert (f"backend.{key}: " in said, words in said) == (True, True), (keys, said)
    if database is MYSQL:
        assert "write 127.0.0.1:3307" in refused("not chrooted", hosts='["localhost:3307"]')
    assert "as the user postfix, which smtpd is: " in refused("not chrooted", hosts='["127.0.0.1:1"]')
    # where a backslash does not protect a quote, names are SQL as with SQLite
    if database is MYSQL:
        database.tell(machine, "SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES'")
        unprotected = refused("chrooted")
    else:
        unprotected = refused("chrooted", select=from_users(name="E'%u'"))
    assert "backend.select: a quote in a login name ends the text around it" in unprotected
    # Debian 12's systemd would start MariaDB again for whoever asks
    machine.run(["systemctl", "stop", f"{database.service}*.socket", database.service])
    assert "Connection refused" in refused("chrooted")
    assert state(machine) == before


@pytest.mark.either_release
def test_its_password_goes_when_dovecot_is_asked_instead(boot: Boot) -> None:
    """Nobody reads smtpd.conf then; what somebody else writes there later is named, and stays."""
    chroot, machine = CHROOTS["chrooted"], boot(Kind.EVERY)
    PGSQL.fill(machine)
    prepare(machine, chroot)
    apply(machine, PGSQL.back_end(), chroot)
    held = machine.read_file(SMTPD_CONF)
    dovecot = BackEnd('type = "dovecot"\nconfigure = true', ("PLAIN", "LOGIN"), SYSTEM_USER, ())
    apply(machine, dovecot, chroot)
    assert not machine.exists(SMTPD_CONF)
    log_in(machine, right(dovecot, chroot), [])
    postfix_auth(machine, "rollback", "--yes")
    assert machine.read_file(SMTPD_CONF) == held
    machine.run(f"echo 'log_level: 3' >>{SMTPD_CONF}")
    assert "is not read while Dovecot is asked; kept" in apply(machine, dovecot, chroot)
    assert "sql_" not in machine.read_file(SMTPD_CONF)
    machine.run(f"echo 'ldapdb_pw: theirs' >>{SMTPD_CONF}")
    said = apply(machine, dovecot, chroot)
    assert ("has ldapdb_pw, which nobody reads" in said, "Nothing to do" in said) == (True, True)


@pytest.mark.either_release
def test_a_socket_outside_the_chroot(boot: Boot) -> None:
    chroot = CHROOTS["not chrooted"]
    machine, _ = set_up(boot, MYSQL, chroot)
    back_end = MYSQL.back_end(hosts='["localhost"]')
    apply(machine, back_end, chroot)
    mail_clients.trust(machine, machine, CERTIFICATE)
    log_in(machine, right(back_end, chroot), wrong(back_end, chroot))


@pytest.mark.either_release
def test_a_file_that_smtpd_can_not_open(boot: Boot) -> None:
    machine, before = set_up(boot, SQLITE, CHROOTS["chrooted"])

    def refused(chroot: str, **keys: str) -> str:
        status, said = ask(machine, SQLITE.back_end(**keys), CHROOTS[chroot])
        assert status == 2, said
        return said

    machine.run(["install", "-m", "644", FILE, "/var/lib/users.sqlite"])
    outside = refused("chrooted", database='"/var/lib/users.sqlite"')
    assert "smtpd is chrooted to /var/spool/postfix" in outside
    assert 'submission.chroot = "no"' in outside
    assert ask(machine, SQLITE.back_end(database='"/var/lib/users.sqlite"'), CHROOTS["not chrooted"])[0] == 0
    assert "no such table: nowhere" in refused("chrooted", select=from_users(table="nowhere"))
    assert "who does not exist" in refused("chrooted", select=from_users("max(password)"))
    assert "there is no such file" in refused("not chrooted", database='"/var/lib/none.sqlite"')
    for mode in ("660", "666"):
        machine.run(["chmod", mode, FILE])
        assert f"smtpd could write {FILE}, and so could SQL in a login name" in refused("chrooted")
    machine.run(["chmod", "640", FILE])
    for mode in ("wal", "delete"):
        machine.run(["sqlite3", FILE, f"PRAGMA journal_mode = {mode}"])
        assert (ask(machine, SQLITE.back_end(), CHROOTS["chrooted"])[0] == 2) is (mode == "wal")
    machine.run(["chmod", "600", FILE])
    for chroot in ("chrooted", "not chrooted"):
        said = refused(chroot)
        assert f"backend.database: {FILE} can't be read" in said
        assert "unable to open database file" in said
    machine.run(f"chmod 640 {FILE}; echo 'this is no database, whatever its name may say' >{FILE}")
    assert "file is not a database" in refused("chrooted")
    machine.run(["rm", "/var/lib/users.sqlite"])
    assert state(machine) == before


@pytest.mark.either_release
def test_names_that_are_sql_let_nobody_in(boot: Boot) -> None:
    """PostgreSQL and MariaDB are told what belongs to the name; of SQLite, test_sqlite_fence speaks."""
    chroot = CHROOTS["chrooted"]
    names = ["x' UNION SELECT 12345 -- ", "x\\' UNION SELECT 12345 -- ", "x' OR 1=1 -- "]
    for database in (PGSQL, MYSQL):
        machine, _ = set_up(boot, database, chroot)
        apply(machine, database.back_end(), chroot)
        log_in(
            machine, [], [Login(587, "PLAIN", name, word) for name in names for word in ("12345", "anna's")]
        )
