"""Each explanation is held against the lines it explains, and against those of all the others."""

from __future__ import annotations

import io
import re
import string
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizard import explain
from wizard.explain import Explanation, Problem, explanations, problems_in
from wizard.loglines import Line, Severity, parse

_STAMP = "Nov 21 07:00:01"
_EXAMPLES = [
    pytest.param(entry, example, id=f"{entry.id}-{number}")
    for entry in explanations()
    for number, example in enumerate(entry.examples, 1)
]


def _line(example: str) -> Line:
    return parse(f"{_STAMP} mail {example}".encode())


def _forbidden(file: str) -> str:
    why = f"unable to open Berkeley db {file}: Permission denied"
    return f"postfix/smtpd[4]: warning: SASL authentication problem: {why}"


def _problems(*lines: str) -> tuple[Problem, ...]:
    return problems_in(io.BytesIO("".join(f"{_STAMP} mail {line}\n" for line in lines).encode()))


# the table


@pytest.mark.parametrize(("entry", "example"), _EXAMPLES)
def test_an_example_is_explained_by_its_own_entry_and_by_no_other(entry: Explanation, example: str) -> None:
    line, _ = explain._told(_line(example))
    assert line.program, "an example begins with program[pid]: "
    assert [other.id for other in explanations() if other.fits(line)] == [entry.id]
    found = explain.explain(_line(example))
    assert found
    assert found.id == entry.id


@pytest.mark.parametrize("entry", explanations(), ids=lambda entry: str(entry.id))
def test_an_entry_is_complete(entry: Explanation) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry.id)
    assert entry.examples
    assert entry.cause.endswith(".")
    assert entry.remedy.endswith(".")
    named = {
        field for text in (entry.cause, entry.remedy) for _, field, _, _ in string.Formatter().parse(text)
    }
    assert named - {None} <= set(entry.pattern.groupindex), "a word that the pattern does not catch"


def test_ids_are_unique() -> None:
    ids = [entry.id for entry in explanations()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("entry", explanations(), ids=lambda entry: str(entry.id))
def test_a_pattern_takes_linear_time(entry: Explanation) -> None:
    assert entry.pattern.pattern.count(".*") <= 1
    for example in entry.examples:
        told = explain._told(_line(example))[0].text
        for filler in ("x", " ", "(", "'", '"', ": ", told[-12:], told[:20], told):
            hostile = (told[: len(told) // 2] + filler * 20_000)[:20_000]
            # the processor's own time, whatever else runs; what grows with the square takes seconds
            started = time.process_time()
            entry.pattern.match(hostile)
            assert time.process_time() - started < 0.25


# one line


def test_the_words_name_what_the_line_names() -> None:
    found = explain.explain(_line(_forbidden("/etc/sasldb2")))
    assert found
    assert found.severity is Severity.ERROR
    assert "chgrp sasl /etc/sasldb2 &&" in found.remedy
    assert "454" in found.cause
    assert (found.first, found.last, found.count) == (_STAMP, _STAMP, 1)
    assert found.example.startswith("postfix/smtpd[4]: warning: SASL")


def test_a_hostile_name_does_not_become_a_command() -> None:
    found = explain.explain(_line(_forbidden("/x;rm$IFS-rf")))
    assert found
    assert "chgrp sasl '/x;rm$IFS-rf' &&" in found.remedy


@pytest.mark.parametrize(
    "text",
    [
        "connect from unknown[127.0.0.1]",
        "disconnect from unknown[127.0.0.1] ehlo=1 auth=1 commands=2",
        "4bX0cF1Zz1z1: client=unknown[192.0.2.1], sasl_method=PLAIN, sasl_username=joe",
        "4bX0cF1Zz1z1: to=<a@b.c>, relay=x[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (250 ok)",
        "warning: hostname x does not resolve to address 192.0.2.1",
        "",
    ],
)
def test_what_is_no_problem_has_no_explanation(text: str) -> None:
    assert explain.explain(Line(0.0, "postfix/smtpd", 1, text)) is None


def test_a_name_that_is_not_in_the_line_leaves_no_trace() -> None:
    found = explain.explain(
        _line("postfix/smtpd[4]: warning: RSA private key in /k does not match public key in /c")
    )
    assert found
    assert found.cause.startswith("The TLS key /k can't be used")


def test_a_stranger_can_not_put_words_into_the_log() -> None:
    guess = "warning: unknown[192.0.2.1]: SASL PLAIN authentication failed: authentication failure"
    name = "warning: SASL authentication failure: cannot connect to saslauthd server: Connection refused"
    text = f"{guess}, sasl_username={name}"
    found = explain.explain(Line(0.0, "postfix/smtpd", 1, text))
    assert found
    assert found.id == "wrong-password"


def test_an_unknown_end_of_a_postfix_program_is_shown_all_the_same() -> None:
    (found,) = _problems("postfix/qmgr[1]: fatal: the moon is full", "cron[1]: fatal: not ours")
    assert (found.id, found.severity) == ("unexplained", Severity.FATAL)
    assert "the moon is full" in found.cause


# a whole log

_SMTPD = "postfix/smtpd[4]: "
_REFUSED = (
    _SMTPD + "warning: SASL authentication failure: cannot connect to saslauthd server: Connection refused"
)
_GUESS = _SMTPD + "warning: unknown[192.0.2.1]: SASL LOGIN authentication failed: authentication failure"
_DEAD = "postfix/smtpd[4]: fatal: no SASL authentication mechanisms"


def test_the_same_problem_is_counted_and_the_worst_comes_first() -> None:
    log = (
        f"Nov 20 01:00:00 mail {_GUESS}\n"
        f"Nov 20 02:00:00 mail {_REFUSED}\n"
        f"Nov 20 03:00:00 mail {_GUESS}, sasl_username=other\n"
        f"Nov 20 04:00:00 mail {_DEAD}"  # the last line of a log that is being written has no end
    )
    found = problems_in(io.BytesIO(log.encode()))
    assert [(problem.id, problem.count) for problem in found] == [
        ("no-mechanisms", 1), ("saslauthd-dead", 1), ("wrong-password", 2),
    ]  # fmt: skip
    assert (found[2].first, found[2].last) == ("Nov 20 01:00:00", "Nov 20 03:00:00")


def test_two_files_are_two_problems() -> None:
    found = _problems(_forbidden("/etc/a"), _forbidden("/etc/b"), _forbidden("/etc/a"))
    assert [problem.count for problem in found] == [2, 1]


def test_folded_lines_are_counted_as_what_they_stand_for() -> None:
    (found,) = _problems(
        _REFUSED, "postfix/smtpd[4]: message repeated 3 times: [ " + _REFUSED.split("]: ")[1] + "]"
    )
    assert found.count == 4


@pytest.mark.parametrize(
    "head",
    [
        "Nov 21 07:00:01 mail postfix/smtpd[4]: ",
        "2026-11-21T00:51:23.429094+00:00 vm postfix/submission/smtpd[302]: ",
        "2026-11-21T00:51:19+0000 vm postfix/smtpd[160]: ",
        "1795222279.880661 vm postfix/smtpd[160]: ",
        "<20>1 2026-11-21T00:51:23.429094+00:00 vm postfix 298 - -  ",
        "",
    ],
)
def test_every_format_of_a_log_is_read(head: str) -> None:
    log = head + _REFUSED.split("]: ")[1] + "\n"
    assert [problem.id for problem in problems_in(io.BytesIO(log.encode()))] == ["saslauthd-dead"]


def test_the_journal_as_json_is_read() -> None:
    log = b'{"MESSAGE":"fatal: no SASL authentication mechanisms","SYSLOG_IDENTIFIER":"postfix/smtpd"}\n'
    assert [problem.id for problem in problems_in(io.BytesIO(log))] == ["no-mechanisms"]


class _Endless(io.BytesIO):
    """A log of ``lines`` different problems, made while it is read."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self._left = lines

    def read(self, size: int | None = -1, /) -> bytes:
        if not self._left:
            return b""
        self._left -= 1
        return f"{_STAMP} mail {_forbidden(f'/{self._left}')}\n{'x' * (size or 1)}\n".encode()


def test_a_log_of_any_size_takes_little_memory() -> None:
    tracemalloc.start()
    found = problems_in(_Endless(2_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 20
    assert sum(problem.count for problem in found) == 2_000
    assert peak < 5 << 20


# whatever it holds

_WORDS = st.sampled_from([example for entry in explanations() for example in entry.examples])


@given(
    st.lists(st.binary(max_size=80) | _WORDS.map(str.encode) | st.just(b"\n" + _STAMP.encode() + b" mail "))
)
def test_any_bytes_are_read_and_nothing_unprintable_comes_out(pieces: list[bytes]) -> None:
    for problem in problems_in(io.BytesIO(b"".join(pieces))):
        for text in (problem.cause, problem.remedy, problem.example, problem.first, problem.last):
            assert text.isprintable()
        assert problem.count >= 1
