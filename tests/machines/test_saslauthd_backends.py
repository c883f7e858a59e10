"""The back ends that ask a server of others through saslauthd: who gets in, what is said if nobody can."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from tests.machines import mail_clients, password_servers
from tests.machines.backends import (
    CERTIFICATE,
    CHROOTS,
    POLICY,
    SECRET,
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
from tests.machines.images import Kind
from tests.machines.machine import LAUNCHER
from tests.machines.password_servers import BARE, FULL
from wizard import policyfile
from wizard.policy import Authorization

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.machines.conftest import Boot

    Join = Callable[..., tuple[str, ...]]
    from tests.machines.machine import Machine


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A back end, how its server is started, and a second name that gets in."""

    back_end: BackEnd
    start: Callable[[Machine], None]
    also: str


_PASSWORDS = ("PLAIN", "LOGIN")
_OTHER_DOMAIN = "anna@example.com"
ELSEWHERE = {
    "rimap": Elsewhere(
        BackEnd(
            'type = "saslauthd-rimap"\nserver = "127.0.0.1"',
            _PASSWORDS,
            BARE,
            (SYSTEM_USER, _OTHER_DOMAIN, f"{BARE}@example.org"),
        ),
        password_servers.start_imap,
        FULL,
    ),
}
_CHROOTS = {name: CHROOTS[name] for name in ("chrooted", "not chrooted")}


@pytest.mark.parametrize("chroot", _CHROOTS.values(), ids=_CHROOTS.keys())
@pytest.mark.parametrize("elsewhere", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_its_users_get_in_as_they_are_known_there(boot: Boot, elsewhere: Elsewhere, chroot: Chroot) -> None:
    machine, back_end = boot(Kind.SERVERS), elsewhere.back_end
    elsewhere.start(machine)
    before = prepare(machine, chroot)

    assert "everything is applied" in apply(machine, back_end, chroot)
    mail_clients.trust(machine, machine, CERTIFICATE)
    accepted = [*right(back_end, chroot), *right(back_end, chroot, elsewhere.also)]
    log_in(machine, accepted, wrong(back_end, chroot))
    strangers_get_nothing(machine, back_end, chroot)

    assert "Nothing to do" in apply(machine, back_end, chroot)
    found = policyfile.parse(postfix_auth(machine, "policy").stdout)
    assert found == replace(policyfile.parse(policy(back_end, chroot)), authorization=Authorization())

    machine.reboot()
    machine.wait_for_port(587)
    log_in(machine, right(back_end, chroot), [])
    postfix_auth(machine, "rollback", "--yes")
    assert state(machine) == before


def refused(machine: Machine, *arguments: str, status: int) -> str:
    """Return what the program says when it ends with ``status``."""
    done = machine.run([LAUNCHER, *arguments], timeout=90, check=False)
    said = f"{done.stdout}\n{done.stderr}"
    assert done.status == status, said
    return " ".join(said.split())


_NO_IMAP = {
    "unknown name": (
        'server = "imap.example.net"',
        "imap.example.net has no address that this host can find",
    ),
    "nobody there": ('server = "127.0.0.1"\nport = 144', "can't be reached at port 144: Connection refused"),
    "not IMAP": ('server = "127.0.0.1"\nport = 25', "does not answer as an IMAP server"),
    "no password in clear": ('server = "127.0.1.1"', "takes no password without TLS"),
}


def test_an_imap_server_that_can_not_be_asked_is_not_taken(boot: Boot) -> None:
    machine = boot(Kind.SERVERS)
    password_servers.start_imap(machine)
    before = prepare(machine, CHROOTS["chrooted"])
    for section, cause in _NO_IMAP.values():
        back_end = BackEnd(f'type = "saslauthd-rimap"\n{section}', _PASSWORDS, BARE, ())
        machine.write_file(POLICY, policy(back_end, CHROOTS["chrooted"]))
        said = refused(machine, "apply", "-p", POLICY, "--yes", status=2)
        assert f"backend.server: {section.split(chr(34))[1]}" in said
        assert cause in said
    assert state(machine) == before


def test_an_imap_server_on_another_host_is_told_every_password(boot: Boot, join: Join) -> None:
    machine, other = boot(Kind.SERVERS), boot(Kind.SERVERS, hostname="imap.example.net")
    password_servers.start_imap(other)
    join(machine, other)
    back_end = replace(ELSEWHERE["rimap"].back_end, section='type = "saslauthd-rimap"\nserver = "imap.example.net"')
    machine.write_file(POLICY, policy(back_end, CHROOTS["chrooted"]))
    assert "login_trusted_networks" in refused(machine, "plan", "-p", POLICY, status=2)
    other.run("echo 'login_trusted_networks = 0.0.0.0/0' >>/etc/dovecot/dovecot.conf; doveadm reload")
    prepare(machine, CHROOTS["chrooted"])
    said = apply(machine, back_end, CHROOTS["chrooted"])
    assert "whoever is on the line between reads every password" in " ".join(said.split())
    log_in(machine, right(back_end, CHROOTS["chrooted"]), wrong(back_end, CHROOTS["chrooted"]))


def test_an_imap_server_that_ends_is_named_as_the_cause(boot: Boot) -> None:
    machine, back_end = boot(Kind.SERVERS), ELSEWHERE["rimap"].back_end
    password_servers.start_imap(machine)
    prepare(machine, CHROOTS["chrooted"])
    apply(machine, replace(back_end, section=f"{back_end.section}\ncache = false"), CHROOTS["chrooted"])
    machine.run("systemctl stop dovecot")
    said = refused(machine, "test", "--user", BARE, "--password-file", SECRET, status=1)
    assert "saslauthd can't reach the IMAP server" in said
    # it is what is in force, so there is nothing to do, and nothing to refuse
    assert "Nothing to do" in postfix_auth(machine, "plan", "-p", POLICY).stdout
