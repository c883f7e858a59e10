"""Back ends, ways to be chrooted and the users of both: what the tests that log in have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.machines import mail_clients
from tests.machines.machine import LAUNCHER
from tests.machines.mail_clients import SERVER, Login

if TYPE_CHECKING:
    from tests.machines.inside import Result
    from tests.machines.machine import Machine

PASSWORD = 'pä$$ "wo#rd\\'  # what a shell, a configuration file or a careless program would trip over
CERTIFICATE = f"/etc/postfix/tls/{SERVER}.pem"
SECRET, POLICY = "/root/password", "/root/policy.toml"
SOCKET_DIRECTORY = "/var/spool/postfix/var/run/saslauthd"
SYSTEM_USER, IN_NO_GROUP, MAIL_USER = "joe", "eve", "mary"

_SYSTEM_USERS = f"""
IFS= read -r password
groupadd senders
useradd -G senders {SYSTEM_USER}
useradd {IN_NO_GROUP}
printf '%s:%s\\n' {SYSTEM_USER} "$password" {IN_NO_GROUP} "$password" | chpasswd
( umask 077; printf '%s\\n' "$password" >{SECRET} )
"""
_MAIL_USERS = f"""
for realm in {SERVER} $(hostname); do  # where smtpd itself looks, and where saslauthd does
    printf %s "$password" | saslpasswd2 -p -c -u $realm {MAIL_USER}
done
"""
#: All that rolling back brings back: names, kinds, modes, owners, links, contents, and what dpkg is told.
#: The backups that groupadd and its kin make are theirs; passwords may change in between, and stay.
_STATE = """
{ find /etc -printf '%p %y %m %u %g %l\\n'; find /etc -type f ! -name sasldb2 -exec sha256sum {} +
  find /var/spool/postfix/var /var/spool/postfix/etc/sasldb2  # Postfix makes the other directories there
  dpkg-statoverride --list; sasldblistusers2; systemctl is-enabled postfix saslauthd
  pgrep -l saslauthd | cut -d' ' -f2
} 2>/dev/null | grep -v '/etc/[a-z]*-\\( \\|$\\)' | LC_ALL=C sort
"""


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

    @property
    def offer(self) -> tuple[str, ...]:
        """What the policy asks for; nothing where it leaves that to the back end."""
        return self.mechanisms if self.in_sasldb else ()


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
    add_system_users(machine, _MAIL_USERS + chroot.prepare)
    return state(machine)


def add_system_users(machine: Machine, more: str = "") -> None:
    """Make the accounts that need nothing installed; ``more`` is shell that may follow."""
    machine.run(["sh", "-euc", _SYSTEM_USERS + more], stdin=f"{PASSWORD}\n")


def state(machine: Machine) -> str:
    """Return what must be the same again when everything was taken back."""
    return machine.run(_STATE).stdout


def policy(back_end: BackEnd, chroot: Chroot) -> str:
    offer = ", ".join(f'"{name}"' for name in back_end.offer)
    return (
        f"[backend]\n{back_end.section}\n[mechanisms]\noffer = [{offer}]\n"
        f'[tls]\nsource = "self-signed"\nnames = ["{SERVER}"]\n[submission]\n{chroot.section}\n'
    )


def postfix_auth(machine: Machine, *arguments: str, stdin: str = "") -> Result:
    done = machine.run([LAUNCHER, *arguments], stdin=stdin, timeout=300, check=False)
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
    ), f"{accepted} {refused}\n{machine.run('journalctl -qn 40', check=False).stdout}"


def strangers_get_nothing(machine: Machine, back_end: BackEnd, chroot: Chroot) -> None:
    for port in {25, 587, *chroot.ports}:
        assert not mail_clients.relays(machine, port), port
        if port != 465:
            offered, reply = mail_clients.auth_in_the_clear(machine, port, back_end.user, PASSWORD)
            assert not offered, port
            assert reply[0] == "5", (port, reply)
    assert mail_clients.relays(machine, 587, Login(587, "PLAIN", back_end.user, PASSWORD))
