"""What is known to be made here: what a way back would take away, until a later change has taken it away."""

from __future__ import annotations

import pytest

from wizard import ours
from wizard.changes import (
    Disable,
    Enable,
    LeaveGroup,
    MoveSecrets,
    RejoinGroup,
    RemakeDirectory,
    RemakeGroup,
    RemoveDirectories,
    RemoveGroup,
    RemovePackages,
    RestoreFile,
    RestoreOverride,
    RestoreSecrets,
    Resume,
    Revive,
    Undo,
)
from wizard.ours import Kind

_MADE: dict[tuple[Kind, str], tuple[Undo, Undo]] = {
    (Kind.MEMBER, "postfix sasl"): (LeaveGroup("postfix", "sasl"), RejoinGroup("postfix", "sasl")),
    (Kind.GROUP, "senders"): (RemoveGroup("senders"), RemakeGroup("senders", 99)),
    (Kind.OVERRIDE, "/x"): (RestoreOverride("/x"), RestoreOverride("/x", "root", "sasl", 0o710)),
    (Kind.PATH, "/a/b"): (RemoveDirectories(("/a", "/a/b")), RemakeDirectory("/a/b", 0, 0, 0o700)),
    (Kind.PATH, "/link"): (RestoreFile("/link"), RestoreFile("/link", link="..")),
    (Kind.SECRETS, "/s"): (RestoreSecrets("/s", None, 0, 0, 0), MoveSecrets("/s", "/q/s", 0, 0, 0)),
    (Kind.RUNNING, "saslauthd"): (Revive("saslauthd", running=False), Resume("saslauthd", running=True)),
    (Kind.AT_BOOT, "saslauthd"): (Disable("saslauthd"), Enable("saslauthd")),
}
_OTHERS: tuple[Undo, ...] = (
    Revive("saslauthd", running=True),
    RestoreOverride("/x", "root", "root", 0o700),
    RestoreSecrets("/s", "/elsewhere", 0, 0, 0),
    RestoreFile("/f", b"old"),
)


@pytest.mark.parametrize(("thing", "ways"), _MADE.items(), ids=[f"{kind}" for kind, _ in _MADE])
def test_the_last_word_counts(thing: tuple[Kind, str], ways: tuple[Undo, Undo]) -> None:
    making, taking_away = ways
    assert ours.total([making]).has(*thing)
    assert not ours.total([making, taking_away]).has(*thing)
    assert ours.total([making, taking_away, making]).has(*thing)
    assert not ours.total([]).has(*thing)


def test_what_was_there_before_is_somebody_elses() -> None:
    assert ours.total(_OTHERS).things == frozenset()


def test_directories_that_were_made_for_a_file_are_ours() -> None:
    made = ours.total([RestoreFile("/a/b/file", made=("/a", "/a/b"))])
    assert made.things == {(Kind.PATH, path) for path in ("/a", "/a/b", "/a/b/file")}


def test_of_a_file_the_first_look_is_remembered() -> None:
    made = ours.total([RestoreFile("/f", b"first"), RestoreFile("/f", b"second"), RestoreFile("/g")])
    assert made.first == {"/f": b"first", "/g": None}


def test_packages_that_came_since_were_installed_here() -> None:
    made = ours.total([RemovePackages(("sasl2-bin",)), RemovePackages(("libsasl2-modules-sql",))])
    assert made.installed("sasl2-bin")
    assert not made.installed("postfix")
    assert not ours.total([]).installed("sasl2-bin")
