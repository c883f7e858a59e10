"""Accounts in an LDAP directory, read by SASL's ldapdb; the directory's own side is as the plan shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.machines import directory, mail_clients
from tests.machines.backends import (
    CERTIFICATE,
    CHROOTS,
    PASSWORD,
    POLICY,
    SECRET,
    BackEnd,
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
from tests.machines.directory import BY_MAIL, OUTSIDE, PROXY, PROXY_PASSWORD, PROXY_SECRET, USER
from tests.machines.images import Kind
from tests.machines.machine import LAUNCHER
from tests.machines.mail_clients import Login
from wizard import policyfile
from wizard.policy import Authorization

if TYPE_CHECKING:
    from tests.machines.conftest import Boot
    from tests.machines.inside import Result
    from tests.machines.machine import Machine

CHROOT = CHROOTS["not chrooted"]
SMTPD_CONF = "/etc/postfix/sasl/smtpd.conf"


def set_up(boot: Boot, *, prepared: bool = True) -> tuple[Machine, str]:
    machine = boot(Kind.DATABASES)
    directory.fill(machine)
    if prepared:
        directory.load(machine)
    return machine, prepare(machine, CHROOT)


def ask(machine: Machine, command: str, back_end: BackEnd, *more: str) -> Result:
    machine.write_file(POLICY, policy(back_end, CHROOT))
    done = machine.run([LAUNCHER, command, "-p", POLICY, *more], check=False, timeout=90)
    assert PROXY_PASSWORD not in done.stdout + done.stderr
    return done


def whoami(machine: Machine, user: str) -> str:
    """Ask the directory, with its own client, whom it takes the plugin for when it speaks for ``user``."""
    call = f"ldapwhoami -H ldap://127.0.0.1 -Y DIGEST-MD5 -U {PROXY} -X u:{user} -y /root/w"
    return machine.run(f"tr -d '\\n' <{PROXY_SECRET} >/root/w; {call} 2>&1; rm /root/w").stdout


@pytest.mark.parametrize(
    "keys",
    [{}, {"mechanism": '"SCRAM-SHA-256"', "uri": '"ldapi:///"'}, {"starttls": '"try"'}],
    ids=["DIGEST-MD5", "SCRAM over a socket", "STARTTLS if there is"],
)
def test_it_lets_its_users_in_and_nobody_else(boot: Boot, keys: dict[str, str]) -> None:
    machine, before = set_up(boot)
    back_end = directory.back_end(**keys)
    assert f"dn:uid={USER},ou=people,dc=example,dc=net" in whoami(machine, USER)

    planned = ask(machine, "plan", back_end)
    assert planned.status == 0
    assert "ldapdb_pw: (hidden, new)" in planned.stdout
    assert "authzTo" not in planned.stdout
    assert "everything is applied" in apply(machine, back_end, CHROOT)
    mail_clients.trust(machine, machine, CERTIFICATE)
    log_in(machine, [*right(back_end, CHROOT), *right(back_end, CHROOT, BY_MAIL)], wrong(back_end, CHROOT))
    assert mail_clients.replies(machine, [Login(587, "PLAIN", OUTSIDE, PASSWORD)]) == ["454"]
    strangers_get_nothing(machine, back_end, CHROOT)

    assert machine.run(["stat", "-c", "%U:%G %a", SMTPD_CONF]).stdout == "root:postfix 640\n"
    assert "Nothing to do" in apply(machine, back_end, CHROOT)
    found = policyfile.parse(postfix_auth(machine, "policy").stdout)
    given = policyfile.parse(policy(back_end, CHROOT))
    assert found == replace(given, authorization=Authorization())
    part = PROXY_PASSWORD.rpartition(" ")[2]
    places = machine.run(["grep", "-rlIF", "--", part, "/etc", "/run", "/tmp", "/var/log"], check=False)
    assert places.stdout == f"{SMTPD_CONF}\n"
    assert part not in machine.run("journalctl -q").stdout

    postfix_auth(machine, "rollback", "--yes")
    assert state(machine) == before


def test_a_directory_that_is_not_prepared(boot: Boot) -> None:
    """It is told what to load; users who are known log in even if unknown ones are not told so."""
    machine, _ = set_up(boot, prepared=False)
    back_end = directory.back_end()
    unmapped = ask(machine, "plan", back_end)
    assert unmapped.status == 2
    assert "backend.password_file: the directory does not let proxy in" in unmapped.stderr

    directory.load(machine, unknown_too=False)
    planned = ask(machine, "plan", back_end)
    assert planned.status == 0
    assert "olcAuthzRegexp: uid=" in planned.stdout + planned.stderr
    assert "authzTo: dn.regex:" in planned.stdout + planned.stderr
    apply(machine, back_end, CHROOT)
    mail_clients.trust(machine, machine, CERTIFICATE)
    log_in(machine, right(back_end, CHROOT), [Login(587, "PLAIN", USER, "wrong")])
    postfix_auth(machine, "rollback", "--yes")

    # it may not speak for anybody: the test of the right password finds it, and all is put back
    machine.run(
        ["ldapmodify", "-x", "-D", "cn=admin,dc=example,dc=net", "-y", "/root/admin.password"],
        stdin=f"dn: uid={PROXY},dc=example,dc=net\nchangetype: modify\ndelete: authzTo\n",
    )
    before = state(machine)
    failed = ask(machine, "apply", back_end, "--yes", "--user", USER, "--password-file", SECRET)
    assert failed.status == 1
    assert state(machine) == before


def test_what_can_not_be_asked_is_refused_with_the_reason(boot: Boot) -> None:
    machine, before = set_up(boot)

    def refused(**keys: str) -> str:
        done = ask(machine, "plan", directory.back_end(**keys))
        assert done.status == 2, done
        return done.stderr

    assert "backend.uri: ldap://127.0.0.1:1 does not answer" in refused(uri='"ldap://127.0.0.1:1"')
    assert "backend.uri" in refused(uri='"ldap://nowhere.example.com"')
    assert "does not let nobody in" in refused(id='"nobody"')
    assert "backend.mechanism" in refused(mechanism='"GSSAPI"')
    assert "backend.starttls" in refused(starttls='"demand"')
    assert "backend.password_file" in refused(password_file='"/root/nothing"')
    machine.run(f"umask 077; echo wrong >{PROXY_SECRET}")
    assert "backend.password_file: the directory does not let proxy in" in refused()
    for name in ("chrooted", "mixed"):
        machine.write_file(POLICY, policy(directory.back_end(), CHROOTS[name]))
        done = machine.run([LAUNCHER, "plan", "-p", POLICY], check=False)
        assert (done.status, 'submission.chroot: must be "no"' in done.stderr) == (2, True)
    assert state(machine) == before
