"""The wizard in a real pseudo-terminal: what it writes, and what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.machines.terminal import Terminal
from tests.terminal.site import tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_QUIET = 0.4  # seconds in which nothing comes any more
_LEAVE_ALTERNATE_SCREEN = b"\x1b[?1049l"


def _environment(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return {**kept, "TERM": "xterm-256color", "LANG": "en_US.UTF-8", "LC_ALL": "en_US.UTF-8", **more}


def _wizard(root: Path, **more: str) -> Terminal:
    argv = [sys.executable, "-m", "wizard.cli", "--root", str(root)]
    return Terminal(argv, env=_environment(**more))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tree(tmp_path)
    return tmp_path


@pytest.fixture
def terminal(root: Path) -> Iterator[Terminal]:
    with _wizard(root) as opened:
        opened.expect("Only look")
        _settle(opened)
        yield opened


def _settle(terminal: Terminal) -> None:
    """Wait until nothing comes any more, and nothing is being worked out either."""
    process = psutil.Process(terminal._process.pid)
    before: tuple[int, float] | None = None
    while before != (now := (len(terminal.transcript), _busy(process))):
        before = now
        deadline = time.monotonic() + _QUIET
        while time.monotonic() < deadline:
            terminal.screen()
            time.sleep(0.02)


def _busy(process: psutil.Process) -> float:
    """Return the processor time used, in tenths of a second: being idle takes a little as well."""
    spent = process.cpu_times()
    return round(spent.user + spent.system + spent.children_user + spent.children_system, 1)


def _cost(terminal: Terminal, key: str) -> int:
    """Return how many bytes a key makes the wizard write."""
    before = len(terminal.transcript)
    terminal.press(key)
    _settle(terminal)
    return len(terminal.transcript) - before


def test_an_arrow_key_in_a_list_is_under_a_kilobyte(terminal: Terminal) -> None:
    assert 0 < _cost(terminal, "down") < 1000
    assert 0 < _cost(terminal, "up") < 1000
    _cost(terminal, "enter")
    terminal.expect("of 10 Back end")
    assert 0 < _cost(terminal, "down") < 1000


def test_a_letter_is_under_300_bytes(terminal: Terminal) -> None:
    _cost(terminal, "down")
    _cost(terminal, "enter")
    terminal.expect("of 5 Smarthost")
    assert 0 < _cost(terminal, "r") < 300
    assert 0 < _cost(terminal, "e") < 300
    # also when it makes a message appear, and the lines below move
    assert 0 < _cost(terminal, "_") < 2000


def test_nothing_when_idle(terminal: Terminal) -> None:
    before = len(terminal.transcript)
    time.sleep(1.5)
    terminal.screen()
    assert len(terminal.transcript) == before


def test_a_page_is_under_four_kilobytes(terminal: Terminal) -> None:
    assert _cost(terminal, "enter") < 4000
    assert _cost(terminal, "f1") < 4000


def test_what_is_painted_in_parts_is_the_whole_picture(terminal: Terminal) -> None:
    for keys in ("enter", "down space", "enter", "f1", "x", "ctrl+n", "up space tab é _"):
        terminal.press(*keys.split())
        _settle(terminal)
        in_parts = terminal.screen()
        before = len(terminal.transcript)
        terminal.press("ctrl+l")
        _settle(terminal)
        assert len(terminal.transcript) - before > 500
        assert terminal.screen() == in_parts


def test_a_password_is_never_written(terminal: Terminal) -> None:
    terminal.press("down", "enter")
    terminal.expect("of 5 Smarthost")
    terminal.press(*"relay.example.net", "tab", "tab", *"joe", "tab", *"Xq7Zw9", "enter")
    terminal.expect("of 5 Review")
    _settle(terminal)
    assert b"Xq7Zw9" not in terminal.transcript
    assert not re.search(rb"Z.{0,40}w9", terminal.transcript)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_clean(terminal: Terminal, number: signal.Signals) -> None:
    os.kill(terminal._process.pid, number)
    assert terminal.wait() == 1
    assert _LEAVE_ALTERNATE_SCREEN in terminal.transcript


def test_without_its_terminal_it_ends_at_once(root: Path) -> None:
    argv = [sys.executable, "-m", "wizard.cli", "--root", str(root)]
    with Terminal(["setsid", "--ctty", "--wait", *argv], env=_environment()) as terminal:
        terminal.expect("Only look")
        terminal.hang_up(timeout=2)


def test_ctrl_c_leaves_the_terminal_clean(terminal: Terminal) -> None:
    terminal.press("ctrl+c")
    assert terminal.wait() == 0
    assert _LEAVE_ALTERNATE_SCREEN in terminal.transcript


def test_no_color_sends_no_colours(root: Path) -> None:
    with _wizard(root, NO_COLOR="1") as terminal:
        terminal.expect("Only look")
        terminal.press("enter")
        terminal.expect("of 10 Back end")
        _settle(terminal)
    sequences = re.findall(rb"\x1b\[([0-9;]+)m", terminal.transcript)
    looks = {int(look) for sequence in sequences for look in sequence.split(b";") if look}
    assert looks
    assert not {look for look in looks if look >= 30 and look not in (39, 49)}  # those mean "the default"


def test_a_console_without_many_signs_gets_ascii(root: Path) -> None:
    with _wizard(root, TERM="linux") as terminal:
        terminal.expect("Only look")
        _settle(terminal)
        assert terminal.screen().isascii()


def test_size_too_small_is_a_sentence(root: Path) -> None:
    argv = [sys.executable, "-m", "wizard.cli", "--root", str(root)]
    with Terminal(argv, env=_environment(), cols=50, rows=24) as terminal:
        assert terminal.wait() == 2
        assert b"60x20" in terminal.transcript
        assert b"\x1b[?1049h" not in terminal.transcript
