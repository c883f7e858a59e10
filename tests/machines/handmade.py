"""A host that somebody has set up by hand, and the policies that are tried on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.machines import mail_clients
from tests.machines.machine import LAUNCHER
from tests.machines.mail_clients import SERVER

if TYPE_CHECKING:
    from tests.machines.machine import Machine

USER, LOCKED, PASSWORD = "joe", "eve", "correct horse"
POLICY = f"""
[backend]
type = "saslauthd-pam"
[mechanisms]
[tls]
source = "self-signed"
names = ["{SERVER}"]
[submission]
"""
OWN_ACCOUNTS = POLICY.replace("saslauthd-pam", "auxprop-sasldb")
_ACCOUNTS = f"for name in {USER} {LOCKED}; do useradd $name; echo $name:'{PASSWORD}' | chpasswd; done\n"
_PATH = "/root/policy.toml"


def by_hand(machine: Machine, script: str) -> None:
    """Let somebody set the machine up who knows only a howto; its name is that of a stranger afterwards."""
    mail_clients.face_the_world(machine)
    machine.run(["sh", "-euc", _ACCOUNTS + script])


def postfix_auth(machine: Machine, *arguments: str, policy: str = "", status: int = 0) -> str:
    machine.write_file(_PATH, policy)
    given = ["-p", _PATH] if policy else []
    done = machine.run([LAUNCHER, *arguments, *given], timeout=90, check=False)
    assert done.status == status, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def apply(machine: Machine, policy: str) -> str:
    return postfix_auth(machine, "apply", "--yes", policy=policy)
