"""Waits for the confirmation of a change, and takes the change back when the time is over.

It is there before the first step of such a change, and takes it back too if whoever makes it is killed.

Under systemd it is a unit of its own, started at once and at every boot until the change is confirmed or
taken back: so it survives the end of the program, of the SSH line and of the machine. On a host without an
init nothing starts programs at boot; there it is a process of its own, and after a reboot the next apply says
what is left to do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from wizard import journal, lock, services
from wizard.changes import disk
from wizard.commands import run
from wizard.errors import HostError
from wizard.journal import State
from wizard.root import Root

if TYPE_CHECKING:
    from wizard.journal import Checkpoint

UNIT = "postfix-auth-keeper.service"
_FILE = Path("/etc/systemd/system") / UNIT
_WANTED = Path("/etc/systemd/system/multi-user.target.wants") / UNIT
_PROJECT = Path(__file__).resolve().parent.parent
_GLANCE = 0.5  # seconds between two looks whether it was confirmed
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


def main() -> int:
    """Wait; then take back what nobody has confirmed, or what was left half-way. Return the exit code."""
    root = Root()
    while (guarded := _guarded(root)) is not None:
        left = guarded.deadline - time.time() if guarded.waits else 0
        if left > 0:
            time.sleep(min(_GLANCE, left))
            continue
        with suppress(HostError):  # somebody is at work: look again
            return _take_back(root)
        time.sleep(_GLANCE)
    disarm()
    return 0


def _guarded(root: Root) -> Checkpoint | None:
    """Return the change that must be confirmed: it waits for that, or somebody is or was at work on it."""
    states = (State.APPLYING, State.APPLIED, State.ROLLING_BACK)
    return next((one for one in journal.checkpoints(root) if one.deadline and one.state in states), None)


def _take_back(root: Root) -> int:
    from wizard.applier import Applier  # noqa: PLC0415 - which arms this keeper

    fd = lock.take(root)
    try:
        lock.sign(fd)
        checkpoint = _guarded(root)
        if checkpoint is None:
            return 0
        if checkpoint.waits and checkpoint.deadline > time.time():
            raise HostError("it has come to its end, and waits")
        applier = Applier(checkpoint, root)
        late = "nobody has confirmed it in time"
        applier.tell("failed", late if checkpoint.waits else "it was interrupted half-way")
        code = applier.roll_back()
        applier.tell("finished", number=1)
        return code
    finally:
        os.close(fd)


if __name__ == "__main__":
    sys.exit(main())
