"""Starts, stops and reloads mail services: under systemd, and on hosts without any init (containers).

Whether it worked is asked of the processes, for units say little: Debian 12's ``postfix.service`` is a stub,
and its saslauthd script ends well without starting anything.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from wizard.commands import run
from wizard.errors import WizardError
from wizard.explain import explain
from wizard.loglines import from_journal
from wizard.processes import processes, running

if TYPE_CHECKING:
    from collections.abc import Callable

    from wizard.commands import Outcome

_SECONDS = 20.0  # a start that takes longer is taken for a failure
_RELOADS = {"postfix": ("postfix", "reload"), "dovecot": ("doveadm", "reload")}
# Postfix's units have other names than it, and its script says a dozen lines about its chroot
_LOGGED = {
    "postfix": ("-t", "postfix", "-t", "postfix/master", "-t", "postfix/postfix-script", "-p", "warning")
}


def systemd() -> bool:
    """Whether systemd is at work here (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def installed(service: str) -> bool:
    """Whether the program of ``service`` is on this host, which has the same name."""
    return shutil.which(service, path="/usr/sbin:/usr/bin:/sbin") is not None


def by_hand(service: str, verb: str) -> tuple[str, ...]:
    """Return the command that starts, stops or reloads ``service`` where there is no init."""
    return ("postfix" if service == "postfix" else f"/etc/init.d/{service}", verb)


def start(service: str) -> None:
    """Start ``service``, also when systemd believes that it runs.

    Raises:
        WizardError: when no process of it is there afterwards.

    """
    doing, began = f"starting {service}", time.time()
    if systemd():
        run(["systemctl", "daemon-reload"]).expect(doing)
        # systemd refuses what was started often; who starts it here means it
        run(["systemctl", "reset-failed", service])
        # a unit that stays active while its processes are gone would not be started by "start"
        outcome = run(["systemctl", "restart", service], timeout=_SECONDS * 2)
    else:
        outcome = run(by_hand(service, "start"), timeout=_SECONDS * 2)
    if not _comes_true(lambda: running(service)):
        raise WizardError(f"{doing}: it does not run\n{_said(service, outcome, began)}")


def stop(service: str) -> None:
    """Stop ``service`` and see to it that no process of it is left.

    Raises:
        WizardError: when one is left.

    """
    _stop(service)
    if systemd():
        # its unit may have changed, and whoever starts it later means the new one
        run(["systemctl", "daemon-reload"]).expect(f"stopping {service}")


def _stop(service: str) -> None:
    if systemd():
        run(["systemctl", "stop", service], timeout=_SECONDS * 2)
    elif service != "postfix":
        run(by_hand(service, "stop"), timeout=_SECONDS * 2)
    if running(service) and service == "postfix":
        run(["postfix", "stop"], timeout=_SECONDS * 2)
    # Debian 12's script forgets a daemon whose directory has changed
    left = processes(service)
    for process in left:
        _quietly(process.terminate)
    _, stubborn = psutil.wait_procs(left, timeout=_SECONDS / 4)
    for process in stubborn:
        _quietly(process.kill)
    if not _comes_true(lambda: not running(service)):
        raise WizardError(f"stopping {service}: it still runs")


def restart(service: str) -> None:
    """Stop and start ``service``; WizardError as for both."""
    if not (systemd() and service == "postfix"):
        _stop(service)
    start(service)


def reload(service: str) -> None:
    """Let ``service`` read its configuration anew, without an interruption where it can.

    Raises:
        WizardError: when it can't.

    """
    doing = f"reloading {service}"
    if service not in _RELOADS:
        restart(service)
        return
    began = time.time()
    outcome = run(_RELOADS[service])
    if not outcome.ok or not running(service):
        raise WizardError(f"{doing}: {_said(service, outcome, began)}")


def expect_running(service: str, since: float) -> None:
    """See that ``service`` still runs: what a reload can't do, such as open a port, ends it a second later.

    Raises:
        WizardError: when it does not, with what was logged on it ``since`` then.

    """
    if not running(service):
        raise WizardError(f"{service} has ended: {_said(service, None, since)}")


def enable(service: str, *, at_boot: bool) -> None:
    """Let ``service`` start at boot, or not.

    Raises:
        WizardError: when systemctl can't.

    """
    verb = "enable" if at_boot else "disable"
    run(["systemctl", verb, service]).expect(f"{verb[:-1]}ing {service} at boot")


def _comes_true(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def _quietly(signal: Callable[[], None]) -> None:
    try:
        signal()
    except psutil.NoSuchProcess:
        return


def _said(service: str, outcome: Outcome | None, began: float) -> str:
    """Return what the program said, what the journal has on it since it ``began``, and what that means."""
    told = outcome.stderr + outcome.stdout if outcome else ""
    said = [line for line in told.splitlines() if line.strip()]
    if systemd():
        which = _LOGGED.get(service, ("-t", service, "-u", service))
        since = f"--since=@{began:.6f}"
        journal = run(["journalctl", "--no-pager", "-q", "-o", "json", "-n", "8", since, *which])
        lines = [from_journal(line.encode()) for line in journal.stdout.splitlines()] if journal.ok else []
        said += [line.text for line in lines]
        # the first one is the cause, the rest follows from it
        problem = next((problem for line in lines if (problem := explain(line))), None)
        said += [f"{problem.cause} {problem.remedy}"] if problem else []
    return "\n".join(said[-12:])
