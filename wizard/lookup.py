"""Checks a password as smtpd will: by libsasl's own plugins, as the user postfix, from inside the chroot.

libsasl is set up as root and asked after chroot(2) and setuid(2), in the order in which smtpd does it: what
can't be reached from there is found before anything is saved. It happens in a process of its own, which takes
the settings, a password among them, from standard input.

Source: Cyrus SASL's sasl.h and saslplug.h for the calls, Postfix's smtpd_sasl_glue.c for their order.
"""

from __future__ import annotations

import ctypes
import json
import os
import pwd
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.commands import run
from wizard.host import libraries
from wizard.secret import keep_memory_private

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wizard.host import Host

#: Where libldap finds its settings (ldap.conf(5)).
LDAP_CONF = "/etc/ldap/ldap.conf"
_PROJECT = Path(__file__).parent.parent
_SERVICE = b"smtp"
_NOBODY = "postfix-auth-test"
_OK, _DEBUG = 0, 5  # SASL_OK, SASL_LOG_DEBUG; above that libsasl would tell passwords
_END, _GETOPT, _LOG, _GETPATH = 0, 1, 2, 3  # SASL_CB_...
_UNKNOWN_OPTION = -1  # SASL_FAIL
_NO_USER, _WRONG_PASSWORD, _UNAVAILABLE = -20, -13, -24  # SASL_NOUSER, SASL_BADAUTH, SASL_UNAVAIL


@dataclass(frozen=True, slots=True)
class Smtpd:
    """What smtpd is like when it asks.

    ``chroot``: the queue directory, or empty: it is not chrooted, or not installed yet. ``name`` is
    myhostname, ``realm`` smtpd_sasl_local_domain.
    ``plugins`` and ``libraries``: where to find those that are not installed yet; empty: all are.
    ``ca_file``: what the ldap.conf that comes with them will name; empty: there is one.
    """

    chroot: str
    name: str
    realm: str = ""
    plugins: str = ""
    libraries: str = ""
    ca_file: str = ""

    @classmethod
    def of(cls, host: Host, *, chrooted: bool, realm: str) -> Smtpd:
        """Return what smtpd will be like on ``host``."""
        chroot = host.queue_directory if chrooted and host.exists(host.queue_directory) else ""
        found = cls(chroot, host.settled_postfix.value("myhostname"), realm)
        arriving = host.arriving
        places = [arriving.path(place) for place in host.platform.sasl.plugins] if arriving else []
        plugins = next((str(place) for place in places if place.is_dir()), "")
        if not arriving or not plugins:
            return found
        ca_file = "" if host.root.path(LDAP_CONF).exists() else host.platform.ca_file
        return replace(found, plugins=plugins, libraries=libraries(arriving), ca_file=ca_file)


@dataclass(frozen=True, slots=True)
class Answer:
    """How checking a password ended.

    ``code``: libsasl's; None: it did not end in time. ``said``: its log, the lines for debugging included.
    """

    code: int | None
    said: tuple[str, ...]

    @property
    def right(self) -> bool:
        """Whether user and password are right."""
        return self.code == _OK

    @property
    def unknown(self) -> bool:
        """Whether the back end says that there is no such user."""
        return self.code == _NO_USER

    @property
    def refused(self) -> bool:
        """Whether it says that the password is wrong, be it that of the user or its own."""
        return self.code == _WRONG_PASSWORD

    @property
    def unreachable(self) -> bool:
        """Whether it can't be reached."""
        return self.code == _UNAVAILABLE


def check(
    options: Mapping[str, str], smtpd: Smtpd, *, timeout: float, user: str = _NOBODY, password: str = _NOBODY
) -> Answer:
    """Check the ``password`` of ``user``, with ``options`` as smtpd.conf would give them.

    Without these two it is a user who does not exist. It waits ``timeout`` seconds at most.
    """
    work = {"options": dict(options), "chroot": smtpd.chroot, "name": smtpd.name, "realm": smtpd.realm}
    work |= {"plugins": smtpd.plugins, "user": user, "password": password}
    env = {"PYTHONPATH": str(_PROJECT), "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}
    if smtpd.libraries:
        env["LD_LIBRARY_PATH"] = smtpd.libraries
    if smtpd.plugins:  # for libldap, which asks libsasl in its turn
        env["SASL_PATH"] = smtpd.plugins
    if smtpd.ca_file and "ldapdb_rc" not in options:  # which it would override
        env["LDAPTLS_CACERT"] = smtpd.ca_file
    argv = [sys.executable, "-P", "-m", "wizard.lookup"]
    done = run(argv, stdin=json.dumps(work).encode(), timeout=timeout, env=env)
    try:
        found = json.loads(done.stdout)
        return Answer(int(found["code"]), tuple(str(line) for line in found["said"]))
    except (ValueError, KeyError, TypeError):
        return Answer(None, tuple(done.stderr.strip().splitlines()[-1:]))


def check_in_force(host: Host, *, timeout: float, user: str = _NOBODY, password: str = _NOBODY) -> Answer:
    """Check as :func:`check` does, with what ``host`` has in force, in the chroot if it has one with AUTH."""
    # the one option that makes checking a password write something
    options = {key: value for key, value in host.smtpd_conf.keys.items() if key != "auto_transition"}
    smtpd = Smtpd.of(host, chrooted=in_chroot(host), realm=realm(host))
    return check(options, smtpd, timeout=timeout, user=user, password=password)


def realm(host: Host) -> str:
    """Return the realm that ``host``'s smtpd puts behind a name without one; empty: none."""
    return host.settled_postfix.auth_values("smtpd_sasl_local_domain")[0]


def in_chroot(host: Host) -> bool:
    """Return whether an smtpd of ``host`` that offers AUTH is chrooted."""
    postfix = host.settled_postfix
    return any(postfix.chrooted(service) for service in postfix.auth_services)


# what follows runs in the process of its own

_Getopt = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.POINTER(ctypes.c_char_p),
    ctypes.POINTER(ctypes.c_uint),
)
_Log = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)
_Getpath = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char_p))


class _Callback(ctypes.Structure):
    """``sasl_callback_t``."""

    _fields_ = (("id", ctypes.c_ulong), ("proc", ctypes.c_void_p), ("context", ctypes.c_void_p))


class _Library:
    """libsasl, set up with options instead of a file. It must outlive every call: C keeps what it gets."""

    def __init__(self, options: Mapping[str, str], plugins: str) -> None:
        self.said: list[str] = []
        self._options = {key.encode(): value.encode() for key, value in options.items()}
        self._plugins = plugins.encode()
        self._procs = [(_GETOPT, _Getopt(self._getopt)), (_LOG, _Log(self._log))]
        if plugins:
            self._procs.append((_GETPATH, _Getpath(self._getpath)))
        entries = [_Callback(one, ctypes.cast(proc, ctypes.c_void_p)) for one, proc in self._procs]
        self._callbacks = (_Callback * (len(entries) + 1))(*entries, _Callback(_END))
        self._sasl = ctypes.CDLL("libsasl2.so.2")
        # no such NAME.conf exists, so that the options are all there is
        self.code = int(self._sasl.sasl_server_init(self._callbacks, b"postfix-auth-lookup"))

    def _getopt(
        self,
        _context: int | None,
        _plugin: bytes | None,
        option: bytes,
        result: ctypes._Pointer[ctypes.c_char_p],
        length: ctypes._Pointer[ctypes.c_uint],
    ) -> int:
        value = self._options.get(option)
        if value is None:
            return _UNKNOWN_OPTION
        result[0] = ctypes.c_char_p(value)
        if length:
            length[0] = ctypes.c_uint(len(value))
        return _OK

    def _getpath(self, _context: int | None, path: ctypes._Pointer[ctypes.c_char_p]) -> int:
        path[0] = ctypes.c_char_p(self._plugins)
        return _OK

    def _log(self, _context: int | None, level: int, message: bytes | None) -> int:
        if level <= _DEBUG and message:
            self.said.append(" ".join(message.decode(errors="replace").split()))
        return _OK

    def check(self, name: bytes, realm: bytes | None, user: bytes, password: bytes) -> int:
        """Check the password of ``user`` on the server called ``name``; return libsasl's code."""
        sasl, connection = self._sasl, ctypes.c_void_p()
        code = sasl.sasl_server_new(_SERVICE, name, realm, None, None, None, 0, ctypes.byref(connection))
        if code == _OK:
            code = sasl.sasl_checkpass(connection, user, len(user), password, len(password))
        return int(code)


def _become_smtpd(chroot: str) -> None:
    """Do what smtpd does once libsasl is set up; where Postfix is still to be installed stay who we are."""
    postfix = next((user for user in pwd.getpwall() if user.pw_name == "postfix"), None)
    groups = os.getgrouplist(postfix.pw_name, postfix.pw_gid) if postfix else []
    if chroot:
        os.chroot(chroot)
        os.chdir("/")
    if postfix:
        os.setgroups(groups)
        os.setgid(postfix.pw_gid)
        os.setuid(postfix.pw_uid)


def main() -> int:
    """Work off what standard input describes."""
    work = json.loads(sys.stdin.buffer.read())
    keep_memory_private()
    library = _Library(work["options"], work["plugins"])
    code = library.code
    if code == _OK:
        _become_smtpd(work["chroot"])
        realm = work["realm"].encode() or None
        code = library.check(work["name"].encode(), realm, work["user"].encode(), work["password"].encode())
    sys.stdout.write(json.dumps({"code": code, "said": library.said}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
