"""The machines themselves: a test on them means something only if they are what they claim to be."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.machines.images import REPOSITORY, Debian, Kind
from tests.machines.machine import STRANGER, Machine
from tests.machines.room import MachineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.machines.conftest import Boot


def test_it_is_the_debian_it_is_named_after(boot: Boot, debian: Debian) -> None:
    machine = boot(Kind.BARE)
    assert f'VERSION_ID="{debian.number}"' in machine.read_file("/etc/os-release")
    assert machine.run("cat /proc/1/comm").stdout == "systemd\n"
    assert machine.run("systemctl is-system-running").stdout == "running\n"


def test_it_knows_its_name_and_shows_nothing_of_this_host(
    boot: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THIS_HOST", "1")
    machine = boot(Kind.BARE, hostname="mx.example.org")
    assert machine.run("hostname --fqdn").stdout == "mx.example.org\n"
    assert "OF_THIS_HOST" not in machine.run("env").stdout
    assert machine.run("ls /sys/class/net").stdout == "lo\n"


def test_a_stranger_lives_on_its_loopback_and_may_not_relay(machine: Machine) -> None:
    relay = ["swaks", "--to", "someone@example.org", "--quit-after", "RCPT", "--server"]
    machine.wait_for_port(25, host=STRANGER)
    assert machine.run([*relay, "127.0.0.1"]).status == 0
    assert "Relay access denied" in machine.run([*relay, STRANGER], check=False).stdout


def test_postfix_greets(machine: Machine) -> None:
    machine.wait_for_port(25)
    code = "import smtplib; print(smtplib.SMTP('127.0.0.1', 25).ehlo()[1].decode())"
    assert machine.python(code).stdout.startswith("mail.example.net\n")


@pytest.mark.parametrize("init", [True, False], ids=["systemd", "no init"])
def test_files_survive_a_reboot_and_processes_do_not(boot: Boot, init: bool) -> None:
    machine = boot(Kind.BARE, init=init)
    machine.write_file("/etc/postfix-auth/note", "kept\n", mode=0o600)
    machine.run("setsid sleep 1000 >/dev/null 2>&1 & touch /run/gone")
    machine.reboot()
    assert machine.read_file("/etc/postfix-auth/note") == "kept\n"
    assert machine.run("stat -c %a /etc/postfix-auth/note").stdout == "600\n"
    assert machine.run("pgrep -fx 'sleep 1000'", check=False).status == 1
    assert not machine.exists("/run/gone")


def test_it_can_be_killed_and_booted_again(boot: Boot) -> None:
    machine = boot(Kind.BARE)
    machine.write_file("/root/note", "kept")
    machine.kill()
    machine.boot()
    assert machine.read_file("/root/note") == "kept"


def test_without_init_there_is_no_systemd(boot: Boot) -> None:
    machine = boot(Kind.MAIL, init=False)
    assert not machine.exists("/run/systemd")
    assert machine.run("systemctl status", check=False).status != 0
    machine.run("postfix start")
    machine.wait_for_port(25)


def test_linked_machines_see_each_other(boot: Boot, join: Callable[..., tuple[str, ...]]) -> None:
    server = boot(Kind.MAIL)
    client = boot(Kind.CLIENTS, hostname="client.example.net")
    addresses = join(server, client)
    assert addresses == ("192.0.2.1", "192.0.2.2")
    client.wait_for_port(25, host="mail.example.net")
    client.run(["swaks", "--server", "mail.example.net", "--quit-after", "EHLO"])
    assert f"[{addresses[1]}]" in server.journal()


def test_only_a_machine_that_asks_for_it_reaches_the_world(boot: Boot) -> None:
    update = "apt-get -q update --error-on=any -o Acquire::Retries=0"
    assert boot(Kind.BARE).run(update, check=False).status != 0
    assert boot(Kind.BARE, internet=True).run(update, check=False).status == 0


def test_the_repository_can_be_read_and_not_written(boot: Boot) -> None:
    machine = boot(Kind.READY)
    assert machine.exists("/opt/postfix-auth/pyproject.toml")
    assert machine.run("touch /opt/postfix-auth/new", check=False).status != 0
    machine.run("cmp -s /opt/postfix-auth/pyproject.toml /var/lib/postfix-auth/venv/pyproject.toml")
    machine.python("import augeas, textual; augeas.Augeas(flags=augeas.Augeas.NO_MODL_AUTOLOAD)")


def test_commands_get_input_user_and_limits(boot: Boot) -> None:
    machine = boot(Kind.BARE)
    assert machine.run(["cat"], stdin="öäü\n").stdout == "öäü\n"
    assert machine.run("id -un; echo $MORE", user="nobody", env={"MORE": "more"}).stdout == "nobody\nmore\n"
    with pytest.raises(MachineError, match="no such thing"):
        machine.run("echo no such thing >&2; exit 3")
    with pytest.raises(MachineError, match="did not end"):
        machine.run("sleep 1001; true", timeout=0.2)
    assert machine.run("pgrep -x 'sleep'", check=False).status == 1


def test_a_daemon_left_behind_does_not_hold_up_the_command(boot: Boot) -> None:
    began = time.monotonic()
    boot(Kind.BARE).run("sleep 30 & echo started")
    assert time.monotonic() - began < 20


def test_a_terminal_is_a_real_one(boot: Boot) -> None:
    with boot(Kind.BARE).interactive(["bash", "--norc"], cols=100, rows=30) as terminal:
        terminal.send("tty; stty size; read -sp 'Secret: ' secret </dev/tty\r")
        terminal.expect(r"^/dev/pts/\d+\n30 100\nSecret:")
        terminal.send('hidden\rsh -c "echo got ${#secret}; exec sleep 1002"\r')
        assert "hidden" not in terminal.expect("^got 6$")
        terminal.press("ctrl+c")
        terminal.send("exit 3\r")
        assert terminal.wait() == 3


def test_a_killed_test_leaves_nothing_running(debian: Debian) -> None:
    script = f"""
from tests.machines.machine import *
with Machine(Debian("{debian}"), Kind.BARE, internet=True) as machine:
    print(machine.room.pid, machine.pid, flush=True)
    machine.run("sleep 1003")
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as other:
        assert other.stdout is not None
        room, init = (psutil.Process(int(pid)) for pid in other.stdout.readline().split())
        everything = [init, *init.children(recursive=True), room]
        other.kill()
    assert len(everything) > 3
    deadline = time.monotonic() + 10
    while any(map(_lives, everything)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [one for one in everything if _lives(one)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
