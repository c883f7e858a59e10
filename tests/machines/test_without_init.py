"""A host without any init, such as a container: everything works, and the admin hears what boot will lack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.machines import mail_clients
from tests.machines.backends import (
    BACK_ENDS,
    CERTIFICATE,
    CHROOTS,
    POLICY,
    apply,
    log_in,
    postfix_auth,
    prepare,
    right,
    state,
    strangers_get_nothing,
    wrong,
)

if TYPE_CHECKING:
    from tests.machines.conftest import Boot

_START = {"pam": ("postfix start", "/etc/init.d/saslauthd start"), "sasldb": ("postfix start",)}


@pytest.mark.parametrize(
    ("name", "running"),
    [("pam", False), ("sasldb", True)],
    ids=["pam, nothing runs", "sasldb, Postfix runs"],
)
def test_it_starts_what_it_needs_and_says_that_nobody_else_will(boot: Boot, name: str, running: bool) -> None:
    machine = boot(init=False)
    back_end, chroot = BACK_ENDS[name], CHROOTS["chrooted"]
    before = prepare(machine, chroot)
    if running:
        machine.run("postfix start")

    said = apply(machine, back_end, chroot)
    assert "everything is applied" in said
    for command in _START[name]:
        assert f"'{command}'" in said
    mail_clients.trust(machine, machine, CERTIFICATE)
    log_in(machine, right(back_end, chroot), wrong(back_end, chroot))
    strangers_get_nothing(machine, back_end, chroot)
    assert "Nothing to do" in apply(machine, back_end, chroot)

    machine.reboot()
    plan = postfix_auth(machine, "plan", "-p", POLICY).stdout
    for command in _START[name]:
        assert f"+ {command}\n" in plan
        machine.run(command)
    log_in(machine, right(back_end, chroot), [])
    assert "Nothing to do" in apply(machine, back_end, chroot)

    postfix_auth(machine, "rollback", "--yes")
    assert state(machine) == before
    assert (machine.run("pgrep -x master", check=False).status == 0) is running
