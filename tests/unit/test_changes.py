"""Changes on a tree: applied they are done; undone, however often, all is as it was, to every attribute."""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.unit import trees
from wizard import applying, drift, takingback
from wizard.applier import Applier
from wizard.changes import (
    KINDS,
    UNDO_KINDS,
    BuildTable,
    Change,
    CreateGroup,
    DeleteGroup,
    DropDirectory,
    DropLink,
    DropOverride,
    JoinGroup,
    MakeCertificate,
    MakeDirectory,
    MakeLink,
    QuitGroup,
    ReturnSecrets,
    ShareSecrets,
    StatOverride,
    WriteFile,
    WriteLast,
    codec,
    disk,
    owners,
)
from wizard.errors import ChangedSinceReviewError, HostError, WizardError
from wizard.journal import State, checkpoints, create, find, newest_down_to

if TYPE_CHECKING:
    from pathlib import Path

    from wizard.root import Root

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files their owners back")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Root:
    for module in ("groups", "directories", "tables", "sharing"):
        monkeypatch.setattr(f"wizard.changes.{module}.run_in", trees.run_in)
    return trees.make(tmp_path)


@dataclass(frozen=True)
class Case:
    """A change, and what is there before: path -> content, mode, owner."""

    change: Change
    there: tuple[tuple[str, bytes, int, int], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    keeps_times: bool = True

    def prepare(self, root: Root) -> None:
        for path, content, mode, uid in self.there:
            found = root.prefix / path
            found.parent.mkdir(parents=True, exist_ok=True)
            found.write_bytes(content)
            os.chown(found, uid, uid)
            found.chmod(mode)
            os.setxattr(found, "user.note", b"mine")
            os.utime(found, ns=(1, 1_000_000_007))
        for path, target in self.links:
            (root.prefix / path).symlink_to(target)


_MAIN = ("etc/postfix/main.cf", b"a = b\n", 0o640, 12)
_EDIT = WriteFile("/etc/postfix/main.cf", b"a = b\n", b"a = c\n", reason="")
_NEW = WriteFile("/etc/new/deep/file", None, b"x", owner="root", group="sasl", mode=0o640, reason="")
_SECRETS = ("etc/sasldb2", b"secrets", 0o600, 0)
_SHARED = "/var/spool/postfix/etc/sasldb2"
_OVERRIDDEN = ("var/lib/dpkg/statoverride", b"root root 755 /x\nroot root 700 /run/d\n", 0o644, 0)
CASES = {
    "a file is edited": Case(_EDIT, (_MAIN,)),
    "a file behind a link": Case(
        _EDIT, (("etc/real/main.cf", *_MAIN[1:]),), (("etc/postfix/main.cf", "../real/main.cf"),)
    ),
    "a file behind an absolute link": Case(
        _EDIT, (("etc/real/main.cf", *_MAIN[1:]),), (("etc/postfix/main.cf", "/etc/real/main.cf"),)
    ),
    "a file gets another owner": Case(
        WriteFile("/etc/postfix/main.cf", b"a = b\n", b"", owner="postfix", mode=0o600, reason=""), (_MAIN,)
    ),
    "a file is made": Case(_NEW),
    "a file is made in a directory that is there": Case(_NEW, (("etc/new/deep/other", b"", 0o600, 0),)),
    "a file is removed": Case(WriteFile("/etc/postfix/main.cf", b"a = b\n", None, reason=""), (_MAIN,)),
    "a file is removed last": Case(WriteLast("/etc/postfix/main.cf", b"a = b\n", None, reason=""), (_MAIN,)),
    "a link is made": Case(MakeLink("/etc/new/link", "/x", reason="")),
    "a link is turned": Case(MakeLink("/etc/link", "/x", reason=""), links=(("etc/link", "/old"),)),
    "a directory is made": Case(MakeDirectory("/run/a/b", "root", "sasl", 0o710, reason="")),
    "a directory gets a group": Case(MakeDirectory("/etc/postfix", "root", "sasl", 0o2710, reason="")),
    "a certificate": Case(
        MakeCertificate("/etc/tls/a.pem", "/etc/tls/a.key", ("a.example",), reason=""),
        (("etc/tls/a.pem", b"old", 0o600, 3),),
    ),
    "an override is made": Case(StatOverride("/run/d", "root", "sasl", 0o710, reason=""), keeps_times=False),
    "an override is changed": Case(
        StatOverride("/run/d", "root", "sasl", 0o710, reason=""), (_OVERRIDDEN,), keeps_times=False
    ),
    "a group is made": Case(CreateGroup("mail_login", reason=""), keeps_times=False),
    "a group is joined": Case(JoinGroup("postfix", "sasl", reason=""), keeps_times=False),
    "a table is built": Case(
        BuildTable("hash", "/etc/postfix/t", reason=""),
        (("etc/postfix/t", b"a b\n", 0o600, 7), ("etc/postfix/t.db", b"old", 0o640, 8)),
    ),
    "a first table": Case(
        BuildTable("hash", "/etc/postfix/t", reason=""), (("etc/postfix/t", b"", 0o600, 7),)
    ),
    "secrets are shared": Case(ShareSecrets("/etc/sasldb2", "", "sasl", reason=""), (_SECRETS,)),
    "secrets are moved": Case(
        ShareSecrets("/etc/sasldb2", _SHARED, "sasl", reason=""),
        (_SECRETS, (_SHARED[1:], b"stale", 0o666, 5)),
        keeps_times=False,
    ),
    "a group is left": Case(QuitGroup("games", "mail", reason=""), keeps_times=False),
    "a group is removed": Case(DeleteGroup("empty", reason=""), keeps_times=False),
    "an override is dropped": Case(DropOverride("/run/d", reason=""), (_OVERRIDDEN,), keeps_times=False),
    "a directory is removed": Case(DropDirectory("/etc/postfix", reason="")),
    "a link is removed": Case(DropLink("/etc/link", reason=""), links=(("etc/link", "/old"),)),
    "secrets are moved home": Case(
        ReturnSecrets("/etc/sasldb2", _SHARED, reason=""),
        ((_SHARED[1:], b"secrets", 0o660, 5),),
        (("etc/sasldb2", _SHARED),),
        keeps_times=False,
    ),
    "secrets are made": Case(ShareSecrets("/etc/sasldb2", "", "sasl", reason="")),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@every_case
def test_applied_it_is_done_and_undone_all_is_as_it_was(tree: Root, case: Case) -> None:
    case.prepare(tree)
    before = trees.seen(tree, times=case.keeps_times)
    case.change.check(tree)
    assert not case.change.done(tree)
    ways = case.change.capture(tree)
    case.change.apply(tree)
    assert case.change.done(tree) or isinstance(case.change, MakeCertificate | BuildTable)
    assert trees.seen(tree, times=case.keeps_times) != before
    for _ in range(2):
        for way in ways:
            way.undo(tree)
        assert trees.seen(tree, times=case.keeps_times) == before


@every_case
def test_undone_without_being_applied_nothing_happens(tree: Root, case: Case) -> None:
    case.prepare(tree)
    before = trees.seen(tree)
    for way in case.change.capture(tree):
        way.undo(tree)
    assert trees.seen(tree) == before


@every_case
def test_looking_changes_nothing_and_what_crosses_a_pipe_stays_the_same(tree: Root, case: Case) -> None:
    case.prepare(tree)
    before = trees.seen(tree)
    case.change.diff(tree)
    case.change.done(tree)
    case.change.check(tree)
    assert codec.unpack(KINDS, codec.pack(case.change)) == case.change
    for way in case.change.capture(tree):
        assert codec.unpack(UNDO_KINDS, codec.pack(way)) == way
    assert trees.seen(tree) == before


@every_case
def test_what_a_killed_run_has_left_goes_away(tree: Root, case: Case) -> None:
    case.prepare(tree)
    before = trees.seen(tree, times=case.keeps_times)
    ways = case.change.capture(tree)
    for path in case.change.files:
        if tree.path(path).exists():
            disk.temporary(disk.real(tree, path)).write_text("half")
    for way in ways:
        way.undo(tree)
    assert trees.seen(tree, times=case.keeps_times) == before


def test_what_a_file_had_it_keeps(tree: Root) -> None:
    CASES["a file is edited"].prepare(tree)
    _EDIT.apply(tree)
    found = tree.path("/etc/postfix/main.cf")
    info = found.stat()
    assert (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)) == (12, 12, 0o640)
    assert os.getxattr(found, "user.note") == b"mine"


def test_what_was_changed_since_the_review_is_not_written(tree: Root) -> None:
    CASES["a file is edited"].prepare(tree)
    tree.path("/etc/postfix/main.cf").write_text("mine")
    for change in (_EDIT, WriteFile("/etc/postfix/main.cf", None, b"", reason="")):
        with pytest.raises(ChangedSinceReviewError):
            change.apply(tree)
    with pytest.raises(ChangedSinceReviewError, match="is gone"):
        WriteFile("/etc/none", b"was", b"x", reason="").apply(tree)
    assert tree.path("/etc/postfix/main.cf").read_text() == "mine"


def test_what_is_in_the_way_stays(tree: Root) -> None:
    (tree.prefix / "etc/there").mkdir()
    tree.path("/etc/file").write_text("mine")
    for change in (
        WriteFile("/etc/there", None, b"", reason=""),
        MakeLink("/etc/there", "/x", reason=""),
        MakeLink("/etc/file", "/x", reason=""),
        MakeDirectory("/etc/file", "root", "root", 0o755, reason=""),
        ShareSecrets("/etc/there", "", "sasl", reason=""),
    ):
        with pytest.raises(HostError):
            change.check(tree)


def test_what_others_put_in_a_new_directory_stays(tree: Root) -> None:
    ways = _NEW.capture(tree)
    _NEW.apply(tree)
    (tree.prefix / "etc/new/deep/mine").write_text("x")
    for way in ways:
        way.undo(tree)
    assert [path.name for path in (tree.prefix / "etc/new/deep").iterdir()] == ["mine"]


def test_a_full_disk_takes_the_old_content_back(tree: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["a file is edited"]
    case.prepare(tree)
    before = trees.seen(tree)
    ways = case.change.capture(tree)
    case.change.apply(tree)

    def full(found: Path, content: bytes, wish: disk.Look) -> None:
        with disk.explained(found):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk, "replace", full)
    for way in ways:
        way.undo(tree)
    assert trees.seen(tree) == before


def test_a_group_that_somebody_has_as_the_first_one_stays(tree: Root) -> None:
    applier = _applier(tree)
    assert applier.apply([CreateGroup("mail_login", reason="")], _WORK) == 0
    users = tree.path("/etc/passwd")
    users.write_text(f"{users.read_text()}zoe:x:1001:{owners.gid(tree, 'mail_login')}::/:/bin/sh\n")
    ((way,),) = applier.checkpoint.ways_back()
    assert "mail_login now has the members zoe" in way.conflicts(tree)[0]
    with pytest.raises(HostError, match="members zoe"):
        DeleteGroup("mail_login", reason="").check(tree)
    assert takingback.take_back(applier.checkpoint, tree).problems == ()
    assert owners.members(tree, "mail_login") == frozenset({"zoe"})


# the process that applies


class BrokenChange(CreateGroup):
    """Fails in a way nobody has foreseen, with a password in its words."""

    def apply(self, root: Root) -> None:
        (f"CANARY-\udcff {root}").encode()


_WORK: dict[str, codec.Json] = {"test": False, "confirm": 0}


def _applier(tree: Root) -> Applier:
    return Applier(create(tree, "summary", ""), tree)


def _states(tree: Root) -> list[State]:
    return [one.state for one in checkpoints(tree)]


def _without_journal(tree: Root) -> dict[str, object]:
    return {path: look for path, look in trees.seen(tree).items() if "postfix-auth" not in path}


def test_a_plan_is_kept(tree: Root) -> None:
    CASES["a file is edited"].prepare(tree)
    assert _applier(tree).apply([_EDIT, _NEW], _WORK) == 0
    assert (_states(tree), _EDIT.done(tree), _NEW.done(tree)) == ([State.KEPT], True, True)
    assert not list(tree.prefix.rglob("ballast"))


def test_whatever_breaks_everything_is_taken_back_and_no_secret_told(tree: Root) -> None:
    CASES["a file is edited"].prepare(tree)
    before = _without_journal(tree)
    applier = _applier(tree)
    assert applier.apply([_EDIT, _NEW, BrokenChange("a", reason="")], _WORK) == 1
    assert _without_journal(tree) == before
    assert _states(tree) == [State.ROLLED_BACK]
    told = applier.checkpoint.events.read_text()
    assert "unforeseen UnicodeEncodeError at test_changes.py" in told
    assert "CANARY" not in told


def test_a_way_back_that_can_not_be_told_or_noted_goes_on(
    tree: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    CASES["a file is edited"].prepare(tree)
    before = _without_journal(tree)
    applier = _applier(tree)
    assert applier.apply([_EDIT, _NEW], _WORK) == 0

    def refuse(*_: object) -> None:
        raise WizardError("no room")

    with monkeypatch.context() as patched:
        patched.setattr("wizard.journal.append", refuse)
        patched.setattr("wizard.journal.Checkpoint.at", refuse)
        assert applier.roll_back() == 1
    assert _without_journal(tree) == before
    # later it can be noted
    assert applier.roll_back() == 0
    assert _states(tree) == [State.ROLLED_BACK]


def test_one_way_back_that_fails_does_not_stop_the_others(
    tree: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    CASES["a file is edited"].prepare(tree)
    before = trees.seen(tree)["etc/postfix/main.cf"]
    applier = _applier(tree)
    assert (
        applier.apply([CreateGroup("a", reason=""), _EDIT, MakeLink("/etc/l", "/x", reason="")], _WORK) == 0
    )

    def broken(*_: object) -> None:
        raise RuntimeError("CANARY")

    monkeypatch.setattr("wizard.changes.groups.run_in", broken)
    problems = takingback.take_back(applier.checkpoint, tree).problems
    assert len(problems) == 1
    assert "remove-group: unforeseen RuntimeError" in problems[0]
    assert "CANARY" not in problems[0]
    assert trees.seen(tree)["etc/postfix/main.cf"] == before
    assert not (tree.prefix / "etc/l").is_symlink()


# what others have edited since

_CERTIFICATE = MakeCertificate("/etc/tls/a.pem", "/etc/tls/a.key", ("a.example",), reason="")
_LINES = b"a = b\nc = d\n"
_NEW_LINES = b"a = b\nc = e\no = o\n"
_TEXT = WriteFile("/etc/postfix/main.cf", _LINES, _NEW_LINES, mode=0o640, reason="")
_MADE = WriteFile("/etc/new/deep/made", None, b"x = y\n", reason="")


@pytest.fixture
def edited(tree: Root) -> Root:
    """Return a tree whose main.cf is there, for all to read, and still to be changed."""
    tree.path("/etc/postfix/main.cf").write_bytes(_LINES)
    tree.path("/etc/postfix/main.cf").chmod(0o644)
    return tree


def _append(tree: Root, path: str, text: str) -> None:
    with tree.path(path).open("a") as file:
        file.write(text)


def _taken_back(tree: Root, *, set_aside: bool = False) -> int | None:
    newest = [one for one in reversed(checkpoints(tree)) if one.state is not State.ROLLED_BACK]
    handle = applying.roll_back(newest[0], tree, set_aside=set_aside)
    while not handle.finished:
        time.sleep(0.01)
    handle.poll()
    return handle.exit_code


def test_what_others_have_added_stays_and_ours_goes(edited: Root) -> None:
    assert _applier(edited).apply([_TEXT, _MADE], _WORK) == 0
    _append(edited, "/etc/postfix/main.cf", "mine = 1\n")
    _append(edited, "/etc/new/deep/made", "# mine\n")
    assert _taken_back(edited) == 0
    assert edited.path("/etc/postfix/main.cf").read_bytes() == _LINES + b"mine = 1\n"
    assert edited.path("/etc/new/deep/made").read_bytes() == b"# mine\n"
    assert ["stays in it" in note for note in checkpoints(edited)[0].notes] == [True, True]


def test_where_both_have_changed_a_line_it_is_named_and_nothing_changed(edited: Root) -> None:
    assert _applier(edited).apply([_TEXT, _MADE], _WORK) == 0
    edited.path("/etc/postfix/main.cf").write_bytes(_NEW_LINES.replace(b"o = o", b"o = mine"))
    before = trees.seen(edited)
    with pytest.raises(HostError, match=r"(?s)main\.cf, line 3\n.*--set-aside"):
        _taken_back(edited)
    assert {**trees.seen(edited), "var/lib/postfix-auth/lock": None} == {
        **before,
        "var/lib/postfix-auth/lock": None,
    }
    assert _taken_back(edited, set_aside=True) == 0
    assert edited.path("/etc/postfix/main.cf").read_bytes() == _LINES
    saved = edited.path("/etc/postfix/main.cf.postfix-auth-saved")
    assert b"o = mine" in saved.read_bytes()
    assert stat.S_IMODE(saved.stat().st_mode) == 0o640
    assert str(saved) in checkpoints(edited)[0].notes[0]


def test_a_way_back_that_must_be_gone_loses_nothing(edited: Root) -> None:
    """As after a crash or where nobody has confirmed: nobody is asked."""
    applier = _applier(edited)
    assert applier.apply([_TEXT, _MADE, _CERTIFICATE], _WORK) == 0
    edited.path("/etc/postfix/main.cf").write_bytes(b"theirs\n")
    edited.path("/etc/tls/a.key").write_bytes(b"theirs\n")
    assert applier.roll_back() == 0
    assert edited.path("/etc/postfix/main.cf").read_bytes() == _LINES
    assert edited.path("/etc/postfix/main.cf.postfix-auth-saved").read_bytes() == b"theirs\n"
    assert edited.path("/etc/tls/a.key.postfix-auth-saved").read_bytes() == b"theirs\n"
    assert not edited.path("/etc/tls/a.key").exists()


def test_taken_back_twice_it_is_merged_once(edited: Root) -> None:
    applier = _applier(edited)
    assert applier.apply([_TEXT, _MADE], _WORK) == 0
    _append(edited, "/etc/postfix/main.cf", "mine = 1\n")
    for _ in range(3):
        assert not takingback.take_back(applier.checkpoint, edited).problems
        assert edited.path("/etc/postfix/main.cf").read_bytes() == _LINES + b"mine = 1\n"


def test_owner_mode_and_link_that_others_have_given_stay_and_are_shown(edited: Root) -> None:
    assert _applier(edited).apply([_TEXT, _MADE], _WORK) == 0
    found, elsewhere = edited.path("/etc/postfix/main.cf"), edited.prefix / "srv/main.cf"
    elsewhere.parent.mkdir()
    found.rename(elsewhere)
    found.symlink_to("/srv/main.cf")
    os.chown(elsewhere, 0, 45)
    edited.path("/etc/new/deep/made").unlink()
    shown = "".join(each.diff(edited) for each in drift.drift(edited))
    assert "# a link to /srv/main.cf; it was a file\n# owner root:sasl; it was owner root:root\n" in shown
    assert "# /etc/new/deep/made is gone\n" in shown
    assert _taken_back(edited) == 0
    assert found.is_symlink()
    info = elsewhere.stat()
    # the mode was ours, the group theirs
    assert (elsewhere.read_bytes(), info.st_gid, stat.S_IMODE(info.st_mode)) == (_LINES, 45, 0o644)


def test_past_several_all_are_looked_at_before_one_is_taken_back(edited: Root) -> None:
    assert _applier(edited).apply([_TEXT, _MADE], _WORK) == 0
    again = WriteFile("/etc/postfix/main.cf", _NEW_LINES, b"a = 2\n" + _NEW_LINES[6:], reason="")
    assert _applier(edited).apply([again], _WORK) == 0
    edited.path("/etc/new/deep/made").write_bytes(b"x = mine\n")
    first, second = checkpoints(edited)
    with pytest.raises(HostError, match="deep/made, line 1"):
        applying.roll_back(first, edited, second)
    assert _states(edited) == [State.KEPT, State.KEPT]
    edited.path("/etc/new/deep/made").write_bytes(b"x = y\n")
    _append(edited, "/etc/postfix/main.cf", "mine = 1\n")
    with pytest.raises(HostError, match="others came after"):
        applying.roll_back(first, edited)
    handle = applying.roll_back(first, edited, second)
    while not handle.finished:
        time.sleep(0.01)
    assert any("first " in event.text for event in handle.poll())
    assert _states(edited) == [State.ROLLED_BACK, State.ROLLED_BACK]
    assert edited.path("/etc/postfix/main.cf").read_bytes() == _LINES + b"mine = 1\n"
    assert not edited.path("/etc/new").exists()


def test_a_table_is_built_anew_for_a_text_that_others_have_edited(edited: Root) -> None:
    edited.path("/etc/postfix/t").write_bytes(b"a b\n")
    edited.path("/etc/postfix/t.db").write_bytes(b"old")
    write = WriteFile("/etc/postfix/t", b"a b\n", b"a b\nc d\n", reason="")
    applier = _applier(edited)
    assert applier.apply([write, BuildTable("hash", "/etc/postfix/t", reason="")], _WORK) == 0
    _append(edited, "/etc/postfix/t", "mine 1\n")
    assert applier.roll_back() == 0
    assert edited.path("/etc/postfix/t.db").read_bytes() == b"built of a b\nmine 1\n"


def test_half_of_what_a_killed_way_back_was_writing_is_nobodys_edit(edited: Root) -> None:
    before = trees.seen(edited)
    (way,) = _TEXT.capture(edited)
    _TEXT.apply(edited)
    found = edited.path("/etc/postfix/main.cf")
    found.write_bytes(b"a = ")
    found.chmod(disk._TORN)
    way.undo(edited)
    assert trees.seen(edited) == before


def test_secrets_that_are_gone_are_named_and_do_not_end_the_way_back(edited: Root) -> None:
    edited.path("/etc/sasldb2").write_bytes(b"secrets")
    share = ShareSecrets("/etc/sasldb2", _SHARED, "sasl", reason="")
    applier = _applier(edited)
    assert applier.apply([_TEXT, share], _WORK) == 0
    edited.path("/etc/sasldb2").unlink()
    edited.path(_SHARED).unlink()
    with pytest.raises(HostError, match=r"sasldb2 is gone.*saslpasswd2"):
        _taken_back(edited)
    assert applier.roll_back() == 0
    assert edited.path("/etc/postfix/main.cf").read_bytes() == _LINES
    assert "is gone" in checkpoints(edited)[0].notes[0]


def test_the_last_change_is_the_last_one_made_whatever_the_clock_says(
    tree: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    # twelve in one second, and then the clock is set back
    for second in [9] * 12 + [3]:
        clock = SimpleNamespace(now=lambda zone, s=second: datetime(2026, 1, 1, 0, 0, s, tzinfo=zone))
        monkeypatch.setattr("wizard.journal.datetime", clock)
        made.append(create(tree, "summary", "").at(State.KEPT).id)
    assert [one.id for one in checkpoints(tree)] == made
    assert find(tree).id == made[-1]
    assert [one.id for one in newest_down_to(tree, made[-3])] == made[:-4:-1]
    # those of before there were numbers
    for about in tree.prefix.rglob("about.json"):
        about.write_text(
            json.dumps({k: v for k, v in json.loads(about.read_text()).items() if k != "number"})
        )
    assert [one.id for one in checkpoints(tree)] == [made[-1], *made[:-1]]


def test_what_is_no_journal_is_named(tree: Root) -> None:
    home = tree.prefix / "var/lib/postfix-auth/checkpoints"
    home.parent.mkdir(parents=True)
    home.write_text("")
    with pytest.raises(HostError, match="checkpoints is no directory: move it away"):
        checkpoints(tree)
