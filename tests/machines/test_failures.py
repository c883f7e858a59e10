"""What fails on the way is said once, in words, and the host is as it was: disks, units, packages."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.machines.images import Kind
from tests.machines.machine import LAUNCHER, Machine

if TYPE_CHECKING:
    from tests.machines.conftest import Boot
    from tests.machines.inside import Result

pytestmark = pytest.mark.either_release

_FILE = "/root/policy.toml"
_POLICY = """
[backend]
type = "saslauthd-shadow"
[tls]
source = "self-signed"
names = ["mail.example.net"]
[submission]
[smarthost]
host = "relay.example.net"
user = "user"
password_file = "/root/password"
"""
_PAGE = 4096  # bytes, the least that a file takes
_APPLY = (LAUNCHER, "apply", "-p", _FILE, "--yes", "--no-test")
#: Owner, mode, links and content of all that an apply touches, what dpkg knows, what runs and listens.
_SEEN = r"""
cd / && find etc var/spool/postfix/etc var/spool/postfix/var \
    \( -name 'group*' -o -name 'gshadow*' -o -name '*.lock' \) -prune \
    -o -printf '%p %y %l %u:%g %m\n' 2>/dev/null | LC_ALL=C sort
find etc -type f ! -name 'group*' ! -name 'gshadow*' ! -name '*.lock' -print0 | LC_ALL=C sort -z |
    xargs -0 sha256sum
getent group; dpkg-statoverride --list; dpkg-query -Wf '${Package} ${Status}\n'
pgrep -l 'saslauthd|master' | cut -d' ' -f2 | sort; ss -Hltn | awk '{print $4}' | sort -u
find / -xdev -name '*postfix-auth-*' ! -path '/var/lib/*' ! -path '/opt/*'
"""
#: What Debian's own purging leaves behind: users and groups, aliases, and passwords.
_LEFT = re.compile(r"etc/(passwd|shadow|subuid|subgid|aliases|sasldb2)|^(postfix|postdrop|sasl|ssl-cert):")


@pytest.fixture
def host(machine: Machine) -> Machine:
    _give_policy(machine)
    return machine


def _give_policy(machine: Machine) -> None:
    machine.write_file(_FILE, _POLICY)
    machine.write_file("/root/password", "relay secret\n", mode=0o600)


def _states(host: Machine) -> list[str]:
    found = json.loads(host.run([LAUNCHER, "history", "--json"]).stdout)
    return [checkpoint["state"] for checkpoint in found["checkpoints"]]


def _fails(host: Machine, *words: str, status: int = 1, apply: tuple[str, ...] = _APPLY) -> Result:
    """Apply; it must end with ``status``, say why once, and leave the host as it was."""
    before = host.run(_SEEN).stdout
    done = host.run(apply, check=False, timeout=200)
    now = host.run(_SEEN).stdout
    assert done.status == status, done
    _says_it_once(done, *words)
    changed = set(before.splitlines()) ^ set(now.splitlines())
    if host.kind is Kind.READY:
        changed = {line for line in changed if not _LEFT.search(line)}
    assert not changed, sorted(changed)
    return done


def _says_it_once(done: Result, *words: str) -> None:
    for word in words:
        assert word in done.stderr, done
    assert done.stderr.count("postfix-auth: ") == 1, done
    for bad in ("Traceback", "Errno", "unforeseen", "relay secret"):
        assert bad not in done.stderr + done.stdout, done


def _left_nothing_open(host: Machine) -> None:
    assert not {"applying", "rolling back", "stuck"}.intersection(_states(host))
    assert "Traceback" not in host.run("cat /var/lib/postfix-auth/checkpoints/*/stderr || :").stdout


def _works_again(host: Machine) -> None:
    _left_nothing_open(host)
    done = host.run(_APPLY, check=False)
    assert "everything is applied" in done.stdout, done


def _on_a_small_disk(host: Machine, directory: str, size: str) -> None:
    """Let ``directory`` with all that is in it lie on a file system of its own, of that size."""
    host.run(f"""
        cp -a {directory} /root/kept && mount -t tmpfs -o size={size},mode=755 small {directory} &&
        cp -a /root/kept/. {directory}/
    """)


def _fill(host: Machine, directory: str, leave: int = 0) -> None:
    """Fill the file system that ``directory`` lies on, up to so many bytes."""
    host.run(
        f"dd if=/dev/zero of={directory}/filler bs=4k 2>/dev/null; truncate -s -{leave} {directory}/filler"
    )


def test_a_full_disk(host: Machine) -> None:
    _on_a_small_disk(host, "/etc/postfix", "1m")
    # it fails at one write after the other, until there is room for all
    for room in range(0, 1 << 20, _PAGE):
        _fill(host, "/etc/postfix", room)
        if host.run(_APPLY, check=False).status == 0:
            break
        _left_nothing_open(host)
        _fails(host, "/etc/postfix", "No space left on device")
    assert room > 4 * _PAGE
    host.run("rm /etc/postfix/filler")
    assert "Nothing to do" in host.run(_APPLY).stdout


def test_no_room_for_the_journal(host: Machine) -> None:
    home = "/var/lib/postfix-auth/checkpoints"
    host.run(f"mkdir -m 700 {home}")
    _on_a_small_disk(host, home, "2m")
    for room in (0, _PAGE, 2 * _PAGE, 1 << 16, 1 << 20):
        _fill(host, home, room)
        _fails(host, home, "No space left on device", "make room")
        _left_nothing_open(host)
    host.run(f"rm {home}/filler")
    _works_again(host)


#: Stands in for postmap, which is called when the files are written: fills the disk, then fails.
_FILLS = """#!/bin/sh
cat /dev/zero >$0.where/filler 2>/dev/null
echo 'postmap: fatal: No space left on device' >&2
exit 1
"""


@pytest.mark.parametrize("directory", ["/etc/postfix", "/var/lib/postfix-auth/checkpoints"])
def test_a_disk_that_fills_while_it_works(host: Machine, directory: str) -> None:
    host.run(f"mkdir -p -m 700 {directory}")
    _on_a_small_disk(host, directory, "4m")
    host.write_file("/usr/local/sbin/postmap", _FILLS, mode=0o755)
    host.run(["ln", "-s", directory, "/usr/local/sbin/postmap.where"])
    before = host.run(_SEEN).stdout
    done = host.run(_APPLY, check=False)
    assert done.status == 1, done
    _says_it_once(done, "No space left on device")
    assert "everything is as it was before" in done.stdout
    assert host.run(["stat", "-fc", "%f", directory]).stdout != "0\n" or directory == "/etc/postfix"
    host.run(f"rm {directory}/filler")
    now = host.run(_SEEN).stdout
    assert now == before, sorted(set(before.splitlines()) ^ set(now.splitlines()))
    host.run("rm /usr/local/sbin/postmap")
    _works_again(host)


@pytest.mark.parametrize("directory", ["/etc/postfix", "/var/lib/postfix-auth", "/etc"])
def test_a_read_only_file_system(host: Machine, directory: str) -> None:
    host.run(f"mount --bind {directory} {directory} && mount -o remount,bind,ro {directory}")
    status = 1 if directory.startswith("/var") else 3
    _fails(host, directory, "Read-only file system", "remount it read-write", status=status)
    for command in ("status", "history"):
        assert host.run([LAUNCHER, command]).status == 0
    assert host.run([LAUNCHER, "plan", "-p", _FILE]).status == 0
    host.run(f"umount {directory}")
    _works_again(host)


#: What chattr(1) does, which is not everywhere (FS_IOC_SETFLAGS, ioctl_iflags(2)).
_FLAG = "import fcntl, os, struct, sys; fcntl.ioctl(os.open(sys.argv[1], 0), 0x40086602, struct.pack('l', "


def _immutable(host: Machine, path: str, *, flag: int = 0x10) -> None:
    host.run(["python3", "-c", f"{_FLAG}{flag}))", path])


@pytest.mark.parametrize(
    "path", ["/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/default/saslauthd", "/etc/postfix"]
)
def test_an_immutable_file(host: Machine, path: str) -> None:
    _immutable(host, path)
    _fails(host, path, "Operation not permitted", "chattr -i", status=3)
    _immutable(host, path, flag=0)
    _works_again(host)


def test_a_file_that_can_not_be_replaced(host: Machine) -> None:
    host.run("mount --bind /etc/postfix/master.cf /etc/postfix/master.cf")
    _fails(host, "/etc/postfix/master.cf", "busy")
    host.run("umount /etc/postfix/master.cf")
    _works_again(host)


def test_a_unit_that_does_not_start(host: Machine) -> None:
    host.write_file(
        "/etc/systemd/system/saslauthd.service.d/broken.conf",
        "[Service]\nExecStart=\nExecStart=/bin/false\nExecStartPre=\n",
    )
    host.run("systemctl daemon-reload; systemctl stop saslauthd")
    _fails(host, "starting saslauthd: it does not run")
    host.run("rm -r /etc/systemd/system/saslauthd.service.d; systemctl daemon-reload")
    _works_again(host)


#: Listens on port 465, and is started by who has just been told to reload Postfix.
_TAKER = "import socket, time; taken = socket.create_server(('', 465)); time.sleep(1000)"
_TAKE = f'systemd-run -q --unit taker python3 -c "{_TAKER}"; until ss -Hltn | grep -q :465; do :; done'


def test_a_port_that_another_program_has(host: Machine) -> None:
    host.run(_TAKE)
    _fails(host, "port 465 is taken: python3 (process ", "listens on 0.0.0.0", status=3)
    host.run("systemctl stop taker")
    host.write_file(
        "/usr/local/sbin/postfix", f'#!/bin/sh\n{_TAKE}\nexec /usr/sbin/postfix "$@"\n', mode=0o755
    )
    before = host.run(_SEEN).stdout
    done = host.run([word for word in _APPLY if word != "--no-test"], check=False, timeout=200)
    assert (done.status, "everything is as it was before" in done.stdout) == (1, True), done
    _says_it_once(done, "postfix: it does not run", "Address already in use", "Another program has port 465")
    host.run("rm /usr/local/sbin/postfix; systemctl stop taker")
    assert host.run(_SEEN).stdout == before
    _works_again(host)


def test_postmap_fails(host: Machine) -> None:
    host.write_file(
        "/usr/local/sbin/postmap", "#!/bin/sh\necho 'postmap: fatal: no' >&2; exit 1\n", mode=0o755
    )
    _fails(host, "building the table for /etc/postfix/sasl_passwd", "postmap: fatal: no")
    host.run("rm /usr/local/sbin/postmap; : >/root/empty; chmod 755 /root/empty")
    # no program at all
    host.run("mount --bind /root/empty /usr/sbin/postmap")
    _fails(host, "postmap can't be run: Exec format error")
    host.run("umount /usr/sbin/postmap")
    _works_again(host)


#: Installs a package that owns a file which the packages to install bring too.
_CONFLICT = """
mkdir -p /root/other/DEBIAN /root/other/usr/sbin
echo : >/root/other/usr/sbin/saslauthd
printf 'Package: other\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@b>\\nDescription: a\\n' \\
    >/root/other/DEBIAN/control
dpkg-deb --build /root/other /root/other.deb && dpkg -i /root/other.deb && rm -r /root/other*
"""
_FAIL_ONCE = '"test -e /root/failed || { touch /root/failed; false; }"'


def test_packages_that_can_not_be_had(boot: Boot) -> None:
    host = boot(Kind.READY)
    _give_policy(host)
    _fails(host, "the packages that are needed can't be downloaded", status=3)
    _left_nothing_open(host)


def test_packages_that_fail_to_install(boot: Boot) -> None:
    host = boot(Kind.READY, internet=True)
    _give_policy(host)
    host.run("apt-get -q update", timeout=200)
    host.run(_CONFLICT)
    _fails(host, "installing ", "trying to overwrite '/usr/sbin/saslauthd', which is also in package other")
    host.run("dpkg --purge other")
    host.write_file("/etc/apt/apt.conf.d/99broken", f"DPkg::Post-Invoke {{ {_FAIL_ONCE}; }};\n")
    _fails(host, "installing ", "apt-get ended with status 100")
    host.run("rm /etc/apt/apt.conf.d/99broken")
    host.write_file("/etc/apt/preferences.d/pin", "Package: sasl2-bin\nPin: release *\nPin-Priority: -1\n")
    _fails(host, "sasl2-bin", status=3)
    host.run("rm /etc/apt/preferences.d/pin")
    _works_again(host)


def test_apt_at_work_is_waited_for(boot: Boot) -> None:
    host = boot(Kind.READY, internet=True)
    _give_policy(host)
    host.run("apt-get -q update", timeout=200)
    holder = (
        "import fcntl, time; f = open('/var/lib/dpkg/lock-frontend', 'w');"
        "fcntl.lockf(f, fcntl.LOCK_EX); time.sleep(15)"
    )
    host.run(["sh", "-c", 'setsid python3 -c "$0" >/dev/null 2>&1 & sleep 1', holder])
    done = host.run(_APPLY, check=False, timeout=200)
    assert (done.status, "everything is applied" in done.stdout) == (0, True), done
