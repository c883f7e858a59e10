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
