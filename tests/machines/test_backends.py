"""Each back end, with smtpd chrooted, not chrooted and both at once: what users and strangers get from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from tests.machines import mail_clients
from tests.machines.machine import LAUNCHER
from tests.machines.mail_clients import SERVER, Login
from wizard import policyfile
from wizard.policy import Authorization

if TYPE_CHECKING:
    from tests.machines.conftest import Boot
    from tests.machines.inside import Result
    from tests.machines.machine import Machine

PASSWORD = 'pä$$ "wo#rd\\'  # what a shell, a configuration file or a careless program would trip over
SECRET, POLICY = "/root/password", "/root/policy.toml"
_SOCKET_DIRECTORY = "/var/spool/postfix/var/run/saslauthd"
SYSTEM_USER, IN_NO_GROUP, MAIL_USER = "joe", "eve", "mary"

_ACCOUNTS = f"""
IFS= read -r password
groupadd senders
useradd -G senders {SYSTEM_USER}
useradd {IN_NO_GROUP}
printf '%s:%s\\n' {SYSTEM_USER} "$password" {IN_NO_GROUP} "$password" | chpasswd
for realm in {SERVER} $(hostname); do  # where smtpd itself looks, and where saslauthd does
    printf %s "$password" | saslpasswd2 -p -c -u $realm {MAIL_USER}
done
umask 077
printf '%s\\n' "$password" >{SECRET}
"""
#: All that rolling back brings back: names, kinds, modes, owners, links, contents, and what dpkg is told.
#: The backups that groupadd and its kin make are theirs; passwords may change in between, and stay.
_STATE = """
{ find /etc -printf '%p %y %m %u %g %l\\n'; find /var/spool/postfix -type d -printf '%p %m %u %g\\n'
  find /etc -type f ! -name sasldb2 -exec sha256sum {} +
  dpkg-statoverride --list; sasldblistusers2; systemctl is-enabled postfix saslauthd; pgrep -l saslauthd
} 2>/dev/null | grep -v '/etc/[a-z]*-\\( \\|$\\)' | LC_ALL=C sort
"""
#: Which files were written, even if with the same bytes.
_WRITTEN = "find /etc /var/spool/postfix/etc -printf '%p %i %T@ %C@ %l\\n' | LC_ALL=C sort"


@dataclass(frozen=True, slots=True)
class BackEnd:
    """What a policy says of it, whom it lets in and whom it does not, though their passwords are right."""

    section: str
    mechanisms: tuple[str, ...]
    user: str
    refused: tuple[str, ...]

    @property
    def in_sasldb(self) -> bool:
        return self.user == MAIL_USER


_PASSWORDS = ("PLAIN", "LOGIN")
_GROUPS = 'allowed_groups = ["mail_login", "senders"]'
BACK_ENDS = {
    "pam": BackEnd('type = "saslauthd-pam"', _PASSWORDS, SYSTEM_USER, (MAIL_USER,)),
    "pam with groups": BackEnd(
        f'type = "saslauthd-pam"\n{_GROUPS}', _PASSWORDS, SYSTEM_USER, (MAIL_USER, IN_NO_GROUP)
    ),
    "shadow": BackEnd('type = "saslauthd-shadow"\nthreads = 3', _PASSWORDS, SYSTEM_USER, (MAIL_USER,)),
    "sasldb behind saslauthd": BackEnd(
        'type = "saslauthd-sasldb"\ncache = false', _PASSWORDS, MAIL_USER, (SYSTEM_USER,)
    ),
    "sasldb": BackEnd(
        'type = "auxprop-sasldb"',
        ("SCRAM-SHA-256", "SCRAM-SHA-1", *_PASSWORDS),
        MAIL_USER,
        (SYSTEM_USER,),
    ),
}


@dataclass(frozen=True, slots=True)
class Chroot:
    """How smtpd services are chrooted: what the admin has done, what the policy says, what must come out."""

    prepare: str
    section: str
    columns: dict[str, str]

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple({"smtp": 25, "submission": 587, "submissions": 465}[name] for name in self.columns)


CHROOTS = {
    "chrooted": Chroot("", 'chroot = "yes"', {"submission": "y", "submissions": "y"}),
    "not chrooted": Chroot("", 'chroot = "no"', {"submission": "n", "submissions": "n"}),
    "mixed": Chroot(
        "postconf -M submissions/inet='submissions inet n - n - - smtpd'",
        "auth_on_smtp = true",
        {"smtp": "y", "submission": "y", "submissions": "n"},
    ),
}


def prepare(machine: Machine, chroot: Chroot) -> str:
    """Make the accounts, and the admin's own master.cf; return the state of the machine."""
    mail_clients.face_the_world(machine)
    machine.run(["sh", "-euc", _ACCOUNTS + chroot.prepare], stdin=f"{PASSWORD}\n")
    machine.wait_for_port(25)
    return machine.run(_STATE).stdout


def policy(back_end: BackEnd, chroot: Chroot) -> str:
    offer = ", ".join(f'"{name}"' for name in back_end.mechanisms)
    return (
        f"[backend]\n{back_end.section}\n[mechanisms]\noffer = [{offer}]\n"
        f'[tls]\nsource = "self-signed"\nnames = ["{SERVER}"]\n[submission]\n{chroot.section}\n'
    )


def postfix_auth(machine: Machine, *arguments: str, stdin: str = "") -> Result:
    done = machine.run([LAUNCHER, *arguments], stdin=stdin, timeout=90, check=False)
    assert done.status == 0, f"{done.stdout}\n{done.stderr}"
    assert PASSWORD not in done.stdout + done.stderr
    return done


def apply(machine: Machine, back_end: BackEnd, chroot: Chroot) -> str:
    machine.write_file(POLICY, policy(back_end, chroot))
    account = () if back_end.in_sasldb else ("--user", back_end.user, "--password-file", SECRET)
    return postfix_auth(machine, "apply", "-p", POLICY, "--yes", *account).stdout


def right(back_end: BackEnd, chroot: Chroot, user: str = "", password: str = PASSWORD) -> list[Login]:
    """Return the logins of a user at every port, with every mechanism."""
    return [
        Login(port, mechanism, user or back_end.user, password)
        for port in chroot.ports
        for mechanism in back_end.mechanisms
        if mechanism in _PASSWORDS or port != 465  # gsasl speaks STARTTLS only
    ]


def wrong(back_end: BackEnd, chroot: Chroot) -> list[Login]:
    """Return the logins of who must not get in: a wrong password, and users of something else."""
    return [
        Login(port, back_end.mechanisms[0 if port == 587 else -1], user, password)
        for port in chroot.ports
        for user, password in [(back_end.user, "wrong"), *((name, PASSWORD) for name in back_end.refused)]
    ]


def log_in(machine: Machine, accepted: list[Login], refused: list[Login]) -> None:
    """Log in from outside, with all of them at a time, and compare what the server says."""
    replies = mail_clients.replies(machine, [*accepted, *refused])
    assert (replies[: len(accepted)], replies[len(accepted) :]) == (
        ["235"] * len(accepted),
        ["535"] * len(refused),
    ), f"{accepted} {refused}\n{machine.journal('-n', '40')}"


def strangers_get_nothing(machine: Machine, back_end: BackEnd, chroot: Chroot) -> None:
    for port in {25, 587, *chroot.ports}:
        assert not mail_clients.relays(machine, port), port
        if port != 465:
            offered, reply = mail_clients.auth_in_the_clear(machine, port, back_end.user, PASSWORD)
            assert not offered, port
            assert reply[0] == "5", (port, reply)
    assert mail_clients.relays(machine, 587, Login(587, "PLAIN", back_end.user, PASSWORD))


def accounts_come_and_go(machine: Machine, back_end: BackEnd, chroot: Chroot) -> None:
    before = postfix_auth(machine, "user", "list").stdout
    postfix_auth(machine, "user", "add", "anna", stdin=f"{PASSWORD}\n")
    postfix_auth(machine, "user", "add", "bert", "--password-file", SECRET)
    anna, bert = right(back_end, chroot, "anna"), right(back_end, chroot, "bert")
    log_in(machine, [*anna, *bert], [])
    realm = next(
        line.partition("@")[2]
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
    mail_clients.trust(machine, f"/etc/postfix/tls/{SERVER}.pem")
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
        told = machine.run(["dpkg-statoverride", "--list", _SOCKET_DIRECTORY]).stdout
        assert told == f"root sasl 710 {_SOCKET_DIRECTORY}\n"
        # what cleans up below var/run does not know that it must be there
        machine.run(f"systemctl stop saslauthd; rm -r {_SOCKET_DIRECTORY}")
    machine.reboot()
    machine.wait_for_port(587)
    log_in(machine, right(back_end, chroot), [])

    postfix_auth(machine, "rollback", "--yes")
    assert machine.run(_STATE).stdout == before
    machine.wait_for_port(25)
    assert not mail_clients.relays(machine, 25)


def test_from_one_back_end_to_another_and_back(boot: Boot) -> None:
    """Every smtpd finds the next back end, and the one before lets nobody in any more."""
    machine = boot()
    chroot = CHROOTS["chrooted"]
    before = prepare(machine, chroot)
    ways = [BACK_ENDS[name] for name in ("pam with groups", "sasldb", "pam")]
    for back_end in ways:
        apply(machine, back_end, chroot)
        mail_clients.trust(machine, f"/etc/postfix/tls/{SERVER}.pem")
        log_in(machine, right(back_end, chroot), wrong(back_end, chroot))
    # no allowed groups: everybody is welcome again
    log_in(machine, right(BACK_ENDS["pam"], chroot, IN_NO_GROUP), [])
    for _ in ways:
        postfix_auth(machine, "rollback", "--yes")
    assert machine.run(_STATE).stdout == before


@pytest.mark.parametrize("name", ["shadow", "sasldb"])
def test_into_the_chroot_and_out_of_it(boot: Boot, name: str) -> None:
    machine = boot()
    back_end = BACK_ENDS[name]
    ways = [CHROOTS[name] for name in ("chrooted", "mixed", "not chrooted", "chrooted")]
    prepare(machine, ways[0])
    for chroot in ways:
        machine.run(chroot.prepare)
        apply(machine, back_end, chroot)
        mail_clients.trust(machine, f"/etc/postfix/tls/{SERVER}.pem")
        log_in(machine, right(back_end, chroot), [])
