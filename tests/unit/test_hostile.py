"""Whatever a file holds, and whatever lies where a file should be: it is read, or refused in words, soon."""

from __future__ import annotations

import os
import socket
import stat
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wizard import (
    certificates,
    drift,
    journal,
    passwordfile,
    pem,
    platforms,
    policyfile,
    processes,
)
from wizard.changes import StatOverride, owners, packages
from wizard.errors import ParseError, WizardError
from wizard.formats import maincf, mastercf, pamd, saslauthdconf, shellvars, smtpdconf, table
from wizard.host import Host
from wizard.policyfile import parse
from wizard.root import Root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_FILES = {
    "main.cf": b"a = b\n# c\nd = e,\n  f\n",
    "master.cf": b"smtp inet n - y - - smtpd\n  -o a=b\n",
    "smtpd.conf": b"pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\n",
    "saslauthd": b'START=yes\nMECHANISMS="pam"\nOPTIONS="-c -m /run/x"\nTHREADS=5\n',
    "pam.d": b"auth required pam_unix.so\n@include common-account\n",
    "os-release": b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="x"\n',
    "status": b"Package: postfix\nStatus: install ok installed\nVersion: 3\n\n",
    "group": b"root:x:0:\nsasl:x:45:postfix\n",
    "statoverride": b"root sasl 710 /run/saslauthd\n",
    "certificate": b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    "key": b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
    "saslauthd.conf": b"ldap_servers: ldap://a\nldap_password: x\n",
    "password": b"secret\n",
    "policy": b'[backend]\ntype = "auxprop-sasldb"\n[tls]\nsource = "keep"\n',
    "table": b"[relay.example]:587 joe:secret\n",
    "about.json": b'{"id": "1", "time": "t", "summary": "s", "policy": "", "state": "kept", "deadline": 0}',
    "undo.jsonl": b'[{"kind": "remove-group", "name": "a"}]\n[{"kind": "sweep", "path": "/a"}]\n',
    "after.json": b'{"/etc/x": {"digest": "", "content": "YQ=="}}',
}
_CHECKPOINT = "var/lib/postfix-auth/checkpoints/1"
_PLACES = {
    "os-release": "etc/os-release",
    "status": "var/lib/dpkg/status",
    "group": "etc/group",
    "statoverride": "var/lib/dpkg/statoverride",
    "saslauthd": "etc/default/saslauthd",
    "certificate": "etc/ssl/cert.pem",
    "key": "etc/ssl/key.pem",
    "password": "root/password",
    "policy": "root/policy.toml",
    **{
        name: f"var/lib/postfix-auth/checkpoints/1/{name}"
        for name in ("about.json", "undo.jsonl", "after.json")
    },
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Root:
    """Return a tree with an ordinary file in each place."""
    folder = tmp_path_factory.mktemp("tree")
    for name, place in _PLACES.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(_FILES[name])
        (folder / place).chmod(0o600)
    return Root(folder)


_OVERRIDE = StatOverride("/run/saslauthd", "root", "sasl", 0o710, reason="")


def _edit_main_cf(data: bytes) -> bytes:
    return maincf.edit("main.cf", data, [maincf.SetParameter("a", "b")])


def _edit_master_cf(data: bytes) -> bytes:
    return mastercf.edit("master.cf", data, [mastercf.SetOption("smtp", "inet", "a", "b")])


def _edit_smtpd_conf(data: bytes) -> bytes:
    return smtpdconf.edit("smtpd.conf", data, [smtpdconf.SetKey("mech_list", "PLAIN")])


def _edit_saslauthd(data: bytes) -> bytes:
    return shellvars.edit("saslauthd", data, [shellvars.SetVariable("THREADS", "5")])


def _edit_pam(data: bytes) -> bytes:
    return pamd.edit("smtp", data, [pamd.AddRule("auth", "required", "pam_deny.so")])


def _edit_saslauthd_conf(data: bytes) -> bytes:
    saslauthdconf.read("saslauthd.conf", data)
    return saslauthdconf.edit("saslauthd.conf", data, {"ldap_servers": "ldap://b"})


def _read_pam(data: bytes) -> object:
    return pamd.read("smtp", data)


def _read_smtpd_conf(data: bytes) -> object:
    return smtpdconf.read("smtpd.conf", data)


def _look_up(data: bytes) -> object:
    return table.lookup(data, "[relay.example]:587"), table.put(data, "[relay.example]:587", "joe:x")


def _load_certificates(data: bytes) -> object:
    return pem.load(data, "cert.pem")


#: Those that are given bytes.
_TAKERS: dict[str, list[Callable[[bytes], object]]] = {
    "main.cf": [_edit_main_cf],
    "master.cf": [_edit_master_cf],
    "smtpd.conf": [_read_smtpd_conf, _edit_smtpd_conf],
    "saslauthd": [_edit_saslauthd],
    "pam.d": [_read_pam, _edit_pam],
    "saslauthd.conf": [_edit_saslauthd_conf],
    "table": [_look_up],
    "certificate": [_load_certificates, pem.presented],
    "policy": [parse],
}
#: Those that read a file of the tree.
_READERS: dict[str, Callable[[Root], object]] = {
    "os-release": platforms.recognize,
    "status": lambda root: (packages.installed(root), packages.known(root)),
    "group": lambda root: (
        owners.members(root, "sasl"),
        owners.gid(root, "sasl"),
        Host(root).members("sasl"),
    ),
    "statoverride": lambda root: (_OVERRIDE.done(root), _OVERRIDE.capture(root)),
    "saslauthd": lambda root: (Host(root).saslauthd, processes.enabled("saslauthd", root)),
    "certificate": lambda root: certificates.examine(
        "/etc/ssl/cert.pem", "/etc/ssl/key.pem", ("a.example",), root
    ),
    "key": lambda root: certificates.examine("/etc/ssl/key.pem", "", (), root),
    "password": lambda root: passwordfile.read_password_file(root.path("/root/password"), "key"),
    "policy": lambda root: policyfile.load(root.path("/root/policy.toml")),
    "about.json": lambda root: [journal.last_policy(root), drift.drift(root), journal.checkpoints(root)],
    "undo.jsonl": lambda root: [one.ways_back() for one in journal.checkpoints(root)],
    "after.json": lambda root: [each.diff(root) for each in drift.drift(root)],
}


@pytest.fixture
def place(tree: Root, request: pytest.FixtureRequest) -> Iterator[tuple[str, Path]]:
    """Return the name of a file and where it lies; afterwards it is an ordinary one again."""
    name: str = request.param
    found = tree.prefix / _PLACES[name]
    yield name, found
    _remove(found)
    _write(found, _FILES[name])


def _remove(found: Path) -> None:
    if found.is_dir() and not found.is_symlink():
        found.rmdir()
    else:
        found.unlink(missing_ok=True)


def _write(found: Path, content: bytes) -> None:
    found.write_bytes(content)
    found.chmod(0o600)


def _read_or_refused(read: Callable[[], object]) -> WizardError | None:
    """Call ``read``: any exception but ours in words ends the test."""
    try:
        read()
    except WizardError as error:
        assert str(error).strip()
        return error
    return None


#: Pieces that mean something in one of the files, or are known to bring readers down.
_PIECES = (
    *(bytes([code]) for code in range(256)),
    *(b"\xc2\xb2", b"\xe2\x80\xa8", b"\xed\xb2\x80", b"\x1b[2J", b"\r\n", b"\n\n", b"  ", b"\n "),
    *(b"THREADS=", b"9" * 5000, b"-----BEGIN ", b"KEY-----\n", b"[[", b'"""', b'{"a":', b"null", b"1e999"),
)


def _spoilt(content: bytes) -> st.SearchStrategy[bytes]:
    """Return anything at all, and ``content`` with pieces put in, taken out or repeated."""
    cuts = st.tuples(st.integers(0, len(content)), st.integers(0, 8), st.sampled_from(_PIECES))

    def spoil(made: list[tuple[int, int, bytes]]) -> bytes:
        spoilt = content
        for at, length, piece in made:
            spoilt = spoilt[:at] + piece + spoilt[at + length :]
        return spoilt

    return st.binary(max_size=200) | st.lists(cuts, min_size=1, max_size=6).map(spoil)


_SLOWLY = settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", _TAKERS)
@_SLOWLY
@given(data=st.data())
def test_any_bytes_are_read_or_refused_in_words(name: str, data: st.DataObject) -> None:
    content = data.draw(_spoilt(_FILES[name]))
    for take in _TAKERS[name]:
        _read_or_refused(partial(take, content))


@pytest.mark.parametrize("code", range(5))
@pytest.mark.parametrize(
    "edit", [_edit_main_cf, _edit_master_cf, _edit_smtpd_conf, _edit_saslauthd, _edit_pam]
)
def test_what_would_end_the_program_within_augeas_never_gets_there(
    edit: Callable[[bytes], bytes], code: int
) -> None:
    with pytest.raises(ParseError, match=r"line 2: unexpected control character"):
        edit(b"# a comment\n# " + bytes([code]) + b"\n")


@pytest.mark.parametrize("place", _READERS, indirect=True)
@_SLOWLY
@given(data=st.data())
def test_any_file_is_read_or_refused_in_words(
    tree: Root, place: tuple[str, Path], data: st.DataObject
) -> None:
    name, found = place
    _write(found, data.draw(_spoilt(_FILES[name])))
    _read_or_refused(lambda: _READERS[name](tree))


@pytest.mark.parametrize("place", _READERS, indirect=True)
@pytest.mark.parametrize(
    "kind", ["pipe", "directory", "socket", "device", "endless", "loop", "nowhere", "huge"]
)
def test_what_is_no_small_file_is_refused_at_once(tree: Root, place: tuple[str, Path], kind: str) -> None:
    name, found = place
    _remove(found)
    _put(found, kind)
    began = time.monotonic()
    refused = _read_or_refused(lambda: _READERS[name](tree))
    assert time.monotonic() - began < 2
    # what is not there is no mistake for most; certificates tell their problems without raising
    if kind not in ("nowhere", "huge") and name not in ("certificate", "key"):
        assert refused
        assert str(found) in str(refused)


def _put(found: Path, kind: str) -> None:
    match kind:
        case "pipe":
            os.mkfifo(found)
        case "directory":
            found.mkdir()
        case "socket":
            # the name of a socket is short; the directory's own is not
            here = os.open(found.parent, os.O_RDONLY)
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(f"/proc/self/fd/{here}/{found.name}")
            os.close(here)
        case "device" | "endless":
            _device(found, 1, 5 if kind == "endless" else 7)
        case "loop":
            found.symlink_to(found.name)
        case "nowhere":
            found.symlink_to("/nowhere/at/all")
        case _:
            with found.open("wb") as file:
                file.truncate(2 << 30)


def _device(found: Path, major: int, minor: int) -> None:
    try:
        os.mknod(found, 0o600 | stat.S_IFCHR, os.makedev(major, minor))
        found.open("rb").close()
    except PermissionError:
        pytest.skip("devices can't be made here")


#: What once brought a reader down.
_KNOWN = (
    *(("saslauthd", b"THREADS=%s\n" % digits) for digits in ("²".encode(), b"9" * 5000, b"-1", b"")),
    *(("group", b"sasl:x:%s:a\n" % digits) for digits in ("²".encode(), b"9" * 5000)),
    ("statoverride", b"root sasl 9z9 /run/saslauthd\n"),
    ("about.json", b"[]"),
    ("about.json", b"[" * 100_000),
    ("undo.jsonl", b"[" * 100_000 + b"\n"),
    ("undo.jsonl", b'[{"kind": "remove-group", "name": 7}]\n'),
    ("undo.jsonl", b'[{"kind": "restore-file", "path": {"base64": "?"}}]\n'),
    ("after.json", b'{"/etc/x": 1}'),
    ("after.json", b'{"/etc/x": {"digest": "1", "content": "?"}}'),
)


@pytest.mark.parametrize(("place", "content"), _KNOWN, indirect=["place"])
def test_what_once_brought_a_reader_down(tree: Root, place: tuple[str, Path], content: bytes) -> None:
    name, found = place
    _write(found, content)
    _read_or_refused(lambda: _READERS[name](tree))


#: Long files that make a careless reader go over the same text again and again.
_SIZE = 1 << 17
_LONG = {
    "one word": b"a" * _SIZE,
    "a word each line": b"a\n" * (_SIZE // 2),
    "settings": b"a = b\n" * (_SIZE // 6),
    "keys": b"a: b\n" * (_SIZE // 5),
    "entries": b"[relay.example]:58 joe:x\n" * (_SIZE // 25),
    "services": b"smtp inet n - y - - smtpd\n -o a=b\n" * (_SIZE // 35),
    "rules": b"auth required pam_unix.so a=b\n" * (_SIZE // 30),
    "blanks": b" " * _SIZE,
    "blanks in a key": b"a" + b" " * _SIZE + b": b",
    "blanks in a value": b"a: b" + b" " * _SIZE + b"c",
    "blanks in a setting": b"a = b" + b" " * _SIZE + b"c",
    "blanks in an assignment": b"a=b" + b" " * _SIZE + b"c",
    "continued": b"a = b\n" + b" c\n" * (_SIZE // 3),
    "joined": b"a b c \\\n" * (_SIZE // 8),
    "comments": b"# a\n" * (_SIZE // 4),
    "hashes": b"#" * _SIZE,
    "quotes": b"a=" + b'""' * (_SIZE // 2),
    "open quotes": b'a="b\n' * (_SIZE // 5),
    "brackets": b"[" * _SIZE,
    "braces": b"{" * _SIZE,
    "escapes": b"a=" + b"\\\\" * (_SIZE // 2),
    "beginnings": b"-----BEGIN CERTIFICATE-----\n" * (_SIZE // 28),
    "certificates": _FILES["certificate"] * (_SIZE // 60),
    "empty lines": b"\n" * _SIZE,
    "carriage returns": b"\r" * _SIZE,
}


@pytest.mark.parametrize("name", _TAKERS)
@pytest.mark.parametrize("shape", _LONG)
def test_no_long_file_takes_long(name: str, shape: str) -> None:
    for take in _TAKERS[name]:
        began = time.process_time()
        _read_or_refused(partial(take, _LONG[shape]))
        assert time.process_time() - began < 10, take
