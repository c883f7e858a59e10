"""What this host is: facts, each looked up when first asked for, none of them by changing anything."""

from __future__ import annotations

import grp
import ipaddress
import os
import shutil
import socket
import stat
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from wizard import dovecot, platforms, processes, sasl
from wizard.changes import owners
from wizard.changes.packages import installed
from wizard.commands import run
from wizard.errors import HostError, ParseError
from wizard.ours import Made, made
from wizard.postfix import Postconf, Postfix
from wizard.root import Root
from wizard.smallfiles import read_host_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.platforms import Platform

_POSTCONF = "/usr/sbin/postconf"
MAIN_CF, MASTER_CF = "/etc/postfix/main.cf", "/etc/postfix/master.cf"


@dataclass(frozen=True, slots=True)
class Metadata:
    """Owner, group and mode of a file, as numbers."""

    uid: int
    gid: int
    mode: int


class Host:
    """One host, observed. ``arriving`` is the content of packages that the plan is about to install."""

    def __init__(self, root: Root | None = None, arriving: Root | None = None) -> None:
        self.root = root or Root()
        self.arriving = arriving

    # files

    def read(self, path: str) -> bytes | None:
        """Return the bytes of ``path`` as they are or will be once the packages are installed; None: no file.

        Raises:
            HostError: when it is no regular file, too large, or can't be read.

        """
        found = self._real(self.root, path)
        if found is None and self.arriving:
            source = self.platform.arriving.get(path, path)
            found = self._real(self.arriving, source)
        return found

    def start(self, path: str) -> bytes:
        """Return what an edit of ``path`` begins with: the file; for a fresh main.cf the platform's own."""
        found = self.read(path)
        if found is None and path == MAIN_CF:
            return self.platform.main_cf.replace("@HOSTNAME@", self.fqdn).encode()
        return found or b""

    @staticmethod
    def _real(root: Root, path: str) -> bytes | None:
        return read_host_file(root.file(path))

    def exists(self, path: str) -> bool:
        """Whether there is something at ``path``, a dangling symbolic link included."""
        real = self.root.path(path)
        return real.exists() or real.is_symlink()

    def metadata(self, path: str) -> Metadata | None:
        """Return owner, group and mode of ``path``; None if it is not there."""
        try:
            info = self.root.path(path).stat()
        except OSError:
            return None
        return Metadata(info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode))

    @cached_property
    def made(self) -> Made:
        """What earlier changes have made here; all else is somebody else's."""
        return made(self.root)

    # system

    @cached_property
    def platform(self) -> Platform:
        """The distribution's table."""
        return platforms.recognize(self.root)

    @cached_property
    def name(self) -> str:
        """The host's own name (gethostname(2)), on most hosts without a domain."""
        if self.root.live:
            return socket.gethostname()
        return (self.read("/etc/hostname") or b"localhost").decode("ascii", "replace").strip()

    @cached_property
    def fqdn(self) -> str:
        """The host's full name as far as it is known locally; its bare name otherwise."""
        asked = run(["hostname", "--fqdn"], timeout=3) if self.root.live else None
        return asked.stdout.strip() if asked and asked.ok and asked.stdout.strip() else self.name

    @cached_property
    def packages(self) -> frozenset[str]:
        """The installed packages, from dpkg's own database."""
        return installed(self.root)

    def missing(self, *capabilities: str) -> tuple[str, ...]:
        """Return the packages that the ``capabilities`` of the platform's table still need."""
        wanted = (package for capability in capabilities for package in self.platform.packages[capability])
        return tuple(dict.fromkeys(package for package in wanted if package not in self.packages))

    def members(self, group: str) -> frozenset[str] | None:
        """Return who is in ``group``, their first group or not; None: no such group."""
        return owners.members(self.root, group)

    def group_id(self, group: str) -> int | None:
        """Return the number of ``group`` on the running host; None if there is no such group."""
        try:
            return grp.getgrnam(group).gr_gid
        except KeyError:
            return None

    @cached_property
    def listeners(self) -> dict[int, tuple[processes.Listener, ...]]:
        """The TCP ports somebody listens on, with the addresses and who it is."""
        return processes.listeners() if self.root.live else {}

    @cached_property
    def addresses(self) -> tuple[str, ...]:
        """The host's own IPv4 addresses, those of its loopback interface first."""
        if not self.root.live:
            return ()
        found = psutil.net_if_addrs()
        ordered = sorted(found, key=lambda name: name != "lo")
        return tuple(
            item.address for name in ordered for item in found[name] if item.family == socket.AF_INET
        )

    def is_here(self, name: str) -> bool:
        """Whether ``name``, a host's name or address, is known to mean this very host; no DNS is asked."""
        if name.lower() in ("localhost", self.name, self.fqdn) or name in self.addresses:
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False

    # Postfix

    @cached_property
    def postconf(self) -> Postconf | None:
        """The postconf program that speaks for this host; None if none is installed."""
        if not self.root.live and self.root.path(_POSTCONF).exists():
            # by its own loader, for its libraries are not this host's
            loaders = sorted(self.root.prefix.glob("lib*/ld-linux*.so.*"))
            loader = (str(loaders[0]), "--library-path", libraries(self.root)) if loaders else ()
            return Postconf((*loader, str(self.root.path(_POSTCONF))), {})
        if self.arriving and self.arriving.path(_POSTCONF).exists():
            program = str(self.arriving.path(_POSTCONF))
            return Postconf((program,), {"LD_LIBRARY_PATH": libraries(self.arriving)})
        found = shutil.which("postconf", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        return Postconf((found,), {}) if found else None

    @cached_property
    def postfix(self) -> Postfix | None:
        """Postfix's configuration as Postfix reads it; None if Postfix is not installed (nor about to be)."""
        if self.postconf is None:
            return None
        directory = self.root.path("/etc/postfix")
        # reading them first, for postconf would wait for ever on a named pipe
        if all(self._real(self.root, path) is not None for path in (MAIN_CF, MASTER_CF)):
            return self.postconf.read(directory)
        if self.read(MASTER_CF) is None:
            return None
        files = {"main.cf": self.start(MAIN_CF), "master.cf": self.start(MASTER_CF)}
        with self.scratch(files) as scratch:
            return self.postconf.read(scratch)

    @staticmethod
    @contextmanager
    def scratch(files: dict[str, bytes]) -> Iterator[Path]:
        """Give a configuration directory that holds ``files`` and nothing else, for postconf to read."""
        with tempfile.TemporaryDirectory(prefix="postfix-auth.") as name:
            for file, data in files.items():
                path = Path(name) / file
                path.write_bytes(data)
                # Postfix waits a second or two before it trusts a main.cf that was written just now
                os.utime(path, (0, 0))
            yield Path(name)

    @property
    def settled_postfix(self) -> Postfix:
        """Postfix's configuration, for those who can't do without.

        Raises:
            HostError: when Postfix is not installed.

        """
        if self.postfix is None:
            raise HostError("Postfix is not installed on this host")
        return self.postfix

    @cached_property
    def table_type(self) -> str:
        """The kind of lookup table this host uses by default, as far as its Postfix can build it."""
        postfix = self.settled_postfix
        default = postfix.value("default_database_type")
        # a Postfix that is not installed yet can't be asked for more: its user is missing
        if self.postconf is None or (self.arriving and not self.root.path(_POSTCONF).exists()):
            return default
        with self.scratch({"main.cf": b"", "master.cf": b""}) as scratch:
            known = self.postconf.types(scratch, "-m")
        return next((kind for kind in (default, "lmdb", "cdb", "hash") if kind in known), "texthash")

    @cached_property
    def queue_directory(self) -> str:
        """Where chrooted services live.

        Raises:
            HostError: when that is no absolute path, which Postfix itself could not work with either.

        """
        found = self.postfix.value("queue_directory") if self.postfix else "/var/spool/postfix"
        if not found.startswith("/"):
            raise HostError(
                f"{MAIN_CF}: queue_directory = {found} is not an absolute path; correct that first"
            )
        return found

    # SASL

    @cached_property
    def smtpd_conf(self) -> sasl.SmtpdConf:
        """The smtpd.conf that counts."""
        return sasl.smtpd_conf(self.root, self.platform, self.settled_postfix)

    @cached_property
    def saslauthd(self) -> sasl.Saslauthd:
        """How saslauthd is configured, the one that smtpd asks."""
        return self.saslauthds[self.saslauthd_defaults]

    @cached_property
    def saslauthds(self) -> dict[str, sasl.Saslauthd]:
        """Every saslauthd by its defaults file: the usual one, and the instances where there can be some."""
        usual = self.platform.saslauthd.defaults
        others = sasl.defaults_files(self.root) if self.platform.saslauthd.instances else ()
        paths = dict.fromkeys((usual, *others))
        return {path: sasl.saslauthd(self.platform, self.read(path)) for path in paths}

    @cached_property
    def saslauthd_defaults(self) -> str:
        """The defaults file of the saslauthd that smtpd asks: the one with smtpd's socket, or the usual."""
        usual, every = self.platform.saslauthd.defaults, self.saslauthds
        if len(every) == 1 or self.postfix is None:
            return usual
        with suppress(ParseError, OSError, RuntimeError, ValueError):  # a path may be a loop, or none at all
            asked = sasl.asked_directories(self.platform, self.postfix, self.smtpd_conf)
            sockets = {self.root.path(directory).resolve() for directory in asked}
            for path in sorted(every, key=lambda path: not every[path].start):
                directory = every[path].run_dir or self.platform.saslauthd.run_dir
                if self.root.path(directory).resolve() in sockets:
                    return path
        return usual

    @cached_property
    def dovecot(self) -> dovecot.Settings | None:
        """How Dovecot is configured; None if there is none here, or it can't read its configuration."""
        with suppress(HostError):
            return dovecot.settings(dovecot.DIRECTORY) if self.has_dovecot else None
        return None

    @property
    def has_dovecot(self) -> bool:
        """Whether this host has a Dovecot that can be asked what it reads."""
        parts = (dovecot.DOVECONF, f"{dovecot.DIRECTORY}/{dovecot.MAIN}")
        return self.root.live and all(self.exists(part) for part in parts)

    @cached_property
    def mechanisms(self) -> frozenset[str]:
        """The mechanisms that installed plugins serve, those of the packages about to arrive included."""
        found = sasl.plugins(self.root, self.platform)
        if self.arriving:
            found |= sasl.plugins(self.arriving, self.platform)
        return sasl.mechanisms(self.platform, found)


def libraries(root: Root) -> str:
    """Where the programs of another tree find their shared libraries."""
    base = root.prefix / "usr/lib"
    return ":".join(str(place) for place in (base / "postfix", base, *sorted(base.glob("*-linux-gnu"))))
