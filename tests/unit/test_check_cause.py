"""What the log says of the tests: who is believed, what is told, and whose lines count."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from wizard import check_words as words
from wizard import report
from wizard.check_caller import Account, Target
from wizard.check_cause import Causes
from wizard.check_log import RunLog
from wizard.check_run import Check, Result, Stage
from wizard.root import Root
from wizard.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wizard.check_caller import Caller, Seen
    from wizard.host import Host

_ADDRESS = "127.0.77.5"
_SMTPD = "mail postfix/submission/smtpd[7]:"
_REFUSED = f"{_SMTPD} warning: unknown[{_ADDRESS}]: SASL PLAIN authentication failed: authentication failure"
_DOWN = "mail saslauthd[9]: ldap_simple_bind() failed -1 (Can't contact LDAP server)."
_BIND = "Bind to ldap server failed (invalid user/password or insufficient access) (-7)"


def never(caller: Caller) -> Seen:
    raise NotImplementedError


def result(name: str, *, ok: bool = True, skipped: str = "") -> Result:
    check = Check(Target("submission", "127.0.0.1", 587), name, Stage.LOGINS, f"PLAIN, {name}", "535", never)
    now = time.time()
    return Result(check, ok, "535 5.7.8 Error", "", skipped, False, (), now, now, _ADDRESS)


class Log:
    """A host that logs to a file, and the log of a run of tests on it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "mail.log"
        self._file.touch()
        postfix = SimpleNamespace(value=lambda _: "/mail.log")
        root = Root(folder)
        host = SimpleNamespace(postfix=postfix, root=root, exists=lambda path: root.path(path).exists())
        self.host = cast("Host", host)
        self.run = RunLog(self.host)

    def has(self, *lines: str) -> None:
        """Log the conversation of one test in which ``lines`` were logged as well."""
        began, ended = (f"{_SMTPD} {word} from unknown[{_ADDRESS}]" for word in ("connect", "disconnect"))
        with self._file.open("a") as file:
            file.writelines(f"Nov 27 10:00:00 {line}\n" for line in (began, *lines, ended))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    made = Log(tmp_path)
    with made.run:
        yield made


def judged(log: Log, given: Result, account: Account | None = None) -> Result:
    return Causes(log.host, account, log.run).judged(given)


def test_a_refusal_by_who_can_ask_nobody_proves_nothing(log: Log) -> None:
    log.has(_DOWN, _REFUSED)
    found = judged(log, result("plain.wrong"))
    assert not found.ok
    assert found.explanation == words.REFUSES_EVERYBODY
    assert found.why.startswith(f"{words.REFUSES_EVERYBODY} The log says: saslauthd can't reach the LDAP")
    assert found.log == (_REFUSED.removeprefix("mail "),)


@pytest.mark.parametrize(
    "line",
    [
        "mail saslauthd[9]: Entry not found ((uid=postfix-auth-test)).",
        f"mail saslauthd[9]: Authentication failed for joe: {_BIND}",
        "mail saslauthd[9]: : auth failure: [user=x] [service=smtp] [mech=getpwent] [reason=Unknown]",
        "mail saslauthd[9]: pam_unix(smtp:account): account joe has expired (account expired)",
    ],
    ids=["unknown", "another's password", "getpwent", "expired"],
)
def test_a_refusal_for_a_reason_is_believed(log: Log, line: str) -> None:
    log.has(line, _REFUSED)
    assert judged(log, result("plain.wrong")).ok


def test_who_may_not_look_up_anybody_can_not_refuse(log: Log) -> None:
    log.has(f"mail saslauthd[9]: Authentication failed for postfix-auth-test: {_BIND}", _REFUSED)
    assert not judged(log, result("plain.wrong")).ok


def test_beside_the_right_password_and_in_a_rehearsal_a_refusal_is_one(log: Log, tmp_path: Path) -> None:
    log.has(_DOWN, _REFUSED)
    assert judged(log, result("plain.wrong"), Account("joe", Secret("x"))).ok
    (tmp_path / "run").mkdir()
    (tmp_path / "run/postfix-auth.shadow").touch()
    assert judged(log, result("plain.wrong")).ok


def test_of_a_failure_the_log_tells_more_than_that_it_is_one(log: Log) -> None:
    log.has(_REFUSED)
    assert judged(log, result("relay.user", ok=False)).causes == ()
    log.has(_DOWN)
    (cause,) = judged(log, result("relay.user", ok=False)).causes
    assert cause.startswith("saslauthd can't reach the LDAP server")


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ([result("plain.right"), result("plain.wrong")], "2 tests: 2 passed"),
        (
            [result("plain.right", skipped=words.NO_ACCOUNT), result("plain.wrong")],
            "2 tests: 1 passed, 1 skipped (no login was tried: --user NAME)",
        ),
        (
            [result("plain.right", skipped="not tried"), result("greeting", ok=False)],
            "2 tests: 1 failed, 1 skipped (no login was tried)",
        ),
        ([result("greeting")], "1 tests: 1 passed"),
    ],
)
def test_the_sum_says_whether_anybody_logged_in(results: list[Result], told: str) -> None:
    telling = report.Telling()
    for each in results:
        list(telling.result(each))
    assert telling.sum() == told
