"""What slapd is told for ldapdb, on one that is played: made, taken back, and never at others' cost."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recipes import ldapdb_side
from recipes.ldapdb_directory import Directory, _people, is_here
from wizard import ours, slapd
from wizard.changes import KINDS, UNDO_KINDS, SetValues, codec
from wizard.commands import Outcome
from wizard.errors import ChangedSinceReviewError, HostError, PolicyError, WizardError
from wizard.formats import ldif
from wizard.host import Host
from wizard.journal import State, create
from wizard.policy import AuxpropLdapdb
from wizard.root import Root
from wizard.slapd import Slapd

if TYPE_CHECKING:
    from collections.abc import Iterator

BACKEND = AuxpropLdapdb("ldap://127.0.0.1", "proxy", configure=True)
PROXY, DATABASE = "uid=proxy,dc=a", "olcDatabase={1}mdb,cn=config"
FOREIGN = "uid=boss,cn=digest-md5,cn=auth uid=sue,dc=a"
LIVE, NOWHERE = Root(), Root(Path("/nonexistent"))


class Played:
    """A slapd that holds values, and does what LDIF says as far as this program writes any."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, str], tuple[str, ...]] = {}
        self.writable = frozenset({(slapd.ROOT, PROXY)})

    def modify(self, record: str) -> Outcome:
        dn, _, verb, *rest = record.splitlines()
        entry, (do, attribute) = dn.removeprefix("dn: "), verb.split(": ")
        given = tuple(line.partition(": ")[2] for line in rest)
        had = self.values.get((entry, attribute), ())
        first = tuple(re.sub(r"^\{\d+\}", "", one) for one in given if one.startswith("{"))
        added = (*first, *had, *(one for one in given if not one.startswith("{")))
        self.values[entry, attribute] = {"add": added, "replace": given, "delete": ()}[do]
        return Outcome((), 0, "", "")


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    server = Played()
    monkeypatch.setattr(slapd, "installed", lambda: True)
    monkeypatch.setattr(slapd, "values", lambda entry, name: server.values.get((entry, name), ()))
    monkeypatch.setattr(slapd, "modify", server.modify)
    monkeypatch.setattr(slapd, "may_write", lambda who, entry, _: (who, entry) in server.writable)
    monkeypatch.setattr("wizard.services.installed", lambda _: True)
    return server


def directory(
    policy: str = "", regexps: tuple[str, ...] = (), proxies: tuple[str, ...] = (PROXY,)
) -> Directory:
    people = ("dn.regex:^uid=[^,]+,ou=people,dc=a$",)
    return Directory("dc=a", proxies, people, "", "cn=admin,dc=a", Slapd(policy, regexps, ()), DATABASE)


def planned(found: Directory, *, mapped: bool = False) -> Iterator[SetValues]:
    steps = ldapdb_side.configured(BACKEND, found, NOWHERE, mapped=mapped)
    return (step for step in steps if isinstance(step, SetValues))


def test_what_is_set_up_is_in_force_and_goes_without_a_trace(played: Played) -> None:
    played.writable = frozenset()
    played.values[slapd.CONFIG, "olcAuthzRegexp"] = (FOREIGN,)
    played.values[DATABASE, "olcAccess"] = ("to * by * read",)
    before = {key: value for key, value in played.values.items() if value}
    changes = list(planned(directory(regexps=(FOREIGN,))))
    assert [change.attribute for change in changes] == [
        "olcAccess",
        "olcAuthzRegexp",
        "authzTo",
        "olcAuthzPolicy",
    ]
    ways = [way for change in changes for way in change.capture(LIVE)]
    for way in ways:  # recorded, and then the machine stopped
        way.undo(LIVE)
    assert {key: value for key, value in played.values.items() if value} == before
    for change in changes:
        assert codec.unpack(KINDS, codec.pack(change)) == change
        change.check(LIVE)
        change.apply(LIVE)
        change.apply(LIVE)
        assert (change.done(LIVE), change.capture(LIVE)) == (True, ())
    assert played.values[slapd.CONFIG, "olcAuthzRegexp"][0] == FOREIGN
    assert played.values[DATABASE, "olcAccess"][1:] == ("to * by * read",)
    for _ in range(2):
        for way in reversed(ways):
            assert (codec.unpack(UNDO_KINDS, codec.pack(way)), way.conflicts(LIVE)) == (way, ())
            way.undo(LIVE)
    assert {key: value for key, value in played.values.items() if value} == before


@pytest.mark.parametrize("policy", ["to", "any", "both"])
def test_what_lets_it_speak_already_stays(played: Played, policy: str) -> None:
    played.values[PROXY, "authzTo"] = ("dn.exact:uid=sue,dc=a",)
    (only,) = planned(directory(policy), mapped=True)
    assert only.before == ("dn.exact:uid=sue,dc=a",)
    assert len(only.after) == 2
    assert only.after[1].endswith(",cn=auth$")


@pytest.mark.parametrize(
    ("found", "key", "said"),
    [
        (directory("from"), "backend.configure", "from"),
        (directory("all"), "backend.configure", "all"),
        (directory(proxies=()), "backend.id", "nobody below dc=a"),
        (directory(proxies=(PROXY, "uid=proxy,ou=b,dc=a")), "backend.id", "uid=proxy,ou=b,dc=a"),
        (directory(regexps=("uid=(.*),cn=digest-md5,cn=auth uid=$1,dc=b",)), "backend.configure", "dc=b"),
        (Directory(why="it is elsewhere"), "backend.configure", "it is elsewhere. What has to be loaded"),
    ],
)
@pytest.mark.usefixtures("played")
def test_what_is_in_the_way_is_named_and_kept(found: Directory, key: str, said: str) -> None:
    with pytest.raises(PolicyError, match=re.escape(said)) as refused:
        list(planned(found))
    assert refused.value.key == key


def test_who_may_write_authzto_could_become_anybody(played: Played) -> None:
    somebody = "uid=somebody,dc=a"
    played.writable |= {(somebody, somebody)}
    with pytest.raises(PolicyError, match="become anybody"):
        list(planned(directory()))


def test_the_administrator_may_not_be_spoken_for_unnoticed(played: Played) -> None:
    found = Directory("dc=a", (PROXY,), ("dn.regex:^cn=[^,]+,dc=a$",), "", "cn=admin,dc=a", Slapd("", (), ()))
    notes = [
        step
        for step in ldapdb_side.configured(BACKEND, found, NOWHERE, mapped=True)
        if not isinstance(step, SetValues)
    ]
    assert ["cn=admin,dc=a" in str(note) for note in notes] == [True]
    assert played.values == {}


def test_what_others_changed_since_stays(played: Played) -> None:
    (*_, change) = planned(directory())
    (way,) = change.capture(LIVE)
    change.apply(LIVE)
    played.values[change.entry, change.attribute] = ("any",)
    assert "somebody else" in way.conflicts(LIVE)[0]
    with pytest.raises(WizardError, match="somebody else"):
        way.undo(LIVE)
    with pytest.raises(ChangedSinceReviewError):
        change.apply(LIVE)
    assert played.values[change.entry, change.attribute] == ("any",)


def test_below_a_root_no_directory_is_touched(played: Played, tmp_path: Path) -> None:
    change = next(planned(directory()))
    with pytest.raises(HostError, match="--root"):
        change.check(Root(tmp_path))
    for way in change.capture(LIVE):
        way.undo(Root(tmp_path))
    assert played.values == {}


def test_the_journal_knows_what_was_made(played: Played, tmp_path: Path) -> None:
    root = Root(tmp_path)
    first = SetValues(PROXY, "authzTo", (), ("a",), reason="")
    second = SetValues(PROXY, "authzTo", ("a",), ("a", "b"), reason="")
    back = SetValues(PROXY, "authzTo", ("a", "b"), (), reason="")
    seen = []
    for change in (first, second, back):
        checkpoint = create(root, "", "")
        checkpoint.record(change.capture(LIVE))
        change.apply(LIVE)
        checkpoint.at(State.KEPT)
        seen.append([(way.before, way.after) for way in ours.in_slapd(root)])
    assert seen == [[((), ("a",))], [((), ("a", "b"))], []]
    assert played.values[PROXY, "authzTo"] == ()


def test_who_speaks_for_the_users_no_more_may_not(played: Played, tmp_path: Path) -> None:
    root = Root(tmp_path)
    before = SetValues("uid=old,dc=a", "authzTo", (), ("a",), reason="")
    checkpoint = create(root, "", "")
    checkpoint.record(before.capture(LIVE))
    before.apply(LIVE)
    checkpoint.at(State.KEPT)
    steps = list(ldapdb_side.configured(BACKEND, directory(), root, mapped=True))
    assert [step.target for step in steps if isinstance(step, SetValues) and not step.after] == [
        before.target
    ]
    assert played.values["uid=old,dc=a", "authzTo"] == ("a",)


@given(st.text(min_size=1), st.text(min_size=1))
def test_ldif_is_plain_and_says_what_it_is_given(entry: str, value: str) -> None:
    record = ldif.modify(entry, "authzTo", (), (value,))
    assert re.fullmatch(r"dn:: ?\S+\n|dn: [!-~][ -~]*\n", record.partition("\n")[0] + "\n")
    assert all(" " <= letter <= "~" for letter in record.replace("\n", ""))
    assert len(record.splitlines()) == 4


def test_users_are_fitted_as_they_are_named_and_nobody_else() -> None:
    def fit(name: str, *names: str) -> bool:
        patterns = (rule.removeprefix("dn.regex:") for rule in _people(names, "dc=a"))
        return any(re.search(pattern, name, re.IGNORECASE) for pattern in patterns)

    assert fit("uid=new,ou=P (x),dc=a", "uid=sue,ou=p (x),dc=a")
    assert not fit("cn=admin,dc=a", "uid=sue,dc=a", "cn=ann,ou=p,dc=a")
    assert not fit("uid=x,ou=q,dc=a", "uid=sue,ou=p,dc=a")
    assert fit("uid=x,ou=q,dc=a", *(f"uid=sue,ou={place},dc=a" for place in "hijkl"))
    assert fit("uid=x,ou=q,dc=a")


@pytest.mark.parametrize(
    ("uri", "here"),
    [
        ("ldapi:///", True),
        ("ldap://localhost", True),
        ("ldap://[::1]:390", True),
        ("ldap://x.example", False),
    ],
)
def test_whose_directory_it_is(uri: str, here: bool, tmp_path: Path) -> None:
    assert is_here(uri, Host(Root(tmp_path))) is here
