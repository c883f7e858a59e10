"""One throw-away Debian: booted, used like a host of one's own, rebooted, killed, gone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from tests.machines import site
from tests.machines.cgroups import Cgroup
from tests.machines.images import CACHE, REPOSITORY, VENV, Debian, Image, Kind, hold
from tests.machines.inside import Inside
from tests.machines.network import NAMESERVER, connect_to_world
from tests.machines.room import DIES_WITH_US, ENVIRONMENT, MachineError, Room, end

if TYPE_CHECKING:
    from types import TracebackType

STRANGER = "198.51.100.7"  # an address on every machine's loopback that is not in mynetworks
LAUNCHER = "/opt/postfix-auth/postfix-auth"

_PLACE = CACHE / "place"  # an empty folder; in each room a machine's file system is mounted over it
_REBOOTING = 133  # how systemd-nspawn ends when the machine wants to start again

# Arguments: the place, the image's layers. What the machine writes stays in memory.
_FURNISH = f"""
place=$1 lower=$2
mount -t tmpfs run /run
mount -t tmpfs -o mode=755 machine "$place"
mkdir "$place/upper" "$place/work" "$place/root"
mount -t overlay machine -o "lowerdir=$lower,upperdir=$place/upper,workdir=$place/work" "$place/root"
ip address add {STRANGER}/32 dev lo
"""


class Machine(Inside):
    """A booted Debian, to be used as a context manager.

    The repository is at /opt/postfix-auth, read-only. Nothing of it outlives the ``with`` block.
    """

    def __init__(
        self,
        debian: Debian,
        kind: Kind = Kind.MAIL,
        *,
        hostname: str = "mail.example.net",
        internet: bool = False,
        init: bool = True,
    ) -> None:
        """Describe the machine.

        ``hostname`` is a full name; the machine finds it in its /etc/hosts. ``internet`` lets it reach what
        this host reaches, package archives above all. Without ``init`` it is like a container: no systemd,
        only what a test starts.
        """
        super().__init__(site.proxies() if internet else {})
        self.debian, self.kind, self.hostname = debian, kind, hostname
        self.internet, self.init = internet, init
        self._id = uuid.uuid4().hex
        self._gateway: subprocess.Popen[bytes] | None = None
        self._nspawn: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        layers = Image(self.debian, self.kind).layers()
        self._held = [hold(layer) for layer in layers]
        _PLACE.mkdir(exist_ok=True)
        self._console = tempfile.TemporaryFile()
        self._cgroup = Cgroup()
        self.room = Room(_FURNISH, str(_PLACE), ":".join(map(str, layers)))
        try:
            self._furnish()
            if self.internet:
                self._gateway = connect_to_world(self.room)
            self.boot()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the machine and all that belongs to it."""
        self.kill()
        if self._gateway:
            self._gateway.kill()
            self._gateway.communicate()
        self.room.close()
        self._cgroup.remove()
        self._console.close()
        for layer in self._held:
            os.close(layer)

    def _furnish(self) -> None:
        """Write what makes this machine one of its own."""
        root = self.room.path(_PLACE / "root")
        short = self.hostname.partition(".")[0]
        nameserver = f"nameserver {NAMESERVER}\n" if self.internet else ""
        files = {
            "machine-id": f"{self._id}\n",  # without one the first boot would enable every service
            "hostname": f"{short}\n",
            "hosts": f"127.0.0.1\tlocalhost\n127.0.1.1\t{self.hostname} {short}\n::1\tlocalhost\n",
            "resolv.conf": nameserver,
        }
        for name, text in files.items():
            (root / "etc" / name).unlink(missing_ok=True)
            (root / "etc" / name).write_text(text)
        if self.internet:
            site.configure_pip(root)
        venv = root / VENV.lstrip("/")
        if venv.is_dir():
            shutil.copy(REPOSITORY / "pyproject.toml", venv)  # the launcher sees that this is the right one

    def boot(self) -> None:
        """Boot the machine, which is off, and wait until systemd has started everything.

        Raises:
            MachineError: with the console's last lines, when it is not up within 60 s.

        """
        self._console.truncate(0)
        self._nspawn = subprocess.Popen(
            ["sh", "-euc", 'echo $$ > "$0/cgroup.procs"; exec "$@"', str(self._cgroup.folder),
             *DIES_WITH_US, "nsenter", "-t", str(self.room.pid), "-m", "-n", "-p",
             "systemd-nspawn", *self._nspawn_options()],
            env=ENVIRONMENT | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            stdin=subprocess.DEVNULL, stdout=self._console, stderr=self._console, start_new_session=True,
        )  # fmt: skip
        ready = ["systemctl", "is-system-running", "--wait"] if self.init else ["echo", "running"]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._nspawn.poll() is None:
            if self._find_init() and self.run(ready, check=False).stdout.strip() in {"running", "degraded"}:
                return
            time.sleep(0.03)
        self.kill()
        raise MachineError(f"{self.hostname} did not boot:\n{self._console_text()}")

    def _nspawn_options(self) -> list[str]:
        packages = site.pip_folders() if self.internet else ()
        return [
            "--quiet", f"--directory={_PLACE}/root", "--register=no", "--keep-unit", "--console=passive",
            "--resolv-conf=off", "--timezone=off",
            "--link-journal=no", "--capability=CAP_NET_ADMIN",
            f"--bind-ro={REPOSITORY}:/opt/postfix-auth", *(f"--bind-ro={folder}" for folder in packages),
            *(["--boot"] if self.init else ["--as-pid2", "--", "sleep", "infinity"]),
        ]  # fmt: skip

    def _find_init(self) -> bool:
        """Find the machine's process 1, but only once it has left this host's file system.

        While it starts, a child of systemd-nspawn that is not it, and soon ends, may be there.
        """
        assert self._nspawn is not None
        try:
            nspawn = psutil.Process(self._nspawn.pid).children()[0]  # of nsenter
            self.pid = nspawn.children()[0].pid
            process = Path(f"/proc/{self.pid}")
            first = re.search(r"^NSpid:.*\t1$", (process / "status").read_text(), re.MULTILINE)
            return bool(first) and (process / "root/etc/machine-id").read_text().strip() == self._id
        except (OSError, IndexError, psutil.NoSuchProcess):
            return False

    def _console_text(self) -> str:
        self._console.seek(0)
        return self._console.read().decode(errors="replace")[-4000:]

    def reboot(self) -> None:
        """Reboot as an admin would: services are stopped, the files stay, everything starts again."""
        if self.init:
            assert self._nspawn is not None
            self.run(["systemctl", "reboot"], check=False)
            status = self._nspawn.wait(timeout=120)
            if status != _REBOOTING:
                raise MachineError(f"{self.hostname} ended with {status}:\n{self._console_text()}")
        else:
            self.kill()
        self.boot()

    def kill(self) -> None:
        """Stop the machine in the middle of whatever it does, like a power cut. ``boot`` starts it again."""
        if self._nspawn is None:
            return
        if self._find_init():
            os.kill(self.pid, signal.SIGKILL)  # takes all processes of the machine along
        end(self._nspawn)
        self._nspawn = None
