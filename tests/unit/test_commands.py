"""Programs are run to their own end, and no further."""

from __future__ import annotations

import time

from wizard.commands import run, run_together


def test_a_daemon_that_is_left_behind_is_not_waited_for() -> None:
    began = time.monotonic()
    done = run(["sh", "-c", "sleep 30 & echo started; echo complaint >&2; exit 3"], timeout=20)
    assert time.monotonic() - began < 10
    assert (done.status, done.stdout, done.stderr) == (3, "started\n", "complaint\n")


def test_each_is_told_what_it_shall_know_and_asked_for_what_it_said() -> None:
    text = b"x" * 300_000
    assert run(["wc", "-c"], stdin=text).stdout.strip() == "300000"
    assert run(["cat"], stdin=text).stdout.encode() == text
    assert [done.stdout for done in run_together([["echo", "1"], ["echo", "2"]])] == ["1\n", "2\n"]


def test_what_takes_too_long_and_what_is_not_there_have_a_status_of_their_own() -> None:
    assert run(["sleep", "30"], timeout=0.1).status == 124
    assert run(["postfix-auth-is-not-called-so"]).status == 127
