"""The launcher on a Debian that has nothing yet: it gets what is missing, once, or says why it can't."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.machines.images import Kind
from tests.machines.machine import LAUNCHER

if TYPE_CHECKING:
    from tests.machines.conftest import Boot
    from tests.machines.machine import Machine

_VERSION = "postfix-auth 0."
_HOME = "/var/lib/postfix-auth"


def _installed(machine: Machine) -> str:
    return machine.run("dpkg-query --show").stdout


def _wait_until(machine: Machine, condition: str) -> None:
    machine.run(f"until {condition}; do sleep 0.05; done", timeout=180)


def test_without_a_terminal_it_gets_what_is_missing_and_runs(boot: Boot) -> None:
    machine = boot(Kind.BARE, internet=True)
    machine.run("rm -rf /var/lib/apt/lists/*")
    first = machine.run([LAUNCHER, "--version"], timeout=300)
    assert first.stdout.startswith(_VERSION)
    assert first.stdout.count("\n") == 1
    assert "installing the Debian packages python3-venv libaugeas0 ..." in first.stderr
    assert not machine.exists("/usr/bin/cc")
    machine.python("import augeas, textual; augeas.Augeas(flags=augeas.Augeas.NO_MODL_AUTOLOAD)")

    machine.run(f"ln -s {LAUNCHER} /usr/local/bin/; mkdir /tmp/here")
    machine.write_file("/tmp/here/wizard.py", "raise SystemExit('imported from the current folder')")
    began = time.monotonic()
    second = machine.run("cd /tmp/here && PYTHONPATH=/tmp/here postfix-auth --version")
    assert time.monotonic() - began < 2
    assert (second.stdout, second.stderr) == (first.stdout, "")


def test_what_was_interrupted_is_done_again(boot: Boot) -> None:
    machine = boot(Kind.BARE, internet=True)
    pip_at_work = f"[ -e {_HOME}/venv.new/requirements.txt ]"
    launcher = machine.popen([LAUNCHER, "--version"])
    _wait_until(machine, pip_at_work)
    machine.kill()
    launcher.communicate()
    machine.boot()
    assert not machine.exists(f"{_HOME}/venv")

    # the launcher alone is killed, so that its pip goes on and must be waited for
    machine.run(f"rm -r {_HOME}/venv.new")
    launcher = machine.popen(["sh", "-c", f"echo $$ >/run/launcher.pid; exec {LAUNCHER} --version"])
    _wait_until(machine, pip_at_work)
    machine.run("kill -KILL $(cat /run/launcher.pid)")
    with machine.interactive([LAUNCHER, "--version"]) as terminal:
        asked = terminal.expect(r"Go ahead\? \[Y/n\]")
        assert "Debian packages" not in asked
        terminal.press("enter")
        terminal.expect("another set-up is running", timeout=30)
        assert terminal.wait(timeout=300) == 0
        assert _VERSION in terminal.screen()
    launcher.communicate()


def test_two_at_once_set_up_once(boot: Boot) -> None:
    machine = boot(Kind.BARE, internet=True)
    both = [machine.popen([LAUNCHER, "--version"]) for _ in range(2)]
    said = [launcher.communicate(timeout=300) for launcher in both]
    assert all(out.decode().startswith(_VERSION) for out, _ in said), said
    assert sum(err.decode().count("installing the Python packages") for _, err in said) == 1


def test_on_a_terminal_it_asks_and_no_leaves_everything_as_it_was(boot: Boot) -> None:
    machine = boot(Kind.BARE, internet=True)
    before = _installed(machine)
    for answer in ("n\r", "never\r", "\x04"):
        with machine.interactive([LAUNCHER, "--version"]) as terminal:
            asked = terminal.expect(r"Go ahead\? \[Y/n\]")
            assert "the Debian packages python3-venv libaugeas0" in asked
            assert f"{_HOME}/venv" in asked
            terminal.send(answer)
            assert terminal.wait() == 3
            assert "nothing was installed" in terminal.screen()
    assert _installed(machine) == before
    assert not machine.exists(_HOME)


def test_what_it_cannot_do_it_says_in_a_sentence(boot: Boot) -> None:
    machine = boot(Kind.BARE)
    user = machine.run([LAUNCHER, "--version"], user="nobody", check=False)
    assert user.status == 3
    assert "as root: apt-get install --no-install-recommends python3-venv libaugeas0" in user.stderr

    offline = machine.run([LAUNCHER, "--version"], check=False)
    assert offline.status == 1
    assert "installing the Debian packages python3-venv libaugeas0 failed" in offline.stderr
    assert "    E: " in offline.stderr
    assert not offline.stdout

    machine.run("mv /usr/bin/apt-get /usr/bin/apt-got")
    other = machine.run([LAUNCHER, "--version"], check=False)
    assert (other.status, other.stderr.count("\n")) == (3, 1)
    assert "no Debian system" in other.stderr


def test_a_user_without_a_home_is_told_what_to_do(boot: Boot) -> None:
    machine = boot(Kind.READY)
    user = machine.run([LAUNCHER, "--version"], user="nobody", env={"HOME": "/nonexistent"}, check=False)
    assert (user.status, user.stderr.count("\n")) == (3, 1)
    assert "run it as root, or set POSTFIX_AUTH_HOME" in user.stderr
