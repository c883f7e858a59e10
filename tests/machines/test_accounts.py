"""Accounts: listed, made and removed where that can be done; tried at both layers with any back end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.machines.databases import FILE as DATABASE_FILE
from tests.machines.databases import SQLITE
from tests.machines.databases import USER as DATABASE_USER
from tests.machines.images import Kind
from tests.machines.machine import LAUNCHER

if TYPE_CHECKING:
    from tests.machines.conftest import Boot
    from tests.machines.inside import Result
    from tests.machines.machine import Machine

pytestmark = pytest.mark.either_release

_FILE = "/root/policy.toml"
_POLICY = '[tls]\nsource = "self-signed"\nnames = ["mail.example.net"]\n[submission]\n[backend]\n{}\n'
_BOTH = "Both layers accept it: this account can log in."
_AT_THE_BACK_END = "It fails at the back end, which refuses it."
_AT_POSTFIX = "It fails at Postfix: the back end accepts it, Postfix refuses it everywhere."
_SOCKET_DIRECTORY = "/var/spool/postfix/var/run/saslauthd"


def _apply(machine: Machine, backend: str) -> None:
    machine.write_file(_FILE, _POLICY.format(backend))
    machine.run([LAUNCHER, "apply", "-p", _FILE, "--yes", "--no-test"])


def _user(machine: Machine, *words: str, password: str = "") -> Result:
    return machine.run([LAUNCHER, "user", *words], stdin=f"{password}\n", check=False)


def _check(machine: Machine, name: str, password: str) -> tuple[list[str], str]:
    """Return what each layer said to the account, and the verdict."""
    done = _user(machine, "check", name, password=password)
    said, _, verdict = done.stdout.partition("\n\n")
    verdict = " ".join(verdict.split())
    assert done.status == (0 if verdict.startswith(_BOTH) else 1), done.stderr
    assert password not in done.stdout + done.stderr
    return said.splitlines(), verdict


def test_sasldb_with_realms(machine: Machine) -> None:
    _apply(machine, 'type = "auxprop-sasldb"')
    assert "no accounts yet" in _user(machine, "list").stderr
    added = _user(machine, "add", "carol@example.org", password="singer")
    assert added.stdout == "carol@example.org: the user name to type is carol@example.org\n"
    _add_by_keys(machine, "bob", "builder")
    assert _user(machine, "list").stdout.splitlines() == [
        "bob@mail.example.net  user name: bob",
        "carol@example.org     user name: carol@example.org",
    ]
    for name, password in (("bob", "builder"), ("carol@example.org", "singer")):
        said, verdict = _check(machine, name, password)
        assert verdict == _BOTH
        assert len(said) == 8  # the file, libsasl, and two services with three mechanisms each
        assert all(line.startswith("✓") for line in said)
    said, verdict = _check(machine, "bob", "mistyped")
    assert said[:2] == [
        "✓ /etc/sasldb2: bob@mail.example.net is there",
        "✗ libsasl as smtpd asks it, in the chroot: wrong password",
    ]
    assert all(line.startswith("✗ submission, ") and "535" in line for line in said[2:])
    assert verdict == f"{_AT_THE_BACK_END} The password is wrong."
    said, verdict = _check(machine, "carol", "singer")
    assert said[0] == "✗ /etc/sasldb2: carol@mail.example.net is not there"
    assert verdict.endswith("in the realm mail.example.net: the user name to type is carol@example.org.")
    machine.run("chmod 600 /var/spool/postfix/etc/sasldb2 2>/dev/null || chmod 600 $(realpath /etc/sasldb2)")
    said, verdict = _check(machine, "bob", "builder")
    assert "454" in said[-1]
    assert verdict.startswith(
        "It fails at the back end, which can't be asked. sasldb is damaged, or its owner and mode"
    )
    refused = _user(machine, "add", "dora", password="x")
    assert (refused.status, "smtpd can't look accounts up" in refused.stderr) == (3, True)
    machine.run("chmod 640 $(realpath /etc/sasldb2)")
    assert _user(machine, "remove", "bob").status == 0
    assert _user(machine, "remove", "bob").status == 1
    assert _check(machine, "bob", "builder")[1].endswith("postfix-auth user add bob makes it.")
    _made_by_others(machine)
    _damaged(machine)
    _gone(machine)


def _made_by_others(machine: Machine) -> None:
    """Accounts whose names are refused when they are new."""
    for name, realm in (("a b", "example.org"), ("a:b", "ex_ample")):
        machine.run(["saslpasswd2", "-p", "-c", "-u", realm, name], stdin="x y")
        whole = f"{name}@{realm}"
        assert f"{whole} " in _user(machine, "list").stdout
        assert _check(machine, whole, "x y")[1] == _BOTH
        assert _user(machine, "add", whole, password="z").status == 0
        assert _user(machine, "remove", whole).status == 0
        refused = _user(machine, "add", whole, password="z")
        assert (refused.status, "NAME: must not hold" in refused.stderr) == (2, True)


def _damaged(machine: Machine) -> None:
    """Neither an empty list nor a user that is not there."""
    machine.run("cp -p $(realpath /etc/sasldb2) /root/saved && truncate -s 100 $(realpath /etc/sasldb2)")
    for words in (["list"], ["add", "dora"], ["remove", "carol@example.org"]):
        refused = _user(machine, *words, password="x")
        assert (refused.status, "it is no sasldb" in refused.stderr) == (3, True)
    said, verdict = _check(machine, "carol@example.org", "singer")
    assert said[0] == "✗ /etc/sasldb2: can't be read"
    assert verdict.startswith("It fails at the back end, which can't be asked. /etc/sasldb2 can't be read")
    machine.run("cp -p /root/saved $(realpath /etc/sasldb2)")
    assert _check(machine, "carol@example.org", "singer")[1] == _BOTH


def _gone(machine: Machine) -> None:
    """What the message says to do makes it anew; nothing else does."""
    machine.run("rm $(realpath /etc/sasldb2)")
    for remedy in ("remove it", "apply -p mail.toml mends that"):
        refused = _user(machine, "add", "dora", password="explorer")
        assert (refused.status, remedy in refused.stderr) == (3, True)
        assert remedy in _user(machine, "list").stderr
        assert remedy in _check(machine, "dora", "explorer")[1]
        machine.run("rm -f /etc/sasldb2")
    machine.run(f"{LAUNCHER} policy >/root/mail.toml && {LAUNCHER} apply -p /root/mail.toml --yes --no-test")
    assert _user(machine, "add", "dora", password="explorer").status == 0
    assert _check(machine, "dora", "explorer")[1] == _BOTH


def test_taking_a_repair_of_sasldb_back_opens_it_to_nobody(machine: Machine) -> None:
    _apply(machine, 'type = "auxprop-sasldb"')
    assert _user(machine, "add", "bob", password="builder").status == 0
    for mode in ("600", "640"):
        machine.run(f"chmod {mode} $(realpath /etc/sasldb2); chgrp mail $(realpath /etc/sasldb2)")
        before = machine.run("stat -Lc '%a %U:%G' /etc/sasldb2").stdout
        machine.run([LAUNCHER, "apply", "-p", _FILE, "--yes", "--no-test"])
        assert machine.run("stat -Lc '%a %U:%G' /etc/sasldb2").stdout == "660 root:sasl\n"
        machine.run([LAUNCHER, "rollback", "--yes"])
        assert machine.run("stat -Lc '%a %U:%G' /etc/sasldb2").stdout == before


def test_accounts_of_a_copy_in_the_chroot_are_not_lost(machine: Machine) -> None:
    copy = "/var/spool/postfix/etc/sasldb2"
    machine.run(f"cp /etc/sasldb2 {copy}; echo builder | saslpasswd2 -p -c -f {copy} -u example.org bob")
    machine.write_file(_FILE, _POLICY.format('type = "auxprop-sasldb"'))
    refused = machine.run([LAUNCHER, "plan", "-p", _FILE], check=False)
    assert refused.status == 3
    assert f"{copy} has accounts that /etc/sasldb2 lacks: bob@example.org" in refused.stderr
    machine.run(f"cp {copy} /etc/sasldb2")
    machine.run([LAUNCHER, "apply", "-p", _FILE, "--yes", "--no-test"])
    assert _check(machine, "bob@example.org", "builder")[1] == _BOTH


def _add_by_keys(machine: Machine, name: str, password: str) -> None:
    """Make an account on the wizard's page, and try it there."""
    with machine.interactive([LAUNCHER]) as terminal:
        terminal.expect(r"\( \) Accounts")
        terminal.press("down", "enter")
        terminal.expect("carol@example.org +carol@example.org")
        terminal.press("a")
        terminal.expect("Once more")
        terminal.press(*name, "enter", *password, "enter", *password, "enter")
        terminal.expect(f"the user name to type is {name}")
        terminal.press("c")
        terminal.expect(f"Check {name}@mail.example.net")
        terminal.press(*password, "enter")
        terminal.expect("✓ Both layers accept it", timeout=30)
        terminal.press("escape", "ctrl+q")
        assert terminal.wait() == 0
    assert password.encode() not in terminal.transcript


def test_saslauthd_forgets_at_once_who_was_removed(machine: Machine) -> None:
    _apply(machine, 'type = "saslauthd-sasldb"')
    name = "bob@mail.example.net"  # a bare name belongs to the host's own, "mail"
    _user(machine, "add", name, password="builder")
    assert _user(machine, "list").stdout == f"{name}  user name: {name}\n"
    assert _check(machine, name, "builder")[1] == _BOTH
    assert _check(machine, "bob", "builder")[1].endswith(f"realm mail: the user name to type is {name}.")
    _user(machine, "add", name, password="another")
    assert _check(machine, name, "builder")[1].startswith(_AT_THE_BACK_END)
    assert _check(machine, name, "another")[1] == _BOTH
    too_long = _user(machine, "add", name, password="x" * 257)
    assert (too_long.status, "256 bytes that saslauthd takes" in too_long.stderr) == (2, True)
    _user(machine, "add", name, password="x" * 256)
    assert _check(machine, name, "x" * 256)[1] == _BOTH
    _user(machine, "remove", name)
    assert _check(machine, name, "x" * 256)[1].startswith(_AT_THE_BACK_END)


def test_members_of_the_groups_that_pam_lets_in(machine: Machine) -> None:
    machine.run("useradd -G users alice; useradd -g staff dave; useradd eve")
    machine.run("chpasswd", stdin="alice:wonder land\neve:x y\n")
    assert _user(machine, "list").status == 3
    _apply(machine, 'type = "saslauthd-pam"\nallowed_groups = ["mail_login", "staff"]')
    assert _user(machine, "list").stdout == "dave  user name: dave\n"
    assert _user(machine, "add", "nobody-there").status == 2
    for _ in range(2):
        assert _user(machine, "add", "alice").status == 0
    assert machine.run("id -nG alice").stdout.split() == ["alice", "users", "mail_login"]
    assert _user(machine, "list").stdout.split("\n")[0] == "alice  user name: alice"
    assert _check(machine, "alice", "wonder land")[1] == _BOTH
    assert "not in the group mail_login or staff" in _check(machine, "eve", "x y")[1]
    assert _user(machine, "remove", "alice").status == 0
    assert "not in the group" in _check(machine, "alice", "wonder land")[1]
    assert machine.run("id -nG alice").stdout.split() == ["alice", "users"]
    refused = _user(machine, "remove", "dave")
    assert (refused.status, "usermod -g" in refused.stderr) == (3, True)
    assert _user(machine, "remove", "eve").status == 3
    machine.run("groupdel mail_login")
    refused = _user(machine, "add", "alice")
    assert (refused.status, "there is no group mail_login any more" in refused.stderr) == (3, True)
    assert "apply -p mail.toml mends that" in _check(machine, "alice", "wonder land")[1]
    machine.run(f"{LAUNCHER} policy >/root/mail.toml && {LAUNCHER} apply -p /root/mail.toml --yes --no-test")
    assert _user(machine, "add", "alice").status == 0
    assert _check(machine, "alice", "wonder land")[1] == _BOTH

    assert _user(machine, "remove", "alice").status == 0
    machine.run("usermod -g mail_login dave")
    refused = machine.run([LAUNCHER, "rollback", "--yes"], check=False)
    assert (refused.status, "mail_login now has the members dave" in refused.stderr) == (3, True)
    _apply(machine, 'type = "auxprop-sasldb"')
    machine.run("id -gn dave | grep mail_login && usermod -g staff dave")
    for _ in range(2):
        machine.run([LAUNCHER, "rollback", "--yes"])
    assert machine.run("getent group mail_login", check=False).status == 2


def test_the_layer_that_fails_is_named(machine: Machine) -> None:
    machine.run("useradd alice && echo 'alice:wonder land' | chpasswd")
    _apply(machine, 'type = "saslauthd-pam"')
    for action in (["list"], ["add", "eve"], ["remove", "alice"]):
        elsewhere = _user(machine, *action)
        assert (elsewhere.status, "the system's own: adduser" in elsewhere.stderr) == (3, True)
    said, verdict = _check(machine, "alice", "wonder land")
    assert ([line[0] for line in said], verdict) == (["✓"] * 5, _BOTH)
    nobody_to_ask = machine.run([LAUNCHER, "test", "--user", "alice"], check=False)
    assert (nobody_to_ask.status, "--password-file: must be given" in nobody_to_ask.stderr) == (2, True)
    with machine.interactive([LAUNCHER, "test", "--user", "alice"]) as terminal:
        terminal.expect("Password for alice")
        terminal.send("wonder land\r")
        terminal.expect("submission: PLAIN, right password", timeout=30)
        assert terminal.wait(timeout=60) == 0
    said, verdict = _check(machine, "alice", "mistyped")
    assert said == [
        "✗ saslauthd: NO PAM auth error",
        "✗ submission, PLAIN: 535 5.7.8 Error: authentication failed: authentication failure",
    ]
    assert verdict.startswith(f"{_AT_THE_BACK_END} The password is wrong")
    assert "There is no user mallory on this host" in _check(machine, "mallory", "x y")[1]
    machine.run("gpasswd -d postfix sasl && systemctl restart postfix")
    _fails_at_postfix(machine, "the user postfix is not in the group sasl")
    machine.run(f"gpasswd -a postfix sasl && systemctl restart postfix && chmod 700 {_SOCKET_DIRECTORY}")
    _fails_at_postfix(machine, "the directory's mode or owner is wrong")
    machine.run(f"chmod 710 {_SOCKET_DIRECTORY}")
    assert _check(machine, "alice", "wonder land")[1] == _BOTH
    machine.run("passwd -l alice && systemctl restart saslauthd")
    assert "passwd -u alice" in _check(machine, "alice", "wonder land")[1]
    machine.run("systemctl stop saslauthd")
    said, verdict = _check(machine, "alice", "wonder land")
    assert said[0].startswith(f"✗ saslauthd: {_SOCKET_DIRECTORY}/mux: ")
    assert verdict.startswith("It fails at the back end, which can't be asked.")
    machine.run("passwd -u alice && systemctl start saslauthd")
    # what is left of one that was killed answers nobody after a mere restart
    machine.run(f"kill -9 $(cat {_SOCKET_DIRECTORY}/saslauthd.pid) && systemctl restart saslauthd")
    machine.run(verdict.partition("Nobody answers there: ")[2].partition(". ")[0])
    assert _check(machine, "alice", "wonder land")[1] == _BOTH


def _fails_at_postfix(machine: Machine, why: str) -> None:
    said, verdict = _check(machine, "alice", "wonder land")
    assert said[0] == "✓ saslauthd: OK"
    assert [line[0] for line in said[1:]] == ["✗"] * 4
    assert verdict.startswith(_AT_POSTFIX)
    assert why in verdict


def test_dovecot_is_asked_itself(boot: Boot) -> None:
    machine = boot(Kind.DOVECOT)
    machine.run("useradd alice && echo 'alice:wonder land' | chpasswd; systemctl start dovecot")
    _apply(machine, 'type = "dovecot"\nconfigure = true')
    assert "Dovecot's" in _user(machine, "list").stderr
    said, verdict = _check(machine, "alice", "wonder land")
    assert (said[0], verdict) == ("✓ Dovecot at private/auth: OK", _BOTH)
    said, verdict = _check(machine, "alice", "mistyped")
    assert said[0] == "✗ Dovecot at private/auth: FAIL"
    assert verdict.startswith(_AT_THE_BACK_END)
    closed = "cd /var/spool/postfix/private && chmod 600 auth && chown root auth && systemctl restart postfix"
    machine.run(closed)
    said, verdict = _check(machine, "alice", "wonder land")
    assert said[0] == "✓ Dovecot at private/auth: OK"
    assert verdict.startswith("It fails at Postfix")
    machine.run("systemctl stop dovecot dovecot.socket; systemctl stop dovecot; systemctl restart postfix")
    said, verdict = _check(machine, "alice", "wonder land")
    assert said[0].startswith("✗ Dovecot at private/auth: ")
    assert verdict.startswith("It fails at the back end, which can't be asked.")


def test_a_database_is_asked_as_smtpd_does(boot: Boot) -> None:
    machine = boot(Kind.DATABASES)
    SQLITE.fill(machine)
    _apply(machine, SQLITE.section())
    assert "rows in the database" in _user(machine, "list").stderr
    said, verdict = _check(machine, "anna@example.org", "anna's")
    assert (said[0][0], verdict) == ("✓", _BOTH)
    said, verdict = _check(machine, DATABASE_USER, "mistyped")
    assert said[0].endswith("wrong password")
    assert verdict.startswith(_AT_THE_BACK_END)
    assert _check(machine, "anna", "anna's")[0][0].endswith("no such user")
    machine.run(f"sqlite3 {DATABASE_FILE} 'ALTER TABLE users RENAME TO others'")
    verdict = _check(machine, "anna@example.org", "anna's")[1]
    assert verdict.startswith("It fails at the back end, which can't be asked. The database")
