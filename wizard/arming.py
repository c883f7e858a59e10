"""Sees to it that somebody waits for the confirmation of a change: the keeper, :mod:`wizard.keeper`.

Under systemd it is a unit of its own, started at once and at every boot until the change is confirmed or
taken back: so it survives the end of the program, of the SSH line and of the machine. On a host without an
init nothing starts programs at boot; there it is a process of its own, and after a reboot the next apply says
what is left to do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wizard import services
from wizard.changes import disk
from wizard.commands import run

if TYPE_CHECKING:
    from wizard.root import Root

UNIT = "postfix-auth-keeper.service"
_FILE = Path("/etc/systemd/system") / UNIT
_WANTED = Path("/etc/systemd/system/multi-user.target.wants") / UNIT
_PROJECT = Path(__file__).resolve().parent.parent
_PASSED_ON = ("PYTHONPYCACHEPREFIX", "PYTHONNOUSERSITE", "PYTHONSAFEPATH")


def arm(root: Root) -> None:
    """See to it that somebody waits for the confirmation.

    Raises:
        WizardError: when nobody can be made to.

    """
    if not root.live:
        return
    if not services.systemd():
        _spawn()
        return
    disk.replace(_FILE, _unit().encode(), disk.Look(0, 0, 0o644))
    disk.make_parents(_WANTED)
    disk.place_link(_WANTED, str(_FILE))
    run(["systemctl", "daemon-reload"]).expect("arming the keeper")
    run(["systemctl", "restart", "--no-block", UNIT]).expect("arming the keeper")


def disarm() -> None:
    """Let nobody wait any more."""
    if not _FILE.exists():
        return
    disk.remove(_WANTED)
    disk.remove(_FILE)
    if services.systemd():
        run(["systemctl", "daemon-reload"])


def _unit() -> str:
    variables = {"PYTHONPATH": str(_PROJECT)} | {n: os.environ[n] for n in _PASSED_ON if n in os.environ}
    environment = "".join(f'Environment="{name}={value}"\n' for name, value in variables.items())
    return (
        "# takes the last change back unless it is confirmed in time; it goes away by itself\n"
        "[Unit]\n"
        "Description=Takes an unconfirmed change of postfix-auth back\n"
        "After=network.target postfix.service saslauthd.service dovecot.service slapd.service\n"
        "[Service]\n"
        f"ExecStart={sys.executable} -P -m wizard.keeper\n"
        f"{environment}"
        # killed, it is back at once; ended well, it has done its work
        "Restart=on-failure\n"
        "RestartSec=200ms\n"
        "KillMode=process\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    )


def _spawn() -> None:
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    environment |= {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "HOME": "/root", "PYTHONPATH": str(_PROJECT)}
    subprocess.Popen(
        [sys.executable, "-P", "-m", "wizard.keeper"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment,
        start_new_session=True,
    )
