"""The folders that machines are booted from: each kind of Debian is built once and kept.

An image is a pile of layers: ``mail`` is what was added to ``ready``, that is what was added to ``bare``.
A layer's folder is named after a hash of its recipe and of what it lies on: a changed recipe, a new folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from tests.machines import site
from tests.machines.room import DIES_WITH_US, PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

CACHE = Path(os.environ.get("POSTFIX_AUTH_MACHINES", "/var/cache/postfix-auth-machines"))
REPOSITORY = Path(__file__).resolve().parents[2]
HOME = "/var/lib/postfix-auth"  # where the launcher puts what it installs
VENV = f"{HOME}/venv"

_TOOLS = {  # program on this host: the Debian package that brings it
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "slirp4netns": "slirp4netns",
    "ip": "iproute2",
}
_BASE = "systemd,systemd-sysv,dbus,iproute2,ca-certificates,python3,procps"
_CLIENTS = (
    "swaks libnet-ssleay-perl libio-socket-ssl-perl libauthen-sasl-perl libdigest-hmac-perl "
    "gsasl openssl curl msmtp strace"
)
_INSTALL = "apt-get -q -y install --no-install-recommends"
_KERBEROS = (
    "'krb5-config krb5-config/default_realm string EXAMPLE.NET' "
    "'krb5-config krb5-config/kerberos_servers string mail.example.net' "
    "'krb5-config krb5-config/admin_server string mail.example.net'"
)


class Debian(StrEnum):
    """The releases that are tested on."""

    BOOKWORM = "bookworm"
    TRIXIE = "trixie"

    @property
    def number(self) -> str:
        """Return the release's number."""
        return {"bookworm": "12", "trixie": "13"}[self]


class Kind(StrEnum):
    """What is on a machine when it boots."""

    BARE = "bare"  # a freshly installed Debian with python3
    CLIENTS = "clients"  # bare, and the mail clients that log in from outside
    READY = "ready"  # bare, and what the launcher would install; no mail server
    MAIL = "mail"  # ready, and Postfix, Cyrus SASL and the mail clients, as Debian leaves them
    SERVERS = "servers"  # mail, and where passwords are checked elsewhere: IMAP, LDAP, a KDC; all stopped
    DOVECOT = "dovecot"  # mail, and Dovecot as Debian leaves it
    DATABASES = "databases"  # mail, and PostgreSQL, MariaDB, SQLite, what libsasl asks them with, and slapd
    EVERY = "every"  # databases, and the rest that any back end or mechanism can ask for


_BELOW = {Kind.CLIENTS: Kind.BARE, Kind.READY: Kind.BARE, Kind.MAIL: Kind.READY, Kind.DOVECOT: Kind.MAIL,
          Kind.SERVERS: Kind.MAIL, Kind.DATABASES: Kind.MAIL, Kind.EVERY: Kind.DATABASES}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Image:
    """One kind of one Debian."""

    debian: Debian
    kind: Kind

    @property
    def below(self) -> Image | None:
        """Return the image that this one is piled on."""
        return Image(self.debian, _BELOW[self.kind]) if self.kind in _BELOW else None

    @property
    def folder(self) -> Path:
        """Return the folder of this layer alone, whether it is built or not."""
        ground = self.below.folder.name if self.below else "".join(map(_digest, site.authorities()))
        recipe = "\n".join((ground, _BASE, _INSIDE, _recipe(self.kind)))
        return CACHE / f"{self.debian}-{self.kind}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"

    def layers(self) -> tuple[Path, ...]:
        """Return the folders of this image, topmost first; those that are missing are built now."""
        lower = self.below.layers() if self.below else ()
        folder = self.folder
        if not folder.exists():
            with _locked():
                if not folder.exists():
                    _build(self, folder, lower)
        return (folder, *lower)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _recipe(kind: Kind) -> str:
    """Return the shell script that, run inside, makes ``kind`` from what lies below it."""
    return {
        Kind.BARE: "update-ca-certificates; apt-get -q update; rm -f /etc/hostname",
        Kind.CLIENTS: f"{_INSTALL} {_CLIENTS}",
        Kind.READY: (
            f"{_INSTALL} python3-venv libaugeas0; python3 -m venv {VENV}; "
            f"{VENV}/bin/pip install -q --no-compile {' '.join(_requirements())}; "
            f"PYTHONPYCACHEPREFIX={HOME}/pycache {VENV}/bin/python -m compileall -q {VENV}/lib"
        ),
        Kind.MAIL: (
            "printf '%s\\n' 'postfix postfix/main_mailer_type select Internet Site' "
            "'postfix postfix/mailname string mail.example.net' | debconf-set-selections; "
            f"{_INSTALL} postfix sasl2-bin libsasl2-modules {_CLIENTS}"
        ),
        Kind.SERVERS: (
            f"printf '%s\\n' {_KERBEROS} "
            "'slapd slapd/domain string example.net' 'slapd slapd/password1 password admin' "
            "'slapd slapd/password2 password admin' | debconf-set-selections; "
            f"{_INSTALL} dovecot-imapd slapd ldap-utils krb5-kdc krb5-admin-server krb5-user; "
            "systemctl disable dovecot slapd krb5-kdc krb5-admin-server"
        ),
        Kind.DOVECOT: f"{_INSTALL} dovecot-core dovecot-imapd",
        Kind.DATABASES: (
            "printf '%s\\n' 'slapd slapd/no_configuration boolean true' | debconf-set-selections; "
            f"{_INSTALL} libsasl2-modules-sql postgresql mariadb-server sqlite3 "
            "libsasl2-modules-ldap slapd ldap-utils; "
            "systemctl disable postgresql mariadb slapd"
        ),
        Kind.EVERY: (
            f"printf '%s\\n' {_KERBEROS} | debconf-set-selections; "
            f"{_INSTALL} dovecot-imapd dovecot-gssapi krb5-kdc krb5-admin-server krb5-user "
            "libsasl2-modules-gssapi-mit libsasl2-modules-otp libauthen-scram-perl; "
            "systemctl disable dovecot krb5-kdc krb5-admin-server"
        ),
    }[kind]


def _requirements() -> list[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return [f"'{requirement}'" for requirement in project["dependencies"]]


@contextmanager
def _locked() -> Iterator[None]:
    """Keep other test processes from building at the same time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(image: Image, folder: Path, lower: tuple[Path, ...]) -> None:
    """Build one layer next to its place and move it there when it is whole."""
    began = time.monotonic()
    new, work = CACHE / f"{image.debian}-{image.kind}.new", CACHE / f"{image.debian}-{image.kind}.work"
    for left_over in (new, work):
        shutil.rmtree(left_over, ignore_errors=True)
        left_over.mkdir(parents=True)
    log = CACHE / f"{image.debian}-{image.kind}.log"
    with log.open("wb") as out:
        if not lower:
            _debootstrap(image.debian, new, out.fileno())
            site.trust_authorities(new)
        done = subprocess.run(
            [*_ALONE, "sh", "-euc", _INSIDE, "build", str(new), str(work), ":".join(map(str, lower)),
             _recipe(image.kind), *map(str, site.pip_folders())],
            env={"PATH": PATH, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8",
                 **site.proxies(), **site.pip_environment()},
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False,
        )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{folder.name} could not be built, see {log}")
    shutil.rmtree(work)
    new.rename(folder)
    sys.stderr.write(f"built {folder.name} in {time.monotonic() - began:.0f} s\n")


# What runs behind this takes its mounts and processes along when it ends or the tests are killed.
_ALONE = (
    *DIES_WITH_US, "unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc",
    "--propagation", "private",
)  # fmt: skip

# Arguments: new layer, overlay's work folder, lower layers, recipe, folders of pip. What the build alone
# needs (network, no starting of services) leaves no trace.
_INSIDE = """
new=$1 work=$2 lower=$3 recipe=$4 root=$1; shift 4
hostname mail.example.net
if [ -n "$lower" ]; then
    root=$work/root; mkdir "$work/work" "$root"
    mount -t overlay overlay -o "lowerdir=$lower,upperdir=$new,workdir=$work/work" "$root"
fi
mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"
printf '127.0.0.1 localhost\\n127.0.1.1 mail.example.net mail\\n' > "$root/etc/hosts"
cat /etc/resolv.conf > "$root/etc/resolv.conf"
printf '#!/bin/sh\\nexit 101\\n' > "$root/usr/sbin/policy-rc.d"; chmod 755 "$root/usr/sbin/policy-rc.d"
for folder; do mkdir -p "$root$folder"; mount --bind "$folder" "$root$folder"; done
chroot "$root" sh -euc "$recipe"
for folder; do umount "$root$folder"; rmdir "$root$folder"; done
rm -f "$root/usr/sbin/policy-rc.d" "$root"/var/cache/apt/archives/*.deb
: > "$root/etc/resolv.conf"
"""


def _debootstrap(debian: Debian, into: Path, out: int) -> None:
    subprocess.run(
        [*_ALONE, "debootstrap", "--variant=minbase", f"--include={_BASE}", debian, str(into)],
        env={"PATH": PATH, "LC_ALL": "C.UTF-8", **site.proxies()},
        stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=True,
    )  # fmt: skip


def prepare() -> None:
    """Install what the machines need on this Debian host, build every image and remove outdated ones."""
    missing = [package for tool, package in _TOOLS.items() if not shutil.which(tool, path=PATH)]
    if missing:
        subprocess.run(["apt-get", "-q", "update"], check=True)
        subprocess.run(["apt-get", "-q", "-y", "install", "--no-install-recommends", *missing], check=True)
    current = {layer for debian in Debian for kind in Kind for layer in Image(debian, kind).layers()}
    for folder in CACHE.glob("*-*-????????????"):
        # other things are kept here as well
        if folder.is_dir() and folder not in current:
            _remove_unused(folder)


def hold(folder: Path) -> int:
    """Keep a layer from being removed until the file descriptor that is returned is closed."""
    descriptor = os.open(folder, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _remove_unused(folder: Path) -> None:
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    except BlockingIOError:
        sys.stderr.write(f"{folder.name} is in use and stays\n")
    finally:
        os.close(lock)
