"""The log is followed through all that happens to files, and what comes out steers no terminal."""

from __future__ import annotations

import json
import os
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wizard import check_log, logtail
from wizard.host import Host
from wizard.loglines import LONGEST, Line, Severity, Splitter, parse
from wizard.logtail import Attribution, Follower, Source, discover
from wizard.root import Root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEAD = "Nov 21 07:00:01 mail postfix/submission/smtpd[7]: "
_MASTER = "Nov 21 07:00:01 mail postfix/master[6]: "


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "var/log/mail.log"
    path.parent.mkdir(parents=True)
    path.write_text(_HEAD + "before the wizard came\n")
    return path


@pytest.fixture
def follower(log: Path) -> Iterator[Follower]:
    with Follower(Source(("/var/log/mail.log",)), Root(log.parents[2])) as follower:
        yield follower


def _append(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


def _texts(follower: Follower) -> list[str]:
    return [line.text for line in follower.poll()]


def test_starts_at_the_end_and_gives_each_line_once(log: Path, follower: Follower) -> None:
    assert follower.poll() == ()
    _append(log, _HEAD + "one\n" + _HEAD + "two\n")
    before = time.time()
    first, second = follower.poll()
    assert (first.program, first.daemon, first.pid, first.text) == (
        "postfix/submission/smtpd", "smtpd", 7, "one",
    )  # fmt: skip
    assert first.stamp == "Nov 21 07:00:01"
    assert abs(first.time - before) < 5
    assert second.text == "two"
    assert follower.poll() == ()


def test_a_half_line_waits_for_its_other_half(log: Path, follower: Follower) -> None:
    _append(log, _HEAD + "a whole li")
    assert _texts(follower) == []
    _append(log, "ne\n")
    assert _texts(follower) == ["a whole line"]


def test_rotation_by_renaming_loses_nothing(log: Path, follower: Follower) -> None:
    _append(log, _HEAD + "written before\n")
    log.rename(log.with_suffix(".1"))
    assert _texts(follower) == ["written before"]  # there is no file for a moment
    log.write_text(_HEAD + "in the new file\n")
    assert _texts(follower) == ["in the new file"]
    # the daemon has not been told to reopen yet
    _append(log.with_suffix(".1"), _HEAD + "late, in the old file\n")
    _append(log, _HEAD + "next\n")
    assert _texts(follower) == ["late, in the old file", "next"]


def test_an_old_file_is_let_go(log: Path, follower: Follower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logtail, "_LINGER", -1.0)
    for number in range(5):
        log.rename(log.with_suffix(f".{number}"))
        log.write_text(_HEAD + f"{number}\n")
        assert _texts(follower) == [f"{number}"]
    # one descriptor for the file that is followed
    followed = [target for target in _open_files() if target.startswith(str(log.parent))]
    assert followed == [str(log)]


def _open_files() -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names, some of which vanish meanwhile
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115 - as above
        except FileNotFoundError:
            continue
    return found


def test_truncation_is_a_new_beginning(log: Path, follower: Follower) -> None:
    _append(log, _HEAD + "long enough to be noticed\n" + _HEAD + "half of a li")
    assert _texts(follower) == ["long enough to be noticed"]
    os.truncate(log, 0)
    _append(log, _HEAD + "after\n")
    assert _texts(follower) == ["after"]


def test_a_log_that_is_not_there_yet_is_read_from_its_start(tmp_path: Path) -> None:
    (tmp_path / "var/log").mkdir(parents=True)
    with Follower(Source(("/var/log/mail.log",)), Root(tmp_path)) as follower:
        assert follower.poll() == ()
        (tmp_path / "var/log/mail.log").write_text(_HEAD + "born\n")
        assert _texts(follower) == ["born"]


def test_of_the_auth_log_only_what_concerns_mail(tmp_path: Path, log: Path) -> None:
    auth = log.with_name("auth.log")
    auth.touch()
    with Follower(Source(("/var/log/mail.log", "/var/log/auth.log")), Root(tmp_path)) as follower:
        _append(auth, "Nov 21 07:00:01 mail sudo:  joe : TTY=pts/0 ; USER=root\n")
        _append(auth, "Nov 21 07:00:01 mail saslauthd[5]:        : auth failure: [user=joe]\n")
        assert _texts(follower) == [": auth failure: [user=joe]"]


@pytest.mark.parametrize("kind", ["fifo", "device", "directory"])
def test_what_is_no_file_is_not_read(tmp_path: Path, kind: str) -> None:
    log = tmp_path / "log"
    if kind == "fifo":
        os.mkfifo(log)
    elif kind == "device":
        log.symlink_to("/dev/zero")
    else:
        log.mkdir()
    with Follower(Source(("/log",)), Root(tmp_path)) as follower:
        assert follower.poll() == ()


def test_a_line_without_end_is_cut_and_takes_no_memory(log: Path, follower: Follower) -> None:
    for _ in range(40):
        _append(log, b"x" * 100_000)
        assert follower.poll() == ()
    _append(log, "\n" + _HEAD + "next\n")
    endless, following = _texts(follower)
    assert len(endless) == LONGEST
    assert following == "next"


def test_a_flood_is_taken_in_turns(log: Path, follower: Follower) -> None:
    _append(log, (_HEAD + "flood\n") * 40_000)
    first = follower.poll()
    assert 0 < len(first) < 40_000
    taken = len(first)
    while more := follower.poll():
        taken += len(more)
    assert taken == 40_000


def test_hostile_bytes_are_shown_and_do_nothing(log: Path, follower: Follower) -> None:
    _append(log, _HEAD.encode() + b"\x1b]0;owned\x07\x9b2J\xff\r\xe2\x80\xaejoe\n")
    assert _texts(follower) == [r"\x1b]0;owned\x07\x9b2J\xff\r\u202ejoe"]


@given(st.binary(max_size=600))
def test_any_bytes_make_a_printable_line(raw: bytes) -> None:
    for line in (parse(raw), parse(b"{" + raw), parse(_HEAD.encode() + raw)):
        assert line.text.isprintable()
        assert line.program.isprintable()
        assert line.stamp.isprintable()
        assert isinstance(line.severity, Severity)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_FIELDS = ("MESSAGE", "SYSLOG_IDENTIFIER", "_COMM", "SYSLOG_PID", "_PID", "__REALTIME_TIMESTAMP")


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first of all texts takes a second to make
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(_FIELDS, _JSON | st.lists(st.integers(-1, 256)))))
def test_any_journal_record_makes_a_printable_line(record: dict[str, object]) -> None:
    line = parse(json.dumps(record).encode())
    assert line.text.isprintable()
    assert line.program.isprintable()


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_lines_are_the_same_however_they_arrive(content: bytes, cuts: list[int]) -> None:
    splitter = Splitter()
    places = [0, *sorted(cuts), len(content) + 300]
    pieces = [content[start:end] for start, end in pairwise(places)]
    lines = [line for piece in pieces for line in splitter.feed(piece)]
    assert [*lines, splitter.rest()] == content.split(b"\n")


@pytest.mark.parametrize(
    ("raw", "program", "pid", "text"),
    [
        (b"Nov  1 00:51:23 vm postfix/smtpd[298]: hello", "postfix/smtpd", 298, "hello"),
        (b"Nov 21 00:51:23.429094 vm postfix/smtpd[298]: hello", "postfix/smtpd", 298, "hello"),
        (b"2026-11-21T00:51:23.429094+00:00 vm postfix/smtpd[8]: hello", "postfix/smtpd", 8, "hello"),
        (b"2026-11-21T00:51:19+0000 vm postfix/smtpd[160]: hello", "postfix/smtpd", 160, "hello"),
        (b"2026-11-21T00:51:19Z vm postfix/smtpd[160]: hello\r\n", "postfix/smtpd", 160, "hello"),
        (b"1795222279.880661 vm postfix/smtpd[160]: hello", "postfix/smtpd", 160, "hello"),
        (b"<20>1 2026-11-21T00:51:23.4+00:00 vm postfix 298 - -  hello", "postfix", 298, "hello"),
        (b"2024-02-08T16:42:00.441548+00:00 INFO    postfix/smtp[36]: hi", "postfix/smtp", 36, "hi"),
        (b"Mar  7 02:09:33 vm mail.info postfix/smtpd[298]: hello", "postfix/smtpd", 298, "hello"),
        (b"web_1  | Mar  7 02:09:33 vm postfix/smtpd[298]: hello", "postfix/smtpd", 298, "hello"),
        (b"Nov 21 00:51:23 vm postfix/127.0.0.1:587/smtpd[2]: hi", "postfix/127.0.0.1:587/smtpd", 2, "hi"),
        (b"Nov 21 00:51:23 vm dovecot: auth: Error: hi", "dovecot", 0, "auth: Error: hi"),
        (b"Nov 21 00:20:02 vm saslauthd[68]:     : auth failure: x", "saslauthd", 68, ": auth failure: x"),
        (b"no log line at all", "", 0, "no log line at all"),
        (b'{"MESSAGE":"hello","SYSLOG_IDENTIFIER":"postfix/smtpd","_PID":"6"}', "postfix/smtpd", 6, "hello"),
        (b'{"MESSAGE":[104,105,27],"_COMM":"smtpd","SYSLOG_PID":"5","_PID":"6"}', "smtpd", 5, r"hi\x1b"),
        (b'{"MESSAGE":null}', "", 0, ""),
    ],
)  # fmt: skip
def test_every_format_is_understood(raw: bytes, program: str, pid: int, text: str) -> None:
    line = parse(raw)
    assert (line.program, line.pid, line.text) == (program, pid, text)


def test_a_journal_record_has_its_own_time() -> None:
    assert parse(b'{"MESSAGE":"x","__REALTIME_TIMESTAMP":"1795222279880813"}').time == 1795222279.880813


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("connect from unknown[127.0.0.1]", Severity.INFO),
        ("warning: SASL authentication failure: no", Severity.WARNING),
        ("error: open database x.db: No such file", Severity.ERROR),
        ("fatal: no SASL authentication mechanisms", Severity.FATAL),
        ("panic: myfree: corrupt", Severity.PANIC),
        ("auth: Fatal: Unknown authentication mechanism", Severity.FATAL),
        ("NOQUEUE: reject: a text with warning: in it", Severity.INFO),
        (": auth failure: [user=joe]", Severity.WARNING),
        ("do_auth         : auth failure: [user=joe]", Severity.WARNING),
    ],
)
def test_how_bad_a_line_is(text: str, severity: Severity) -> None:
    assert Line(0.0, "postfix/smtpd", 1, text).severity is severity


# where it is logged


def _make(root: Path, *paths: str) -> Root:
    for path in paths:
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (root / path.lstrip("/")).touch()
    return Root(root)


def test_maillog_file_is_where_postfix_logs(tmp_path: Path) -> None:
    root = _make(tmp_path, "/var/log/mail.log", "/usr/sbin/rsyslogd")
    assert str(discover(root, "/var/log/postfix.log")) == "/var/log/postfix.log"


def test_saslauthd_does_not_write_there(tmp_path: Path) -> None:
    root = _make(tmp_path, "/usr/bin/journalctl")
    assert discover(root, "/var/log/postfix.log") == Source(("/var/log/postfix.log",), journal=True)


@pytest.mark.parametrize("path", ["/var/log/mail.log", "/var/log/maillog"])
def test_a_syslog_daemon_writes_the_mail_log(tmp_path: Path, path: str) -> None:
    root = _make(tmp_path, path, "/usr/sbin/rsyslogd", "/usr/bin/journalctl", "/var/log/auth.log")
    found = discover(root)
    assert found == Source((path, "/var/log/auth.log"))
    assert str(found) == path


def test_a_mail_log_that_nobody_writes_is_history(tmp_path: Path) -> None:
    root = _make(tmp_path, "/var/log/mail.log", "/usr/bin/journalctl")
    assert str(discover(root)) == "the journal"


def test_without_any_of_them_it_says_so(tmp_path: Path) -> None:
    found = discover(Root(tmp_path))
    assert str(found).startswith("nowhere: ")
    with Follower(found, Root(tmp_path)) as follower:
        assert follower.poll() == ()


# whose line it is


def _said(text: str, pid: int = 7, program: str = "postfix/submission/smtpd") -> Line:
    return Line(0.0, program, pid, text)


def test_a_test_owns_what_smtpd_says_while_serving_it() -> None:
    owner = Attribution(("127.0.77.5", "127.0.77.6")).owner
    assert owner(_said("connect from unknown[127.0.77.5]")) == "127.0.77.5"
    assert owner(_said("connect from unknown[127.0.77.6]", 8)) == "127.0.77.6"
    failure = (
        "warning: SASL authentication failure: cannot connect to saslauthd server: No such file or directory"
    )
    assert owner(_said(failure)) == "127.0.77.5"
    assert owner(_said(failure, 8)) == "127.0.77.6"
    assert owner(_said("warning: unknown[127.0.77.5]: SASL PLAIN authentication failed")) == "127.0.77.5"
    assert owner(_said("disconnect from unknown[127.0.77.5] ehlo=1 auth=0/1 commands=1/2")) == "127.0.77.5"
    assert owner(_said("warning: whatever comes next")) is None


def test_nobody_owns_what_others_cause() -> None:
    owner = Attribution(("127.0.77.5",)).owner
    assert owner(_said("connect from unknown[127.0.77.5]")) == "127.0.77.5"
    assert owner(_said(": auth failure: [user=joe]", 7, "saslauthd")) is None
    assert owner(_said("connect from mail.example.net[192.0.2.1]", 9)) is None
    assert owner(_said("warning: SASL authentication failure: x", 9)) is None
    assert owner(_said("disconnect from a[127.0.77.50]", 9)) is None
    # the name that a stranger gives is not an address
    stranger = "warning: unknown[192.0.2.1]: SASL PLAIN authentication failed, sasl_username=x[127.0.77.5]"
    assert owner(_said(stranger, 9)) is None


def test_a_process_that_serves_the_next_client_is_not_the_tests_any_more() -> None:
    owner = Attribution(("127.0.77.5",)).owner
    assert owner(_said("connect from unknown[127.0.77.5]"))
    assert owner(_said("connect from unknown[192.0.2.1]")) is None
    assert owner(_said("warning: SASL authentication failure: x")) is None


def test_a_dead_process_owns_its_last_word() -> None:
    owner = Attribution(("127.0.77.5",)).owner
    assert owner(_said("connect from unknown[127.0.77.5]"))
    assert owner(_said("fatal: no SASL authentication mechanisms")) == "127.0.77.5"
    assert owner(_said("warning: process id used again")) is None


def test_what_ends_a_program_of_postfix_concerns_every_client(
    tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_log, "_LATE", 0)
    daemon = tmp_path / "usr/sbin/rsyslogd"
    daemon.parent.mkdir(parents=True)
    daemon.touch()
    host = Host(Root(tmp_path))
    vars(host)["postfix"] = None
    with check_log.RunLog(host) as run_log:
        _append(log, _HEAD + "warning: SASL authentication failure: another client's\n")
        _append(log, f"{_MASTER}fatal: bind 0.0.0.0 port 465: Address already in use\n")
        assert [problem.id for problem in run_log.awaited("127.0.77.5")] == ["port-taken"]


def test_what_smtpd_finds_wrong_before_its_first_client_is_that_ones() -> None:
    misfit = "warning: key at index 1 in /etc/mail.key does not match next certificate"
    lines = [
        _said(misfit),
        _said("warning: of somebody who was there before", 8),
        _said("connect from unknown[127.0.77.5]"),
        _said("disconnect from unknown[192.0.2.1]", 8),
        _said("connect from unknown[127.0.77.5]", 8),
        _said(misfit, 9),
    ]
    owners = [owner for _, owner in Attribution(("127.0.77.5",)).of(lines)]
    assert owners == ["127.0.77.5", None, "127.0.77.5", None, "127.0.77.5", None]


def test_a_line_can_name_its_client_without_brackets() -> None:
    owner = Attribution(("127.0.77.5",)).owner
    assert owner(_said("warning: hostname localhost does not resolve to address 127.0.77.5")) == "127.0.77.5"


@pytest.mark.parametrize(
    ("text", "noise"),
    [
        (
            "saslauthd.service:8: PIDFile= references a path below legacy directory /var/run/, updating",
            True,
        ),
        ("saslauthd.service: Consumed 120ms CPU time.", True),
        ("Starting saslauthd.service - SASL Authentication Daemon...", False),
        ("Started saslauthd.service - SASL Authentication Daemon.", False),
        ("Reloaded postfix.service - Postfix Mail Transport Agent.", False),
        ("saslauthd.service: Deactivated successfully.", False),
        ("saslauthd.service: Main process exited, code=exited, status=1/FAILURE", False),
        ("saslauthd.service: Failed with result 'exit-code'.", False),
        ("Dependency failed for postfix.service.", False),
        ("saslauthd.service: Start request repeated too quickly.", False),
        ("saslauthd.service: start operation timed out. Terminating.", False),
    ],
)
def test_of_systemd_only_what_starts_stops_or_fails(text: str, noise: bool) -> None:
    assert Line(0.0, "systemd", 1, text).noise is noise
    assert not Line(0.0, "postfix/smtpd", 7, text).noise


def test_noise_is_not_followed(log: Path, follower: Follower) -> None:
    _append(log, "Nov 21 07:00:01 mail systemd[1]: saslauthd.service: Consumed 1s CPU time.\n")
    _append(log, "Nov 21 07:00:01 mail systemd[1]: Stopped saslauthd.service.\n")
    assert _texts(follower) == ["Stopped saslauthd.service."]
