"""Dovecot 2.3 and 2.4 as back end: set up by us or by its admin, by UNIX socket or TCP, chrooted or not."""

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
    SYSTEM_USER,
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
from tests.machines.images import Kind
from tests.machines.machine import LAUNCHER
from tests.machines.mail_clients import Login
from tests.machines.password_servers import NO_PENALTY
from wizard import policyfile
from wizard.policy import Authorization

if TYPE_CHECKING:
    from tests.machines.backends import Chroot
    from tests.machines.conftest import Boot
    from tests.machines.inside import Result
    from tests.machines.machine import Machine

DROP_IN, LOCAL = "/etc/dovecot/conf.d/95-postfix-auth.conf", "/etc/dovecot/local.conf"
VIRTUAL = "vera"  # known to Dovecot alone
TCP = "inet:127.0.0.1:12345"
_STATE = """
doveconf -n | grep -v '^#'; systemctl is-active dovecot; systemctl is-enabled dovecot
ss -ltnpH | awk '/dovecot/ {print $4}' | sort
find /var/spool/postfix/private -name 'auth*' -printf '%p %m %u %g\\n'
"""
_PASSWORD_FILE = {
    "12": "passdb {\n  driver = passwd-file\n  args = /etc/dovecot/users\n}\n",
    "13": "passdb passwd-file {\n  passwd_file_path = /etc/dovecot/users\n}\n",
}


def dovecot(address: str = "private/auth", *, configure: bool = True) -> BackEnd:
    """Return Dovecot with the system's accounts, as Debian installs it."""
    section = f'type = "dovecot"\naddress = "{address}"\nconfigure = {str(configure).lower()}'
    return BackEnd(section, ("PLAIN", "LOGIN"), SYSTEM_USER, (VIRTUAL,))


def virtual(back_end: BackEnd) -> BackEnd:
    """Return it with accounts of its own."""
    return replace(back_end, user=VIRTUAL, refused=(SYSTEM_USER,))


def everything(machine: Machine) -> str:
    return state(machine) + machine.run(_STATE, check=False).stdout


def prepare_dovecot(machine: Machine, chroot: Chroot, settings: str = "") -> str:
    machine.write_file(LOCAL, NO_PENALTY + settings)
    machine.run("systemctl restart dovecot")
    prepare(machine, chroot)
    return everything(machine)


def own_accounts(machine: Machine) -> str:
    """Give Dovecot accounts of its own in place of the system's; return the setting that says so."""
    machine.write_file("/etc/dovecot/users", f"{VIRTUAL}:{{PLAIN}}{PASSWORD}\n")
    machine.run("chgrp dovecot /etc/dovecot/users; chmod 640 /etc/dovecot/users")
    machine.run("sed -i 's/^!include auth-system/#&/' /etc/dovecot/conf.d/10-auth.conf")
    return _PASSWORD_FILE[machine.debian.number]


def try_to_apply(machine: Machine, text: str, *more: str) -> Result:
    machine.write_file(POLICY, text)
    return machine.run([LAUNCHER, "apply", "-p", POLICY, "--yes", *more], check=False, timeout=120)


ACCOUNT = ("--user", SYSTEM_USER, "--password-file", SECRET)


@pytest.mark.parametrize("address", ["private/auth", TCP])
def test_both_sides_are_set_up(boot: Boot, address: str) -> None:
    machine, chroot = boot(Kind.DOVECOT), CHROOTS["mixed"]
    before = prepare_dovecot(machine, chroot)
    back_end = dovecot(address)

    assert "everything is applied" in apply(machine, back_end, chroot)
    for service, column in chroot.columns.items():
        assert machine.run(["postconf", "-hF", f"{service}/inet/chroot"]).stdout == f"{column}\n"
    log_in(machine, right(back_end, chroot), wrong(back_end, chroot))
    strangers_get_nothing(machine, back_end, chroot)

    assert "Nothing to do" in apply(machine, back_end, chroot)
    found = policyfile.parse(postfix_auth(machine, "policy").stdout)
    assert found == replace(policyfile.parse(policy(back_end, chroot)), authorization=Authorization())
    assert "Dovecot, running" in postfix_auth(machine, "status").stdout.splitlines()[0]

    machine.reboot()
    machine.wait_for_port(587)
    log_in(machine, right(back_end, chroot), [])

    postfix_auth(machine, "rollback", "--yes")
    machine.wait_for_port(25)
    assert everything(machine) == before
    assert not mail_clients.relays(machine, 25)


@pytest.mark.parametrize("address", ["private/auth", TCP])
def test_who_sets_dovecot_up_himself_is_told_what_to_write_where(boot: Boot, address: str) -> None:
    machine = boot(Kind.DOVECOT)
    chroot, back_end = CHROOTS["chrooted"], dovecot(address, configure=False)
    before = prepare_dovecot(machine, chroot)
    refused = try_to_apply(machine, policy(back_end, chroot), *ACCOUNT)
    assert refused.status == 1
    assert f"nobody answers at {address} yet" in refused.stdout
    assert "Dovecot" in refused.stdout.partition("✗")[2]
    assert everything(machine) == before

    _, _, told = refused.stdout.partition(f"Write into {LOCAL}:\n")
    machine.write_file(LOCAL, NO_PENALTY + told.partition("    and run: doveadm reload")[0])
    machine.run("systemctl restart dovecot")
    before = everything(machine)
    assert "everything is applied" in apply(machine, back_end, chroot)
    assert not machine.exists(DROP_IN)
    log_in(machine, right(back_end, chroot), wrong(back_end, chroot))
    assert "Nothing to do" in apply(machine, back_end, chroot)
    found = policyfile.parse(postfix_auth(machine, "policy").stdout)
    assert found == replace(policyfile.parse(policy(back_end, chroot)), authorization=Authorization())

    more = policy(back_end, chroot).replace("offer = []", 'offer = ["PLAIN", "LOGIN", "CRAM-MD5"]')
    refused = try_to_apply(machine, more, *ACCOUNT)
    assert refused.status == 2
    assert "offers PLAIN LOGIN, and not CRAM-MD5" in refused.stderr
    assert "auth_mechanisms = plain login cram-md5" in refused.stderr
    less = try_to_apply(machine, more.replace(', "LOGIN", "CRAM-MD5"', ""), *ACCOUNT)
    assert f"Dovecot at {address} offers LOGIN too" in less.stdout

    postfix_auth(machine, "rollback", "--yes")
    assert everything(machine) == before


def test_dovecot_down_is_explained_and_mended(boot: Boot) -> None:
    machine = boot(Kind.DOVECOT)
    chroot, back_end = CHROOTS["chrooted"], dovecot()
    prepare_dovecot(machine, chroot)
    apply(machine, back_end, chroot)
    machine.run("systemctl stop dovecot")
    failed = machine.run([LAUNCHER, "test"], check=False)
    assert failed.status == 1
    assert "Dovecot is not running" in " ".join(failed.stdout.split())
    done = apply(machine, back_end, chroot)
    assert "start dovecot" in done
    assert "restart postfix" in done
    log_in(machine, right(back_end, chroot), [])
    # what is right but was never read: the socket is gone from the Dovecot that runs
    machine.run(f"mv {DROP_IN} /root/x; doveadm reload; sleep 1; mv /root/x {DROP_IN}")
    assert "reload dovecot" in apply(machine, back_end, chroot)
    log_in(machine, right(back_end, chroot), [])
    machine.run("chown root:root /var/spool/postfix/private/auth; systemctl restart postfix")
    assert "restart dovecot" in apply(machine, back_end, chroot)
    log_in(machine, right(back_end, chroot), [])


def test_tests_again_and_again_make_nobody_wait(boot: Boot) -> None:
    """Dovecot lets an address wait after a wrong password, and Postfix waits ten seconds for Dovecot."""
    machine = boot(Kind.DOVECOT)
    chroot, back_end = CHROOTS["not chrooted"], dovecot()
    prepare(machine, chroot)
    apply(machine, back_end, chroot)
    for _ in range(4):
        postfix_auth(machine, "test", *ACCOUNT)


def test_from_saslauthd_to_dovecot_and_back(boot: Boot) -> None:
    machine = boot(Kind.DOVECOT)
    chroot = CHROOTS["mixed"]
    before = prepare_dovecot(machine, chroot, own_accounts(machine))
    by_pam = replace(BACK_ENDS["pam"], refused=(VIRTUAL,))
    ways = [by_pam, virtual(dovecot()), virtual(dovecot(TCP)), by_pam]
    for back_end in ways:
        apply(machine, back_end, chroot)
        log_in(machine, right(back_end, chroot), wrong(back_end, chroot))
    assert machine.run("postconf -h smtpd_sasl_type smtpd_sasl_path").stdout == "cyrus\nsmtpd\n"
    assert not machine.exists(DROP_IN)
    for _ in ways:
        postfix_auth(machine, "rollback", "--yes")
    assert everything(machine) == before


def test_a_service_that_overrides_it_is_corrected(boot: Boot) -> None:
    machine = boot(Kind.DOVECOT)
    chroot, back_end = CHROOTS["chrooted"], dovecot()
    prepare_dovecot(machine, chroot)
    options = ("auth_enable=yes", "type=cyrus", "path=another")
    overrides = " ".join(f"-o smtpd_sasl_{option}" for option in options)
    machine.run(f"postconf -M submission/inet='submission inet n - y - - smtpd {overrides}'; postfix reload")
    apply(machine, back_end, chroot)
    found = machine.run("postconf -P submission/inet/smtpd_sasl_type submission/inet/smtpd_sasl_path").stdout
    assert [line.rpartition(" = ")[2] for line in found.splitlines()] == ["dovecot", "private/auth"]
    log_in(machine, right(back_end, chroot), wrong(back_end, chroot))


def test_stored_passwords_serve_scram_and_pam_does_not(boot: Boot) -> None:
    machine = boot(Kind.DOVECOT)
    chroot = CHROOTS["chrooted"]
    before = prepare_dovecot(machine, chroot)
    text = policy(dovecot(), chroot).replace("offer = []", 'offer = ["SCRAM-SHA-256", "PLAIN"]')
    refused = try_to_apply(machine, text, *ACCOUNT)
    assert refused.status == 2
    assert "SCRAM-SHA-256 needs stored passwords, and Dovecot's passdb is pam" in refused.stderr
    assert everything(machine) == before

    prepare_again = own_accounts(machine)
    machine.write_file(LOCAL, NO_PENALTY + prepare_again)
    machine.run("systemctl restart dovecot")
    done = try_to_apply(machine, text, "--user", VIRTUAL, "--password-file", SECRET)
    assert done.status == 0, done
    assert "only for users whose password Dovecot has in clear or in that very scheme" in done.stdout
    mail_clients.trust(machine, machine, CERTIFICATE)
    mechanisms = ("SCRAM-SHA-256", "PLAIN")
    accepted = [Login(587, name, VIRTUAL, PASSWORD) for name in mechanisms]
    log_in(machine, accepted, [Login(587, name, VIRTUAL, "wrong") for name in mechanisms])
    found = policyfile.parse(postfix_auth(machine, "policy").stdout).mechanisms
    assert found is not None
    assert found.offer == mechanisms


def test_what_dovecot_would_not_read_is_never_written(boot: Boot) -> None:
    machine = boot(Kind.DOVECOT)
    chroot = CHROOTS["chrooted"]
    before = prepare_dovecot(machine, chroot, "auth_mechanisms = plain\n")
    text = policy(dovecot(), chroot)
    overridden = try_to_apply(machine, text, *ACCOUNT)
    assert overridden.status == 3
    assert "a later file sets auth_mechanisms too" in overridden.stderr
    assert everything(machine) == before
    machine.write_file("/etc/dovecot/conf.d/99-mine.conf", "no_such_section {\n}\n")
    broken = try_to_apply(machine, text, *ACCOUNT)
    assert broken.status == 3
    assert "/etc/dovecot/conf.d/99-mine.conf line 1" in broken.stderr
    machine.run("rm /etc/dovecot/conf.d/99-mine.conf")
    assert everything(machine) == before


@pytest.mark.parametrize(
    ("address", "configure", "status", "said"),
    [
        ("/run/dovecot/login/login", False, 2, "chrooted smtpd can't reach /run/dovecot/login/login"),
        ("inet:192.0.2.9:12345", True, 2, "192.0.2.9 is not this host"),
        ("inet:192.0.2.9:12345", False, 0, "passwords cross the network unencrypted"),
        ("somewhere/else", True, 2, "there is no directory /var/spool/postfix/somewhere"),
    ],
)
def test_what_an_address_means_is_said_beforehand(
    boot: Boot, address: str, configure: bool, status: int, said: str
) -> None:
    machine = boot(Kind.DOVECOT)
    machine.write_file(POLICY, policy(dovecot(address, configure=configure), CHROOTS["chrooted"]))
    planned = machine.run([LAUNCHER, "plan", "-p", POLICY], check=False)
    assert planned.status == status
    assert said in planned.stdout + planned.stderr


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("inet:127.0.0.1:12345", "Connection refused"),
        ("inet:dove.example.org:12345", "Temporary failure in name resolution"),
        ("inet:127.0.0.1:143", "what answers there is no Dovecot, or not its authentication"),
        ("private/auth", "No such file or directory"),
    ],
)
def test_who_can_log_in_today_is_not_sent_to_where_nobody_answers(boot: Boot, address: str, why: str) -> None:
    machine, chroot = boot(Kind.DOVECOT), CHROOTS["chrooted"]
    prepare_dovecot(machine, chroot)
    apply(machine, BACK_ENDS["pam"], chroot)
    machine.run("sed -i '/local.conf/d' /etc/dovecot/dovecot.conf")
    refused = try_to_apply(machine, policy(dovecot(address, configure=False), chroot), *ACCOUNT)
    assert refused.status == 2
    assert f"backend.address: nobody answers at {address} yet ({why}" in refused.stderr
    elsewhere = "example.org" in address
    place = "into /etc/dovecot/local.conf there" if elsewhere else "at the end of /etc/dovecot/dovecot.conf"
    assert f"Write {place}:" in refused.stderr


def test_a_rehearsal_has_a_dovecot_of_its_own(boot: Boot) -> None:
    machine = boot(Kind.DOVECOT)
    chroot = CHROOTS["chrooted"]
    before = prepare_dovecot(machine, chroot)
    machine.write_file(POLICY, policy(dovecot(), chroot))
    rehearsed = postfix_auth(machine, "rehearse", "-p", POLICY, *ACCOUNT)
    assert "it works" in rehearsed.stdout
    assert everything(machine) == before


def test_a_host_without_dovecot_gets_one(boot: Boot) -> None:
    machine = boot(Kind.MAIL, internet=True)
    chroot, back_end = CHROOTS["chrooted"], dovecot()
    machine.run("apt-get -q update")
    prepare(machine, chroot)
    before = machine.run("ls /etc; dpkg -l | grep -c ^ii").stdout
    assert "dovecot-core" in apply(machine, back_end, chroot)
    log_in(machine, right(back_end, chroot), [Login(587, "PLAIN", IN_NO_GROUP, "wrong")])
    postfix_auth(machine, "rollback", "--yes")
    assert machine.run("ls /etc; dpkg -l | grep -c ^ii").stdout == before
