"""Rehearsal: the same results as the apply that follows, and a host that notices nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.machines.backends import CHROOTS, PASSWORD, POLICY, SECRET, policy
from tests.machines.databases import PGSQL, SQLITE, Database
from tests.machines.images import HOME, Kind
from tests.machines.machine import LAUNCHER, Machine

if TYPE_CHECKING:
    from tests.machines.conftest import Boot

_FILE, _PASSWORD = "/srv/policy.toml", "/root/password"
_POLICY = (
    '[tls]\nsource = "self-signed"\nnames = ["mail.example.net"]\n[submission]\n[backend]\ntype = "{}"\n'
)
#: Every file and what it is, every process, every open port; the journal itself may grow.
_SEEN = r"""
find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /dev -o -path /tmp -o \
    -path /var/log/journal -o -path /var/lib/postfix-auth/pycache \) -prune \
    -o -printf '%p %y %l %u:%g %m %s %T@\n' | sort
find /etc /var/spool/postfix -xdev -type f -print0 | sort -z | xargs -0 md5sum
pgrep -a . | grep -v 'pgrep\|sh -c\|find\|sort' | sort; ss -Hltnup; cat /proc/mounts
"""


def _known(host: Machine) -> tuple[str, ...]:
    host.run("useradd -m alice && echo 'alice:wonder land' | chpasswd")
    host.write_file(_PASSWORD, "wonder land\n", mode=0o600)
    return ("--user", "alice", "--password-file", _PASSWORD)


def _results(text: str) -> dict[str, tuple[bool, str]]:
    return {test["id"]: (test["ok"], test["skipped"]) for test in json.loads(text)["tests"]}


@pytest.mark.parametrize(
    "backend", ["saslauthd-pam", "saslauthd-shadow", "saslauthd-sasldb", "auxprop-sasldb"]
)
def test_the_apply_that_follows_does_the_same(machine: Machine, backend: str) -> None:
    machine.write_file(_FILE, _POLICY.format(backend))
    account = () if "sasldb" in backend else _known(machine)
    machine.run([LAUNCHER, "plan", "-p", _FILE])  # so that Python's cache is warm
    before = machine.run(_SEEN).stdout
    rehearsed = machine.run([LAUNCHER, "rehearse", "-p", _FILE, "--json", *account])
    assert machine.run(_SEEN).stdout == before
    machine.run([LAUNCHER, "apply", "-p", _FILE, "--yes", *account])
    tested = machine.run([LAUNCHER, "test", "--json", *account])
    assert _results(rehearsed.stdout) == _results(tested.stdout)
    assert json.loads(rehearsed.stdout)["ok"]


def test_what_will_fail_fails_beforehand(machine: Machine) -> None:
    machine.write_file(_FILE, _POLICY.format("auxprop-sasldb"))
    machine.run("postconf -e smtpd_relay_restrictions=permit")
    machine.run([LAUNCHER, "plan", "-p", _FILE])
    before = machine.run(_SEEN).stdout
    done = machine.run([LAUNCHER, "rehearse", "-p", _FILE], check=False)
    assert done.status == 1
    assert "tests failed: smtp.greeting" in done.stderr
    assert machine.run(_SEEN).stdout == before


def test_packages_are_rehearsed_too(boot: Boot) -> None:
    machine = boot(Kind.READY, internet=True)
    machine.write_file(_FILE, _POLICY.format("auxprop-sasldb"))
    machine.run([LAUNCHER, "plan", "-p", _FILE])
    before = machine.run(_SEEN).stdout
    done = machine.run([LAUNCHER, "rehearse", "-p", _FILE], timeout=120)
    assert "Rehearsed: it works" in done.stdout
    assert machine.run(_SEEN).stdout == before
    assert machine.run("command -v postconf", check=False).status != 0


def test_mail_in_the_queue_stays_there(machine: Machine) -> None:
    machine.run(
        "useradd -m alice; postconf -e default_transport=hold defer_transports=local && postfix reload"
    )
    machine.run("sendmail alice", stdin="Subject: once\n\nonly once\n")
    machine.write_file(_FILE, _POLICY.format("auxprop-sasldb"))
    machine.run("postconf -X defer_transports")
    machine.run([LAUNCHER, "rehearse", "-p", _FILE])
    assert not machine.exists("/var/mail/alice")
    assert "alice" in machine.run("postqueue -p").stdout


def test_wherever_files_and_program_lie(machine: Machine) -> None:
    machine.run("mkdir /mnt/data; mount -t tmpfs none /mnt/data; cp -r /opt/postfix-auth /tmp/here")
    machine.write_file(_FILE, _POLICY.format("auxprop-sasldb"))
    done = machine.run(["/tmp/here/postfix-auth", "rehearse", "-p", _FILE])
    assert "Rehearsed: it works" in done.stdout
    assert machine.run("ls -A /mnt /mnt/data").stdout == "/mnt:\ndata\n\n/mnt/data:\n"


@pytest.mark.parametrize("database", [PGSQL, SQLITE], ids=["pgsql", "sqlite"])
def test_of_a_database_elsewhere_nothing_is_asked(boot: Boot, database: Database) -> None:
    machine = boot(Kind.DATABASES)
    database.fill(machine)
    machine.write_file(POLICY, policy(database.back_end(), CHROOTS["chrooted"]))
    account = ("--user", database.back_end().user, "--password-file", SECRET)
    machine.write_file(SECRET, f"{PASSWORD}\n", mode=0o600)
    done = machine.run([LAUNCHER, "rehearse", "-p", POLICY, *account])
    assert ("nobody logs in with the right password" in done.stdout) is (database is PGSQL)
    assert "Rehearsed: it works" in done.stdout


def test_a_running_dovecot_makes_nobody_wait(boot: Boot) -> None:
    machine = boot(Kind.DOVECOT)
    machine.write_file(_FILE, _POLICY.format("saslauthd-pam"))
    assert "Rehearsed: it works" in machine.run([LAUNCHER, "rehearse", "-p", _FILE], timeout=30).stdout


def test_where_it_is_forbidden_it_says_why(machine: Machine) -> None:
    machine.write_file(_FILE, _POLICY.format("auxprop-sasldb"))
    weak = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin", LAUNCHER]
    done = machine.run([*weak, "rehearse", "-p", _FILE], check=False)
    assert done.status == 3
    assert "allows no shadow of itself" in done.stderr
    home = {"POSTFIX_AUTH_HOME": HOME}
    nobody = machine.run([LAUNCHER, "rehearse", "-p", _FILE], check=False, user="nobody", env=home)
    assert nobody.status == 3
