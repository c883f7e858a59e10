"""A shadow of this very host: the same files and programs, every write thrown away, a network of its own.

Runs as the first process of new mount and process namespaces (unshare(1)); :mod:`wizard.rehearsal` starts it.
Each file system of the host lies below an overlay whose upper layer is in memory; /run is empty, so that
neither systemd nor any running daemon can be reached; the mail queue is empty, so that nobody's mail is
delivered twice. When this process ends the kernel ends all that it started, and nothing of it is left.
"""

from __future__ import annotations

import ctypes
import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from wizard import services
from wizard.applier import hold_on, test
from wizard.changes import KINDS, InstallPackages, SetValues, codec
from wizard.changes.serving import ServiceChange, StopService
from wizard.check_targets import SHADOW
from wizard.commands import run
from wizard.doing_words import doing
from wizard.errors import HostError, WizardError
from wizard.events import Teller
from wizard.host import MAIN_CF
from wizard.root import Root

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wizard.changes import Change

_PROJECT = str(Path(__file__).resolve().parent.parent)
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET, unshare(2)
_SCRATCH = "/run"  # where the memory file system is mounted: a place that the shadow leaves out
_NOT_FILES = ("/dev", "/sys", "/proc", "/run", "/tmp")  # noqa: S108 - devices, or empty there
_QUEUES = (
    "active",
    "bounce",
    "corrupt",
    "defer",
    "deferred",
    "flush",
    "hold",
    "incoming",
    "maildrop",
    "saved",
)


def main() -> int:
    """Rehearse the work that standard input describes; tell the events on standard output."""
    hold_on()
    work: dict[str, codec.Json] = json.loads(sys.stdin.buffer.read())
    teller = Teller(_write, tested="the server in the shadow")
    try:
        _enter()
        _rehearse(work, teller)
    except WizardError as error:
        teller.tell("failed", str(error))
        teller.tell("finished", number=error.exit_code)
        return error.exit_code
    teller.tell("finished")
    return 0


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


# the place


def _enter() -> None:
    """Cover every file system, and go in.

    Raises:
        HostError: when the kernel, or the container that this is, does not allow it.

    """
    # listed first: what is mounted for the shadow itself is not part of it
    places = _file_systems()
    layers = Path(_SCRATCH)
    _mount("-t", "tmpfs", "-o", "mode=0700", "postfix-auth", _SCRATCH)
    inside = layers / "root"
    inside.mkdir()
    for number, place in enumerate(places):
        _cover(place, layers / str(number), inside)
    for place in ("/dev", "/sys"):
        _mount("--rbind", place, f"{inside}{place}")
    for place, mode in (("/run", "0755"), ("/tmp", "1777")):  # noqa: S108 - the shadow's own
        _mount("-t", "tmpfs", "-o", f"mode={mode}", "postfix-auth", f"{inside}{place}")
    for place in (_PROJECT, sys.prefix):
        if _is_below(place, _NOT_FILES):
            Path(f"{inside}{place}").mkdir(parents=True, exist_ok=True)
            _mount("--bind", place, f"{inside}{place}")
    _mount("-t", "proc", "proc", f"{inside}/proc")
    os.chroot(inside)
    os.chdir("/")
    Path("/run/lock").mkdir(mode=0o1777, exist_ok=True)
    Path(SHADOW).touch()


def _file_systems() -> list[str]:
    """Return where file systems with files of the host are mounted, parents first."""
    text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    places = {line.split()[4] for line in text.splitlines()}
    return sorted(
        place
        for place in places
        # blanks in a name are written with a backslash; nothing of a mail server lies there
        if "\\" not in place and Path(place).is_dir() and not _is_below(place, _NOT_FILES)
    )


def _is_below(place: str, parents: tuple[str, ...]) -> bool:
    return any(place == parent or place.startswith(f"{parent}/") for parent in parents)


def _cover(place: str, layer: Path, inside: Path) -> None:
    """Show ``place`` inside, every write to it kept in memory; where that can't be, it can only be read."""
    upper, scratch = layer / "upper", layer / "work"
    info = Path(place).stat()
    for directory in (layer, upper, scratch):
        directory.mkdir()
    os.chown(upper, info.st_uid, info.st_gid)
    upper.chmod(stat.S_IMODE(info.st_mode))
    options = f"lowerdir={place},upperdir={upper},workdir={scratch}"
    if place == "/":
        _mount("-t", "overlay", "-o", options, "postfix-auth", str(inside))
    elif not run(["mount", "-t", "overlay", "-o", options, "postfix-auth", f"{inside}{place}"]).ok:
        _mount("--bind", place, f"{inside}{place}")
        _mount("-o", "remount,bind,ro", f"{inside}{place}")


def _mount(*argv: str) -> None:
    done = run(["mount", *argv])
    if not done.ok:
        raise HostError(f"this host allows no shadow of itself: {done.stderr.strip() or 'mount failed'}")


def _leave_the_network(addresses: list[str]) -> None:
    """Go into a network of its own, in which this host's addresses mean this host as well."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise HostError(f"this host allows no network of its own: {reason}")
    done = run(["ip", "link", "set", "lo", "up"])
    if not done.ok:
        raise HostError(f"this host allows no network of its own: {done.stderr.strip() or 'ip failed'}")
    for address in addresses:
        run(["ip", "address", "add", f"{address}/32", "dev", "lo"])


# what happens there


def _rehearse(work: dict[str, codec.Json], teller: Teller) -> None:
    packed, began = work["changes"], time.time()
    changes = [codec.unpack(KINDS, record) for record in packed] if isinstance(packed, list) else []
    # a daemon of the host's own is out of reach here
    steps = [change for change in changes if not isinstance(change, ServiceChange | SetValues)]
    packages = [change for change in steps if isinstance(change, InstallPackages)]
    if packages:
        # what the packages start would find the host's own daemons on its ports
        Path("/usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        Path("/usr/sbin/policy-rc.d").chmod(0o755)
    _make(packages, 0, len(steps), teller)
    _leave_the_network([str(address) for address in _listed(work["addresses"])])
    with Path("/etc/hosts").open("a", encoding="utf-8") as hosts:
        hosts.writelines(f"{line}\n" for line in _listed(work["names"]))
    _make([step for step in steps if step not in packages], len(packages), len(steps), teller)
    _empty_queue()
    # Postfix waits a second or two before it trusts a main.cf that was written just now
    os.utime(MAIN_CF, (0, 0))
    wanted = {str(name) for name in _listed(work["running"])}
    wanted |= {change.service for change in changes if isinstance(change, ServiceChange)}
    wanted -= {change.service for change in changes if isinstance(change, StopService)}
    for service in sorted(wanted, key=lambda name: name == "postfix"):  # it asks the others
        teller.tell("step", f"start {service}", len(steps), len(steps))
        services.start(service)
    test(Root(), str(work["user"]), str(work["password"]), teller, began)


def _listed(value: codec.Json) -> list[codec.Json]:
    return value if isinstance(value, list) else []


def _make(steps: Sequence[Change], done: int, total: int, teller: Teller) -> None:
    for number, change in enumerate(steps, done + 1):
        teller.tell("step", doing(change.kind, change.target), number, total)
        change.apply(Root())


def _empty_queue() -> None:
    """Take the host's mail out of the shadow's queue."""
    queue = run(["postconf", "-h", "queue_directory"]).stdout.strip()
    for name in _QUEUES:
        if (place := Path(queue) / name).is_dir():
            info = place.stat()
            look = f"uid={info.st_uid},gid={info.st_gid},mode={stat.S_IMODE(info.st_mode):o}"
            _mount("-t", "tmpfs", "-o", look, "postfix-auth", str(place))


if __name__ == "__main__":
    sys.exit(main())
