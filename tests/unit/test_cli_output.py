"""What the command line prints, as it reaches a reader."""

from __future__ import annotations

import io
import select
import subprocess
import sys
from typing import TYPE_CHECKING

from wizard import cli, report
from wizard.changes import KINDS
from wizard.doing_words import DOING, doing
from wizard.journal import Checkpoint, State

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_CODE = "import sys; from wizard.saying import say; say(['step 1']); sys.stdin.read()"


def test_a_line_is_there_as_soon_as_it_is_printed() -> None:
    argv = [sys.executable, "-E", "-c", _CODE]  # buffered, whatever the environment says
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], 10)
        assert readable
        assert process.stdout.readline() == b"step 1\n"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _print_to_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr(sys, "stdout", _Terminal())
    monkeypatch.setenv("COLUMNS", str(columns))


_LONG = "the certificate in /etc/postfix/tls/mail.example.net.pem ends soon: renew it, then reload Postfix"


def test_on_a_terminal_no_word_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    _print_to_a_terminal(monkeypatch, 60)
    assert list(report.message_lines(f"{_LONG}\n  as it is: {_LONG}")) == [
        "the certificate in /etc/postfix/tls/mail.example.net.pem",
        "  ends soon: renew it, then reload Postfix",
        f"  as it is: {_LONG}",
    ]
    # a path that is longer than the terminal is wide can still be copied
    path = f"/{'x' * 70}"
    assert path in "\n".join(report.message_lines(f"look at {path} again"))


def test_in_a_pipe_every_line_is_whole() -> None:
    assert list(report.message_lines(f"{_LONG}\n\n{_LONG}")) == [_LONG, "", _LONG]


def test_a_past_change_is_one_line_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _print_to_a_terminal(monkeypatch, 80)
    ids = ("20261127-173141", "20261127-173141-2")
    summary = "backend, mechanisms, tls: 13 changes"
    made = [
        Checkpoint(each, "2026-11-27T17:31:41+00:00", summary, "", State.ROLLED_BACK, tmp_path)
        for each in ids
    ]
    assert list(report.history_lines(made)) == [
        "20261127-173141    rolled back   backend, mechanisms, tls: 13 changes",
        "20261127-173141-2  rolled back   backend, mechanisms, tls: 13 changes",
    ]


def test_a_step_says_what_is_done() -> None:
    directory = "/var/spool/postfix/var/run/saslauthd"
    told = [doing(kind, directory) for kind in ("stat-override", "make-directory", "write-file")]
    assert told == [f"keep mode of {directory}", f"make {directory}", f"write {directory}"]
    assert doing("restart-service", "restart saslauthd") == "restart saslauthd"
    assert DOING.keys() <= KINDS.keys()


def test_what_nobody_foresaw_is_said_in_one_line_without_its_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> int:
        raise RuntimeError("CANARY")

    monkeypatch.setattr("wizard.cli._COMMANDS", {"history": broken})
    assert cli.main(["history"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("postfix-auth: unforeseen RuntimeError at test_cli_output.py, line")
    assert (said.count("\n"), "CANARY" in said) == (1, False)
