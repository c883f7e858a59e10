"""What comes from outside steers no terminal."""

from __future__ import annotations

import pytest

from screens.widgets.text import shown, signs


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[2J", "\x9b31m", "\x1b]0;title\x07", "a\rb", "a\nb", "a\x00b", "\u202eabc", "\u2066x", "\u200bx",
        "\ufeffx",         "a\x08b", "\x7f", "\udc80", "\u2028", "\U000e0041",
    ],
)  # fmt: skip
def test_nothing_a_terminal_would_obey_is_left(hostile: str) -> None:
    text = shown(hostile)
    assert all(char.isprintable() or char == "\ufffd" for char in text)
    assert "\x1b" not in text


def test_what_can_be_read_stays() -> None:
    assert shown("Grüße, 日本 … ✓ [b]markup[/b]") == "Grüße, 日本 … ✓ [b]markup[/b]"


@pytest.mark.parametrize(
    ("environ", "plain"),
    [
        ({"TERM": "linux", "LANG": "en_US.UTF-8"}, True),
        ({"TERM": "xterm", "LANG": "en_US.UTF-8"}, False),
        ({"TERM": "xterm", "LANG": "C.UTF-8"}, False),
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "LC_ALL": "C"}, True),
        ({"TERM": "xterm", "LANG": "C", "LC_CTYPE": "C.UTF-8"}, True),
    ],
)
def test_signs_are_ascii_where_the_others_may_be_missing(environ: dict[str, str], plain: bool) -> None:
    assert signs(environ).bad.isascii() is plain
