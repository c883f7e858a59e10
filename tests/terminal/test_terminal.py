"""Where the wizard can't be shown, it says so before Textual is loaded."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from screens import terminal


class _Stream:
    encoding = "utf-8"
    closed = False

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2


@pytest.fixture(autouse=True)
def _good_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("__stdin__", "__stdout__", "__stderr__"):
        monkeypatch.setattr(sys, name, _Stream())
    monkeypatch.setenv("TERM", "xterm")
    _size(monkeypatch, 80, 24)


def _size(monkeypatch: pytest.MonkeyPatch, columns: int, rows: int) -> None:
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((columns, rows)))


def test_a_good_terminal_is_taken() -> None:
    assert terminal.unusable() == ""


@pytest.mark.parametrize("name", ["__stdin__", "__stdout__", "__stderr__"])
def test_no_terminal(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(_Stream, "isatty", lambda _: False)
    assert "needs a terminal" in terminal.unusable()
    monkeypatch.setattr(sys, name, None)
    assert "postfix-auth status" in terminal.unusable()


@pytest.mark.parametrize("kind", ["", "dumb", "unknown"])
def test_a_terminal_that_can_not_place_text(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("TERM", kind)
    assert f'TERM is "{kind}"' in terminal.unusable()


def test_no_utf8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Stream, "encoding", "iso-8859-1")
    assert "UTF-8" in terminal.unusable()


_SIZES = [(60, 20, True), (59, 20, False), (60, 19, False), (0, 0, True)]


@pytest.mark.parametrize(("columns", "rows", "fits"), _SIZES)
def test_size(monkeypatch: pytest.MonkeyPatch, columns: int, rows: int, fits: bool) -> None:
    _size(monkeypatch, columns, rows)
    assert (terminal.unusable() == "") is fits


def test_asking_loads_no_textual() -> None:
    code = "import sys; from screens import terminal; terminal.unusable(); print('textual' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_size_that_nobody_told_is_no_crash() -> None:
    ours, theirs = pty.openpty()
    code = "from screens import terminal; print(terminal.unusable() or 'fine')"
    environment = {**os.environ, "TERM": "vt100", "LC_ALL": "C.UTF-8"}
    subprocess.run(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, check=True
    )
    assert os.read(ours, 1000) == b"fine\r\n"
    os.close(ours)
    os.close(theirs)
