"""A twelfth back end: who follows docs/new-back-end.md to the letter can set it up and log in."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.documented import follow
from tests.machines import mail_clients
from tests.machines.backends import (
    CHROOTS,
    IN_NO_GROUP,
    PASSWORD,
    POLICY,
    SECRET,
    SYSTEM_USER,
    BackEnd,
    add_system_users,
    log_in,
    policy,
    right,
    wrong,
)
from tests.machines.images import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.machines.conftest import Boot
    from tests.machines.machine import Machine

BACK_END = BackEnd('type = "authdaemond"', ("PLAIN", "LOGIN"), SYSTEM_USER, ())
CHROOT = CHROOTS["not chrooted"]
SMTPD_CONF = "/etc/postfix/sasl/smtpd.conf"


def _run(machine: Machine, *arguments: str, status: int = 0) -> str:
    done = machine.run(["/root/project/postfix-auth", *arguments], timeout=120, check=False)
    assert done.status == status, f"{done.stdout}\n{done.stderr}"
    assert PASSWORD not in done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_twelfth_back_end(boot: Boot, tmp_path: Path) -> None:
    machine = boot(Kind.MAIL, internet=True)
    packed = ["tar", "-C", str(follow(tmp_path).parent), "-c", "project"]
    machine.run("tar -C /root -x", stdin=subprocess.run(packed, capture_output=True, check=True).stdout)
    mail_clients.face_the_world(machine)
    add_system_users(machine)
    machine.write_file(POLICY, policy(BACK_END, CHROOTS["chrooted"]))
    assert "submission.chroot" in _run(machine, "plan", "-p", POLICY, status=2)

    machine.write_file(POLICY, policy(BACK_END, CHROOT))
    account = ("--user", SYSTEM_USER, "--password-file", SECRET)
    said = _run(machine, "apply", "-p", POLICY, "--yes", *account)
    assert "install courier-authdaemon" in said
    assert "everything is applied" in said
    log_in(machine, right(BACK_END, CHROOT), wrong(BACK_END, CHROOT))
    assert "Nothing to do" in _run(machine, "plan", "-p", POLICY)
    assert 'type = "authdaemond"' in _run(machine, "policy")

    # to another one, which needs nothing of it, and back
    machine.write_file(POLICY, '[backend]\ntype = "saslauthd-shadow"\n')
    _run(machine, "apply", "-p", POLICY, "--yes", *account)
    assert "authdaemond" not in machine.read_file(SMTPD_CONF)
    log_in(machine, right(BACK_END, CHROOT, IN_NO_GROUP), [])
    _run(machine, "rollback", "--yes")
    log_in(machine, right(BACK_END, CHROOT), [])
