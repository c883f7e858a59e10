"""Each back end, with smtpd chrooted, not chrooted and both at once: what users and strangers get from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.machines import mail_clients
from tests.machines.backends import (
    BACK_ENDS,
    CERTIFICATE,
    CHROOTS,
    IN_NO_GROUP,
    PASSWORD,
    POLICY,
    SECRET,
    SOCKET_DIRECTORY,
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
from tests.machines.machine import LAUNCHER
from tests.machines.mail_clients import Login
from wizard import policyfile
from wizard.policy import Authorization

if TYPE_CHECKING:
    from tests.machines.conftest import Boot
    from tests.machines.machine import Machine

#: Which files were written, even if with the same bytes.
_WRITTEN = "find /etc /var/spool/postfix/etc -printf '%p %i %T@ %C@ %l\\n' | LC_ALL=C sort"


def accounts_come_and_go(machine: Machine, back_end: BackEnd, chroot: Chroot) -> None:
    before = postfix_auth(machine, "user", "list").stdout
    postfix_auth(machine, "user", "add", "anna", stdin=f"{PASSWORD}\n")
    postfix_auth(machine, "user", "add", "bert", "--password-file", SECRET)
    anna, bert = right(back_end, chroot, "anna"), right(back_end, chroot, "bert")
    log_in(machine, [*anna, *bert], [])
    realm = next(
        line.split()[0].partition("@")[2]
        for line in postfix_auth(machine, "user", "list").stdout.splitlines()
        if line.startswith("anna@")
    )
    machine.run(["saslpasswd2", "-p", "-u", realm, "anna"], stdin="another one")
    log_in(machine, right(back_end, chroot, "anna", "another one"), anna)
    for name in ("anna", "bert"):
        postfix_auth(machine, "user", "remove", name)
    assert postfix_auth(machine, "user", "list").stdout == before


@pytest.mark.parametrize("chroot", CHROOTS.values(), ids=CHROOTS.keys())
@pytest.mark.parametrize("back_end", BACK_ENDS.values(), ids=BACK_ENDS.keys())
def test_it_lets_its_users_in_and_nobody_else(boot: Boot, back_end: BackEnd, chroot: Chroot) -> None:
    machine = boot()
    before = prepare(machine, chroot)

    assert "everything is applied" in apply(machine, back_end, chroot)
    for name, column in chroot.columns.items():
        assert machine.run(["postconf", "-hF", f"{name}/inet/chroot"]).stdout == f"{column}\n"
    mail_clients.trust(machine, machine, CERTIFICATE)
    log_in(machine, right(back_end, chroot), wrong(back_end, chroot))
    strangers_get_nothing(machine, back_end, chroot)
    if back_end.in_sasldb:
        accounts_come_and_go(machine, back_end, chroot)

    written = machine.run(_WRITTEN).stdout
    assert "Nothing to do" in apply(machine, back_end, chroot)
    assert machine.run(_WRITTEN).stdout == written
    found = policyfile.parse(postfix_auth(machine, "policy").stdout)
    given = policyfile.parse(policy(back_end, chroot))
    assert found == replace(given, authorization=Authorization())

    if "saslauthd" in back_end.section and "y" in chroot.columns.values():
        told = machine.run(["dpkg-statoverride", "--list", SOCKET_DIRECTORY]).stdout
        assert told == f"root sasl 710 {SOCKET_DIRECTORY}\n"
        # what cleans up below var/run does not know that it must be there
        machine.run(f"systemctl stop saslauthd; rm -r {SOCKET_DIRECTORY}")
    machine.reboot()
    machine.wait_for_port(587)
    log_in(machine, right(back_end, chroot), [])

    postfix_auth(machine, "rollback", "--yes")
    assert state(machine) == before
    machine.wait_for_port(25)
    assert not mail_clients.relays(machine, 25)


def test_who_may_send_is_a_matter_of_groups(boot: Boot) -> None:
    machine = boot()
    back_end, chroot = BACK_ENDS["pam with groups"], CHROOTS["not chrooted"]
    before = prepare(machine, chroot)
    newcomer = [Login(587, "PLAIN", IN_NO_GROUP, PASSWORD)]
    # who could not log in for the tests is told how to, before anything is done
    machine.write_file(POLICY, policy(back_end, chroot))
    for command in (["apply", "--yes"], ["rehearse"]):
        account = ["--user", IN_NO_GROUP, "--password-file", SECRET]
        told = machine.run([LAUNCHER, *command, "-p", POLICY, *account], check=False)
        assert told.status == 2
        assert f"groupadd --system mail_login; usermod -aG mail_login {IN_NO_GROUP}" in told.stderr
    assert state(machine) == before
    assert "usermod -aG mail_login NAME" in apply(machine, back_end, chroot)
    log_in(machine, [], newcomer)
    machine.run(["usermod", "-aG", "mail_login", IN_NO_GROUP])
    log_in(machine, newcomer, [])
    refused = machine.run([LAUNCHER, "rollback", "--yes"], check=False)
    assert refused.status == 3
    assert f"mail_login now has the members {IN_NO_GROUP}" in refused.stderr
    # who deletes it has it made again
    machine.run("groupdel mail_login")
    apply(machine, back_end, chroot)
    postfix_auth(machine, "rollback", "--yes")
    postfix_auth(machine, "rollback", "--yes")
    assert machine.run("getent group mail_login", check=False).status == 2


def test_from_one_back_end_to_another_and_back(boot: Boot) -> None:
    """Every smtpd finds the next back end, and the one before lets nobody in any more."""
    machine = boot()
    chroot = CHROOTS["chrooted"]
    before = prepare(machine, chroot)
    ways = [BACK_ENDS[name] for name in ("pam with groups", "sasldb", "pam")]
    for back_end in ways:
        apply(machine, back_end, chroot)
        mail_clients.trust(machine, machine, CERTIFICATE)
        log_in(machine, right(back_end, chroot), wrong(back_end, chroot))
    # no allowed groups: everybody is welcome again
    log_in(machine, right(BACK_ENDS["pam"], chroot, IN_NO_GROUP), [])
    for _ in ways:
        postfix_auth(machine, "rollback", "--yes")
    assert state(machine) == before


@pytest.mark.parametrize("name", ["shadow", "sasldb"])
def test_into_the_chroot_and_out_of_it(boot: Boot, name: str) -> None:
    machine = boot()
    back_end = BACK_ENDS[name]
    ways = [CHROOTS[name] for name in ("chrooted", "mixed", "not chrooted", "chrooted")]
    prepare(machine, ways[0])
    for chroot in ways:
        machine.run(chroot.prepare)
        apply(machine, back_end, chroot)
        mail_clients.trust(machine, machine, CERTIFICATE)
        log_in(machine, right(back_end, chroot), [])


def test_a_host_whose_secrets_were_deleted(boot: Boot) -> None:
    machine = boot()
    back_end, chroot = BACK_ENDS["sasldb"], CHROOTS["mixed"]
    prepare(machine, chroot)
    machine.run("rm /etc/sasldb2")
    before = state(machine)
    apply(machine, back_end, chroot)
    postfix_auth(machine, "user", "add", back_end.user, "--password-file", SECRET)
    mail_clients.trust(machine, machine, CERTIFICATE)
    log_in(machine, right(back_end, chroot), wrong(back_end, chroot))
    refused = machine.run([LAUNCHER, "rollback", "--yes"], check=False)
    assert refused.status == 3
    assert back_end.user in refused.stderr
    postfix_auth(machine, "user", "remove", back_end.user)
    postfix_auth(machine, "rollback", "--yes")
    assert state(machine) == before
