"""Hostile texts are printed harmlessly, taken exactly or refused; what is written goes where it should."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wizard import accounts
from wizard.changes import MakeLink, WriteFile, disk
from wizard.errors import HostError, PolicyError, WizardError
from wizard.policy import BACKENDS
from wizard.policyfields import SECTIONS, Field, check_field, fields_of
from wizard.root import Root
from wizard.saying import as_json, complain, say
from wizard.smallfiles import read_host_file

# each example empties what was printed before
_SLOWLY = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

# what is printed

_TEXTS = st.text() | st.text(alphabet="a\t\n\r\x1b[2J\x9b\x7f\x85\u2028\u202e\ud800é", max_size=30)


@_SLOWLY
@given(text=_TEXTS)
def test_nothing_printed_moves_the_cursor(capsys: pytest.CaptureFixture[str], text: str) -> None:
    complain(text)
    say([text])
    with suppress(UnicodeEncodeError):
        as_json({"key": text})
    said = capsys.readouterr()
    assert all(one.isprintable() or one in "\n\t" for one in said.out + said.err)
    assert said.err.count("\n") == text.count("\n") + 1


@_SLOWLY
@given(text=_TEXTS)
def test_json_says_exactly_what_it_was_given(capsys: pytest.CaptureFixture[str], text: str) -> None:
    as_json({"key": text})
    assert json.loads(capsys.readouterr().out) == {"key": text}


@_SLOWLY
@given(before=st.binary(max_size=80), after=st.binary(max_size=80))
def test_no_diff_has_a_line_of_its_own_making(before: bytes, after: bytes) -> None:
    shown = WriteFile("/etc/x", before, after, reason="").diff(Root())
    assert shown.splitlines() == shown.removesuffix("\n").split("\n") or not shown
    assert all(line.startswith(("---", "+++", "@@", "+", "-", " ", "\\", "#")) for line in shown.splitlines())


# what is given

_RAW = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_FIELDS = [
    field
    for section, form in [*(("backend", form) for form in BACKENDS.values()), *SECTIONS.items()]
    for field in fields_of(section, form).values()
]


@settings(deadline=None)
@given(field=st.sampled_from(_FIELDS), raw=_RAW, typed=st.text())
def test_any_value_of_any_kind_is_taken_or_refused_with_its_key(
    field: Field, raw: object, typed: str
) -> None:
    for accept in (partial(field.accept, raw), partial(field.accept_typed, typed)):
        try:
            accept()
        except PolicyError as refused:
            assert refused.key.startswith(field.key)
            assert refused.message
    check_field(field.key, typed)


@settings(deadline=None)
@given(name=st.text())
def test_any_account_name_is_taken_exactly_or_refused(name: str) -> None:
    sasldb = accounts.Sasldb("/etc/sasldb2", "a.example")
    with suppress(PolicyError):
        account = sasldb.account(name)
        assert str(account) in (name, f"{name}@a.example")
    if not accounts.broken_rule(name):
        assert str(sasldb.account(name)) in (name, f"{name}@a.example")
        assert not name.startswith("-")


# what is made

_MADE = st.text(alphabet="abc/.", max_size=12).map(lambda tail: f"/{tail}")


def test_names_of_temporary_files_can_not_be_foretold(tmp_path: Path) -> None:
    found = tmp_path / "file"
    names = {disk.temporary(found) for _ in range(100)}
    assert len(names) == 100
    assert {name.parent for name in names} == {tmp_path}


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_lies_at_a_temporary_name_is_never_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    victim, trap, found = tmp_path / "victim", tmp_path / "trap", tmp_path / "file"
    victim.write_text("mine")
    if kind == "link":
        trap.symlink_to(victim)
    else:
        trap.write_text("mine")
    monkeypatch.setattr(disk, "temporary", lambda _: trap)
    with pytest.raises(WizardError, match="File exists"):
        disk.replace(found, b"secret", disk.look(victim))
    assert victim.read_text() == "mine"
    assert not found.exists()


def test_links_lead_only_where_root_alone_may_write(tmp_path: Path) -> None:
    root = Root(tmp_path)
    (tmp_path / "etc").mkdir()
    (tmp_path / "open").mkdir()
    (tmp_path / "open/target").write_text("x")
    (tmp_path / "etc/file").symlink_to("/open/target")
    assert disk.real(root, "/etc/file") == tmp_path / "open/target"
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(HostError, match="others may write"):
        disk.real(root, "/etc/file")


def test_no_link_leads_out_of_the_tree(tmp_path: Path) -> None:
    root = Root(tmp_path / "tree")
    (root.prefix / "etc").mkdir(parents=True)
    (tmp_path / "outside").write_text("mine")
    for target in ("/../outside", "../../outside", str(tmp_path / "outside")):
        (root.prefix / "etc/file").unlink(missing_ok=True)
        (root.prefix / "etc/file").symlink_to(target)
        change = WriteFile("/etc/file", None, b"theirs", reason="")
        with suppress(WizardError):
            change.apply(root)
        assert read_host_file(root.file("/etc/file")) in (None, b"theirs")
    assert (tmp_path / "outside").read_text() == "mine"


@settings(deadline=None)
@given(path=st.text() | _MADE)
def test_only_plain_paths_are_written_to(path: str) -> None:
    with suppress(WizardError):
        assert os.path.normpath(MakeLink(path, "/x", reason="").path) == path
        assert path.startswith("/")
        assert path.isprintable() or "\n" not in path


@pytest.mark.parametrize("path", [f"/etc/{'a' * 256}", f"/{'b/' * 2100}"])
@pytest.mark.parametrize("prefix", ["/", "/srv"])
def test_a_path_that_no_file_can_have_is_refused(path: str, prefix: str) -> None:
    for look in (Root(Path(prefix)).path, Root(Path(prefix)).file):
        with pytest.raises(HostError, match=r"^/.{39}…: no path is as long as this one$"):
            look(path)
