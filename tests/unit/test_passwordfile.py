"""Password files: who may read them, what they may hold, and that nothing of it gets out."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING

import pytest

from recipes import typed_password
from wizard.changes import Change, Undo
from wizard.errors import PolicyError
from wizard.host import Host
from wizard.passwordfile import LONGEST, checked, read_password_file
from wizard.policy import Policy, Smarthost
from wizard.root import Root
from wizard.secret import Secret
from wizard.steps import Wanted

if TYPE_CHECKING:
    from pathlib import Path

KEY = "smarthost.password_file"


def write(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b" with blanks \n", " with blanks "),
        (b"$\"'#:\\\n", "$\"'#:\\"),
        ("pässwört\n".encode(), "pässwört"),
    ],
)
def test_exactly_one_line_end_is_no_part_of_the_password(
    tmp_path: Path, content: bytes, password: str
) -> None:
    secret = read_password_file(write(tmp_path / "password", content, 0o400), KEY)
    assert secret.reveal() == password
    assert password not in f"{secret} {secret!r}"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hunter2\n\n", "more than one line"),
        (b"hunter2\nmore", "more than one line"),
        (b"hunter2\r", "more than one line"),
        (b"hunter2\0", "zero byte"),
        (b"hunter2\xff", "not UTF-8"),
        (b"hunter2" * 200, "longer than"),
    ],
)
def test_what_is_no_password_is_refused_without_repeating_it(
    tmp_path: Path, content: bytes, says: str
) -> None:
    with pytest.raises(PolicyError) as refused:
        read_password_file(write(tmp_path / "password", content), KEY)
    assert refused.value.key == KEY
    assert says in refused.value.message
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("line_end", ["", "\n", "\r\n"])
def test_typed_and_from_a_file_it_may_have_the_same_length(tmp_path: Path, line_end: str) -> None:
    longest = f"{'ä' * (LONGEST // 2)}{line_end}"
    assert checked(longest) == read_password_file(write(tmp_path / "password", longest.encode()), KEY)
    with pytest.raises(PolicyError, match="longer than 1024 bytes"):
        checked(f"x{longest}")
    with pytest.raises(PolicyError, match=r"longer than 102[46] bytes"):
        read_password_file(write(tmp_path / "password", f"x{longest}".encode()), KEY)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_may_open_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, mode: int
) -> None:
    path = write(tmp_path / "password", b"hunter2", mode)
    with pytest.raises(PolicyError, match=f"chmod 600 {path}"):
        read_password_file(path, KEY)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "password", b"hunter2")
    os.chown(path, 12345, 0)
    with pytest.raises(PolicyError, match=f"chown root {path}"):
        read_password_file(path, KEY)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path, says in ((tmp_path / "pipe", "not a regular file"), (tmp_path / "none", "No such file")):
        with pytest.raises(PolicyError, match=says):
            read_password_file(path, KEY)


_TYPED = "typed s3cret"


def test_a_typed_password_is_kept_by_the_plan_which_does_not_show_it(tmp_path: Path) -> None:
    policy = Policy(smarthost=Smarthost("relay.example.net", user="joe", password_file="/proc/self/fd/9"))
    passwords = {"backend": Secret("of no back end"), "smarthost": Secret(_TYPED)}
    root = Root(tmp_path)
    steps = list(typed_password.keep(Wanted(policy, policy, Host(root), policy), passwords))
    assert [step.target for step in steps if isinstance(step, Change)] == [
        "/etc/postfix-auth",
        "/etc/postfix-auth/smarthost.password",
    ]
    ways: list[Undo] = []
    for step in steps:
        assert isinstance(step, Change)
        assert _TYPED not in step.diff(root) + repr(step)
        ways += step.capture(root)
        step.apply(root)
    kept = tmp_path / "etc/postfix-auth/smarthost.password"
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == (f"{_TYPED}\n", 0o600)
    for way in reversed(ways):
        way.undo(root)
    assert not kept.parent.exists()
