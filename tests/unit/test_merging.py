"""A change of a text is taken back, and what others have done since stays, or it is said where both meet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizard.changes.merging import Merged, entries, undone

_WORDS = st.sampled_from(
    [b"a = 1\n", b"b = 2\n", b"c = 3\n", b"# note\n", b"\n", b"s inet\n  -o x=y\n", b"  z\n"]
)
_TEXTS = st.lists(_WORDS, max_size=12).map(b"".join)
_MARKS = st.lists(st.integers(0, 3), min_size=1, max_size=12)


@given(_TEXTS, _TEXTS)
def test_what_nobody_has_edited_comes_back_byte_for_byte(before: bytes, wrote: bytes) -> None:
    assert undone(before, wrote, wrote).content == before
    assert undone(before, wrote, before).content == before
    assert not undone(before, wrote, wrote).overlaps


@given(_TEXTS, _TEXTS)
def test_where_nothing_was_changed_all_that_is_there_stays(wrote: bytes, now: bytes) -> None:
    assert undone(wrote, wrote, now).content == now


@given(st.binary())
def test_entries_are_the_whole_text(text: bytes) -> None:
    assert b"".join(entries(text)) == text


def _text(marks: list[int], names: dict[int, bytes]) -> bytes:
    """Return a text with an entry for each mark; those with a name are changed, removed, or one follows."""
    found = []
    for number, mark in enumerate(marks):
        line = b"%d = %d\n" % (number, number)
        if name := names.get(mark):
            new = b"%d = %s\n" % (number, name)
            line = (new, b"", line + b"new" + new)[number % 3]
        found.append(line)
    return b"".join(found)


@given(_MARKS)
def test_other_entries_are_kept_and_ours_go(marks: list[int]) -> None:
    # something between any two that are changed
    apart = [mark for each in marks for mark in (each, 0)]
    ours, theirs = {1: b"ours"}, {2: b"theirs"}
    found = undone(_text(apart, {}), _text(apart, ours), _text(apart, ours | theirs))
    assert found == Merged(_text(apart, theirs))


_MASTER = b"smtp inet n - y - - smtpd\npickup unix n\n"
_OURS = b"submission inet n - y - - smtpd\n  -o a=b\n  -o c=d\n"


@pytest.mark.parametrize(
    ("before", "wrote", "now", "after"),
    [
        # appended behind what we have appended, as postconf -e does
        (b"a = 1\n", b"a = 1\no = 1\n", b"a = 1\no = 1\nm = 1\n", b"a = 1\nm = 1\n"),
        (b"a = 1", b"a = 1\no = 1\n", b"a = 1\no = 1\nm = 1\n", b"a = 1\nm = 1\n"),
        (_MASTER, _OURS + _MASTER, _OURS + _MASTER + b"# mine\n", _MASTER + b"# mine\n"),
        (_MASTER, _MASTER + _OURS, b"# mine\n" + _MASTER + _OURS, b"# mine\n" + _MASTER),
        # removed by hand, wholly or in part
        (b"a = 1\n", b"a = 1\no = 1\np = 1\n", b"a = 1\np = 1\n", b"a = 1\n"),
        (b"", b"o = 1\n", b"o = 1\n# mine\n", b"# mine\n"),
        # the last newline is no entry
        (b"a = 1\n", b"", b"m = 1", b"a = 1\nm = 1"),
    ],
)
def test_both_are_there(before: bytes, wrote: bytes, now: bytes, after: bytes) -> None:
    assert undone(before, wrote, now) == Merged(after)


@pytest.mark.parametrize(
    ("before", "wrote", "now", "lines"),
    [
        (b"a = 1\nb = 1\n", b"a = 2\nb = 1\n", b"a = 3\nb = 1\n", [range(1, 2)]),
        # half a service means something else than the whole one
        (_MASTER, _MASTER + _OURS, _MASTER + _OURS + b"# x\n  -o m=n\n", [range(3, 8)]),
        (_MASTER, _MASTER + _OURS, (_MASTER + _OURS).replace(b"c=d", b"c=e"), [range(3, 6)]),
        # gone is changed
        (b"a = 1\nb = 1\n", b"a = 2\nb = 1\n", b"b = 1\n", [range(1, 2)]),
        # put back by hand, elsewhere
        (b"a = 1\nb = 1\nc = 1\n", b"b = 1\nc = 1\n", b"b = 1\nc = 1\na = 1\n", [range(3, 4)]),
    ],
)
def test_where_both_meet_it_is_said(before: bytes, wrote: bytes, now: bytes, lines: list[range]) -> None:
    assert list(undone(before, wrote, now).overlaps) == lines
