"""A host without any mail server: a policy brings all that it takes, and takes it away again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.machines import mail_clients
from tests.machines.backends import (
    BACK_ENDS,
    CERTIFICATE,
    CHROOTS,
    MAIL_USER,
    SECRET,
    add_system_users,
    apply,
    log_in,
    postfix_auth,
    right,
    state,
    strangers_get_nothing,
    wrong,
)
from tests.machines.images import Kind
from tests.machines.machine import LAUNCHER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.machines.conftest import Boot
    from tests.machines.machine import Machine

#: What Debian's own purging leaves behind: users and groups, aliases, and passwords.
_LEFT = ("passwd", "group", "shadow", "gshadow", "aliases", "sasldb2")


def _host(machine: Machine) -> set[str]:
    lines = [*state(machine).splitlines(), *machine.run("dpkg-query -W").stdout.splitlines()]
    return {line for line in lines if not any(f"/etc/{name}" in line for name in _LEFT)}


@pytest.mark.parametrize("name", ["pam with groups", "sasldb"])
def test_from_nothing_to_users_who_log_in(
    boot: Boot, join: Callable[..., tuple[str, ...]], name: str
) -> None:
    machine = boot(Kind.READY, internet=True)
    client = boot(Kind.CLIENTS, hostname="client.example.org")
    join(machine, client)
    back_end, chroot = BACK_ENDS[name], CHROOTS["chrooted"]
    add_system_users(machine)
    before = _host(machine)

    said = apply(machine, back_end, chroot)
    assert "install postfix" in said
    assert "everything is applied" in said
    if back_end.in_sasldb:
        postfix_auth(machine, "user", "add", MAIL_USER, "--password-file", SECRET)
    mail_clients.trust(client, machine, CERTIFICATE)
    log_in(client, right(back_end, chroot), wrong(back_end, chroot))
    strangers_get_nothing(client, back_end, chroot)
    assert "Nothing to do" in apply(machine, back_end, chroot)

    machine.reboot()
    client.wait_for_port(587, host=machine.hostname)
    log_in(client, right(back_end, chroot), [])

    postfix_auth(machine, "rollback", "--yes")
    assert _host(machine) == before


_POLICY = """
[backend]
type = "auxprop-sasldb"
[tls]
source = "self-signed"
names = ["mail.example.net"]
[submission]
"""
_FILE = "/root/policy.toml"
#: Every package with its version, those that came along with others, and the other mail server's settings.
_INSTALLED = """
dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n'; apt-mark showauto
find /etc/exim4 -type f | sort | xargs md5sum
"""
_GREETING = "import smtplib; print(smtplib.SMTP().connect('127.0.0.1'))"


def test_another_mail_server_gives_way_and_comes_back(boot: Boot) -> None:
    machine = boot(Kind.READY, internet=True)
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    machine.run("apt-get -q update && apt-get -q -y install exim4-daemon-light", timeout=200, env=quiet)
    machine.run("echo '# mine' >> /etc/exim4/exim4.conf.template")
    before = machine.run(_INSTALLED).stdout
    machine.write_file(_FILE, _POLICY)

    plan = machine.run([LAUNCHER, "plan", "-p", _FILE]).stdout
    assert "\n- exim4-daemon-light=4." in plan
    assert "apt removes exim4-" in plan
    postfix_auth(machine, "apply", "-p", _FILE, "--yes")
    assert "ESMTP Postfix" in machine.run(["python3", "-c", _GREETING]).stdout

    postfix_auth(machine, "rollback", "--yes")
    assert machine.run(_INSTALLED).stdout == before
    assert "ESMTP Exim" in machine.run(["python3", "-c", _GREETING]).stdout
