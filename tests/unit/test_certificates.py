"""Certificates made by OpenSSL's own program, each with one thing wrong; and ours, read by OpenSSL."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from wizard import certificates
from wizard.certificates import Certificate, Severity
from wizard.errors import HostError, ParseError, WizardError
from wizard.root import Root

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")

NAME = "mail.example.com"
SOME_GROUP = 4242 if os.geteuid() == 0 else os.getgid()


def openssl(*words: object) -> str:
    done = subprocess.run(
        ["openssl", *map(str, words)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass(frozen=True)
class Pki:
    """A root, an intermediate, and a server's certificate below it, all of them OpenSSL's."""

    folder: Path

    def make_key(self, name: str, *kind: str) -> Path:
        path = self.folder / f"{name}.key"
        openssl(
            "genpkey", *(kind or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")), "-out", path
        )
        path.chmod(0o600)
        return path

    def sign(
        self,
        name: str,
        issuer: str = "",
        *,
        key: str = "",
        options: tuple[str, ...] = (),
        ca: bool = False,
        subject: str = "",
        names: Iterable[str] = (f"DNS:{NAME}", "DNS:*.example.org"),
        days: int = 90,
        purpose: str = "",
    ) -> Path:
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        path = self.folder / f"{name}.pem"
        own = self.folder / f"{key or name}.key"
        openssl("req", "-new", "-key", own, "-subj", subject or f"/O=Test/CN={name}", "-out", request)
        lines = [f"basicConstraints=critical,CA:{str(ca).upper()}"]
        if not ca and names:
            lines.append("subjectAltName=" + ",".join(names))
        if purpose:
            lines.append(f"extendedKeyUsage={purpose}")
        extensions.write_text("\n".join(lines) + "\n")
        by = (
            ("-CA", self.folder / f"{issuer}.pem", "-CAkey", self.folder / f"{issuer}.key", "-CAcreateserial")
            if issuer
            else ("-signkey", own)
        )
        openssl(
            *("x509", "-req", "-in", request, *by, "-days", days, "-extfile", extensions),
            *("-out", path, *(options or ("-sha256",))),
        )
        return path

    def read(self, *names: str) -> bytes:
        return b"".join((self.folder / name).read_bytes() for name in names)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    made = Pki(tmp_path_factory.mktemp("pki"))
    for name in ("root", "middle", "server", "stranger"):
        made.make_key(name)
    made.sign("root", ca=True)
    made.sign("middle", "root", ca=True)
    made.sign("server", "middle")
    made.sign("stranger", ca=True)
    return made


class Tree:
    """A file tree with a certificate and a key in it, to be examined."""

    def __init__(self, folder: Path) -> None:
        self.root = Root(folder)
        self.folder = folder
        (folder / "etc").mkdir()
        (folder / "etc/group").write_text(f"root:x:0:\nssl-cert:x:{SOME_GROUP}:\n")

    def put(self, certificate: bytes, key: bytes | None = None, mode: int = 0o600) -> None:
        (self.folder / "cert.pem").write_bytes(certificate)
        if key is not None:
            (self.folder / "key.pem").write_bytes(key)
            (self.folder / "key.pem").chmod(mode)

    def problems(
        self, *names: str, now: datetime | None = None, key: str = "/key.pem"
    ) -> list[tuple[Severity, str]]:
        found = certificates.examine("/cert.pem", key, names, self.root, now).problems
        # nobody but root can make files of root's; what is said of others' has its own test
        return [(p.severity, p.message) for p in found if os.geteuid() == 0 or "belongs to" not in p.message]

    def only_problem(
        self, *names: str, now: datetime | None = None, key: str = "/key.pem"
    ) -> tuple[str, str]:
        [(severity, message)] = self.problems(*names, now=now, key=key)
        return severity.value, message


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


# reading


def test_a_chain_is_read_in_the_order_of_the_file(pki: Pki) -> None:
    server, middle = certificates.load(
        b"some words\n" + pki.read("server.pem", "middle.pem"), "/etc/ssl/mail.pem"
    )
    assert (server.subject, server.issuer) == ("CN=server,O=Test", "CN=middle,O=Test")
    assert server.names == (NAME, "*.example.org")
    assert (server.self_signed, middle.self_signed) == (False, False)
    told = openssl("x509", "-in", pki.folder / "server.pem", "-noout", "-fingerprint", "-sha256", "-enddate")
    assert server.fingerprint.upper() == told.splitlines()[0].split("=")[1].replace(":", "")
    assert f"{server.not_after:%b %e %H:%M:%S %Y GMT}" == told.splitlines()[1].split("=")[1]
    assert server.not_after - server.not_before == timedelta(days=90)


def test_a_presented_certificate_is_the_same(pki: Pki) -> None:
    der = pki.folder / "server.der"
    openssl("x509", "-in", pki.folder / "server.pem", "-outform", "DER", "-out", der)
    assert certificates.presented(der.read_bytes()) == certificates.load(pki.read("server.pem"), "x")[0]
    with pytest.raises(WizardError, match="can't be read"):
        certificates.presented(der.read_bytes()[:-40])


def test_a_root_is_self_signed(pki: Pki) -> None:
    assert certificates.load(pki.read("root.pem"), "x")[0].self_signed


def test_the_common_name_counts_only_without_other_names(pki: Pki) -> None:
    pki.sign("old", "middle", key="server", names=(), subject=f"/CN={NAME}")
    assert certificates.load(pki.read("old.pem"), "x")[0].names == (NAME,)
    pki.sign("new", "middle", key="server", names=("IP:192.0.2.1", "IP:2001:db8::1"), subject=f"/CN={NAME}")
    assert certificates.load(pki.read("new.pem"), "x")[0].names == ("192.0.2.1", "2001:db8::1")


def test_a_name_that_would_move_the_cursor_is_made_harmless(pki: Pki) -> None:
    pki.sign("esc", "middle", key="server", names=(), subject="/CN=\x1b[2Jmail")
    found = certificates.load(pki.read("esc.pem"), "x")[0]
    assert found.names == ("?[2Jmail",)
    assert found.subject.isprintable()


@pytest.mark.parametrize(
    "content", [b"", b"\x30\x82\x01\x0a\x00\xff", b"-----BEGIN CERTIFICATE-----\nMIIB\n"]
)
def test_a_file_without_a_certificate_is_named(content: bytes) -> None:
    with pytest.raises(HostError, match=r"^/etc/mail\.pem holds no certificate"):
        certificates.load(content, "/etc/mail.pem")


def test_a_broken_certificate_is_named_with_its_line(pki: Pki) -> None:
    good = pki.read("server.pem")
    lines = good.splitlines(keepends=True)
    broken = b"".join([lines[0], lines[1][::-1], *lines[2:]])
    with pytest.raises(ParseError) as told:
        certificates.load(good + b"\n" + broken, "/etc/mail.pem")
    assert (told.value.path, told.value.line) == ("/etc/mail.pem", len(lines) + 2)


# names


def with_names(*names: str) -> Certificate:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    return Certificate("", "", names, start, start, "", self_signed=False)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        (NAME, NAME, True),
        (NAME, "MAIL.Example.COM", True),
        (NAME, "mail.example.com.", True),
        (NAME, "smtp.example.com", False),
        (NAME, "xmail.example.com", False),
        ("*.example.com", NAME, True),
        ("*.example.com", "*.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", ".example.com", False),
        ("m*.example.com", NAME, False),
        ("mail.*.com", NAME, False),
        ("*", "localhost", False),
        ("*.com", "example.com", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "[2001:0DB8::1]", True),
        ("*.0.2.1", "192.0.2.1", False),
    ],
)
def test_names_match_as_rfc_6125_has_it(pattern: str, name: str, matches: bool) -> None:
    assert certificates.name_matches(with_names("other.example.net", pattern), name) is matches


# making


def test_openssl_trusts_what_we_make(tmp_path: Path) -> None:
    made = certificates.self_signed([NAME, "*.example.org", "192.0.2.1"])
    certificate, key = tmp_path / "made.pem", tmp_path / "made.key"
    certificate.write_bytes(made.certificate_pem)
    key.write_bytes(made.key_pem)
    for check in (
        ("-verify_hostname", NAME),
        ("-verify_hostname", "a.example.org"),
        ("-verify_ip", "192.0.2.1"),
    ):
        openssl(
            "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", certificate, *check, certificate
        )
    text = openssl("x509", "-in", certificate, "-noout", "-text")
    assert f"Subject: CN = {NAME}\n" in text
    assert "Public-Key: (256 bit)" in text
    assert "CA:FALSE" in text
    assert "X509v3 Key Usage: critical\n                Digital Signature\n" in text
    assert "TLS Web Server Authentication\n" in text
    assert f"DNS:{NAME}, DNS:*.example.org, IP Address:192.0.2.1\n" in text
    assert openssl("x509", "-in", certificate, "-noout", "-pubkey") == openssl("pkey", "-in", key, "-pubout")
    assert made.key_pem.startswith(b"-----BEGIN PRIVATE KEY-----")


def test_what_we_make_is_valid_from_an_hour_ago_and_read_back_as_made() -> None:
    made = certificates.self_signed([NAME, "192.0.2.1", "a.example.com"], days=10)
    [found] = certificates.load(made.certificate_pem, "x")
    assert found.names == (NAME, "192.0.2.1", "a.example.com")
    assert found.self_signed
    assert found.not_after - found.not_before == timedelta(days=10, seconds=-1)
    assert timedelta(minutes=59) < datetime.now(UTC) - found.not_before < timedelta(minutes=61)
    assert certificates.load(certificates.self_signed([NAME]).certificate_pem, "x")[0] != found


def test_a_first_name_too_long_for_a_common_name_still_works() -> None:
    long = "a" * 60 + ".example.com"
    [found] = certificates.load(certificates.self_signed([long]).certificate_pem, "x")
    assert found.names == (long,)
    assert found.subject == "O=self-signed"


@pytest.mark.parametrize("names", [[], [""], ["bücher.example"]])
def test_a_name_that_no_certificate_can_hold_is_refused(names: list[str]) -> None:
    with pytest.raises(WizardError, match="no certificate can be made for"):
        certificates.self_signed(names)


def test_a_new_key_never_shows_in_a_traceback() -> None:
    made = certificates.self_signed([NAME])
    assert made.key_pem.splitlines()[1].decode() not in repr(made)


# examining


def test_a_good_pair_has_no_problem(pki: Pki, tree: Tree) -> None:
    tree.put(pki.read("server.pem", "middle.pem"), pki.read("server.key"))
    assert tree.problems(NAME, "smtp.example.org") == []
    tree.put(pki.read("server.pem", "middle.pem", "root.pem"))
    assert tree.problems(NAME) == []
    found = certificates.examine("/cert.pem", "/key.pem", (), tree.root)
    assert [one.subject for one in found.chain] == [
        f"CN={name},O=Test" for name in ("server", "middle", "root")
    ]


def test_what_we_make_ourselves_has_no_problem(tree: Tree) -> None:
    made = certificates.self_signed([NAME])
    tree.put(made.certificate_pem, made.key_pem)
    assert tree.problems(NAME) == []


def test_both_in_one_file_work_with_the_key_first(pki: Pki, tree: Tree) -> None:
    tree.put(pki.read("server.key", "server.pem", "middle.pem"))
    (tree.folder / "cert.pem").chmod(0o600)
    assert tree.problems(NAME, key="/cert.pem") == []
    assert tree.problems(NAME, key="") == []
    tree.put(pki.read("server.pem", "middle.pem", "server.key"))
    assert tree.only_problem(key="/cert.pem") == (
        "error",
        "/cert.pem: the key must stand before the certificate in a file that holds both",
    )


def test_a_second_key_beside_the_certificate(pki: Pki, tree: Tree) -> None:
    tree.put(pki.read("server.key", "server.pem", "middle.pem"), pki.read("server.key"))
    severity, message = tree.only_problem()
    assert (severity, message[:39]) == ("error", "/cert.pem holds a private key as well, ")


@pytest.mark.parametrize("name", ["cert.pem", "key.pem"])
def test_a_missing_file_is_named(pki: Pki, tree: Tree, name: str) -> None:
    tree.put(pki.read("server.pem", "middle.pem"), pki.read("server.key"))
    (tree.folder / name).unlink()
    assert tree.only_problem() == ("error", f"/{name}: No such file or directory")


@pytest.mark.parametrize("name", ["cert.pem", "key.pem"])
def test_what_is_no_regular_file_is_not_even_opened(pki: Pki, tree: Tree, name: str) -> None:
    tree.put(pki.read("server.pem", "middle.pem"), pki.read("server.key"))
    (tree.folder / name).unlink()
    os.mkfifo(tree.folder / name)
    assert tree.only_problem() == ("error", f"/{name}: not a regular file")


def test_a_link_to_the_files_is_followed(pki: Pki, tree: Tree) -> None:
    tree.put(pki.read("server.pem", "middle.pem"), pki.read("server.key"))
    for name in ("cert", "key"):
        (tree.folder / f"{name}.pem").rename(tree.folder / f"{name}1.pem")
        (tree.folder / f"{name}.pem").symlink_to(f"{name}1.pem")
    assert tree.problems(NAME) == []


def test_a_key_that_does_not_fit(pki: Pki, tree: Tree) -> None:
    tree.put(pki.read("server.pem", "middle.pem"), pki.read("stranger.key"))
    assert tree.only_problem() == ("error", "/key.pem: the key does not fit the certificate in /cert.pem")


@pytest.mark.parametrize("form", ["pkcs8", "traditional"])
def test_a_key_with_a_passphrase(pki: Pki, tree: Tree, form: str) -> None:
    locked = tree.folder / "locked.key"
    more = ("-traditional",) if form == "traditional" else ()
    openssl(
        *("pkey", "-in", pki.folder / "server.key", "-aes256", *more, "-passout", "pass:secret"),
        *("-out", locked),
    )
    tree.put(pki.read("server.pem", "middle.pem"), locked.read_bytes())
    severity, message = tree.only_problem()
    assert severity == "error"
    assert message.startswith("/key.pem: the key has a passphrase, which Postfix can't ask for")


def test_a_broken_key_is_not_quoted(pki: Pki, tree: Tree) -> None:
    lines = pki.read("server.key").splitlines(keepends=True)
    tree.put(pki.read("server.pem", "middle.pem"), b"".join([lines[0], lines[1][::-1], *lines[2:]]))
    assert tree.only_problem() == ("error", "/key.pem, line 1: the private key that begins here is broken")


def test_a_key_file_without_a_key(pki: Pki, tree: Tree) -> None:
    tree.put(pki.read("server.pem", "middle.pem"), pki.read("server.pem"))
    severity, message = tree.only_problem()
    assert (severity, message[:39]) == ("error", "/key.pem holds no private key in PEM fo")


def test_older_forms_of_keys_are_read(pki: Pki, tree: Tree) -> None:
    pki.make_key("rsa", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    pki.sign("rsa", "middle")
    for name in ("rsa", "server"):
        old = openssl("pkey", "-in", pki.folder / f"{name}.key", "-traditional")
        params = openssl("ecparam", "-name", "prime256v1") if name == "server" else ""
        tree.put(pki.read(f"{name}.pem", "middle.pem"), (params + old).encode())
        assert tree.problems(NAME) == []


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (0o640, ("warning", "members of the group ssl-cert may read the key")),
        (0o660, ("error", f"members of group {SOME_GROUP} may read or change the key")),
        (0o604, ("error", "every user of this host may read or change the key")),
        (0o602, ("error", "every user of this host may read or change the key")),
    ],
)
def test_a_key_that_others_reach(pki: Pki, tree: Tree, mode: int, said: tuple[str, str]) -> None:
    tree.put(pki.read("server.pem", "middle.pem"), pki.read("server.key"), mode)
    os.chown(tree.folder / "key.pem", -1, SOME_GROUP)
    severity, message = tree.only_problem()
    assert severity == said[0]
    assert message.startswith(f"/key.pem: {said[1]}")


def test_any_other_group_is_an_error(pki: Pki, tree: Tree) -> None:
    (tree.folder / "etc/group").write_text("nonsense\nssl-cert:x:99:\n")
    tree.put(pki.read("server.pem", "middle.pem"), pki.read("server.key"), 0o640)
    os.chown(tree.folder / "key.pem", -1, SOME_GROUP)
    assert tree.only_problem()[0] == "error"


def test_a_key_of_somebody_else(pki: Pki, tree: Tree) -> None:
    tree.put(pki.read("server.pem", "middle.pem"), pki.read("server.key"))
    if os.geteuid() == 0:
        os.chown(tree.folder / "key.pem", 65534, -1)
    [found] = certificates.examine("/cert.pem", "/key.pem", (), tree.root).problems
    owner = (tree.folder / "key.pem").stat().st_uid
    assert found.severity is Severity.ERROR
    assert found.message == (
        f"/key.pem: the key belongs to user {owner}, not to root: "
        "chown root:root /key.pem; chmod 600 /key.pem"
    )


def test_a_missing_intermediate_is_a_warning(pki: Pki, tree: Tree) -> None:
    tree.put(pki.read("server.pem"), pki.read("server.key"))
    severity, message = tree.only_problem()
    assert severity == "warning"
    assert "the certificate of its issuer (CN=middle,O=Test) is missing" in message


def test_a_chain_out_of_order(pki: Pki, tree: Tree) -> None:
    tree.put(pki.read("server.pem", "root.pem", "middle.pem"), pki.read("server.key"))
    assert (
        "error",
        "/cert.pem: out of order; certificate 1 (CN=server,O=Test) must be followed by CN=middle,O=Test",
    ) in (tree.problems())


def test_the_servers_certificate_not_first(pki: Pki, tree: Tree) -> None:
    tree.put(pki.read("middle.pem", "server.pem"), pki.read("server.key"))
    assert (
        "error",
        "/cert.pem: the server's certificate must come first; the one that fits the key is number 2",
    ) in tree.problems()


def test_an_issuer_of_the_right_name_with_another_key(pki: Pki, tree: Tree) -> None:
    pki.sign("impostor", key="stranger", ca=True, subject="/O=Test/CN=middle")
    tree.put(pki.read("server.pem", "impostor.pem"), pki.read("server.key"))
    assert tree.only_problem() == (
        "error",
        "/cert.pem: certificate 1 (CN=server,O=Test) was not signed by the CN=middle,O=Test that follows",
    )


def test_a_stranger_further_down_the_chain(pki: Pki, tree: Tree) -> None:
    tree.put(pki.read("server.pem", "middle.pem", "stranger.pem"), pki.read("server.key"))
    assert tree.only_problem() == (
        "error",
        "/cert.pem: certificate 2 (CN=middle,O=Test) is followed by one that did not sign it",
    )


def test_names_that_the_certificate_is_not_for(pki: Pki, tree: Tree) -> None:
    tree.put(pki.read("server.pem", "middle.pem"), pki.read("server.key"))
    assert tree.only_problem(NAME, "smtp.example.net") == (
        "error",
        f"/cert.pem: the certificate is not for smtp.example.net, but for {NAME}, *.example.org",
    )


def test_a_certificate_without_alternative_names(pki: Pki, tree: Tree) -> None:
    pki.sign("old", "middle", key="server", names=(), subject=f"/CN={NAME}")
    tree.put(pki.read("old.pem", "middle.pem"), pki.read("server.key"))
    severity, message = tree.only_problem(NAME)
    assert (severity, "has no subjectAltName" in message) == ("warning", True)


@pytest.mark.parametrize(
    ("purpose", "fits"),
    [("clientAuth", False), ("serverAuth,clientAuth", True), ("anyExtendedKeyUsage", True)],
)
def test_a_certificate_for_something_else(pki: Pki, tree: Tree, purpose: str, fits: bool) -> None:
    pki.sign("purpose", "middle", key="server", purpose=purpose)
    tree.put(pki.read("purpose.pem", "middle.pem"), pki.read("server.key"))
    found = tree.problems(NAME)
    assert [severity for severity, _ in found] == ([] if fits else ["error"])
    assert fits or "is not for servers" in found[0][1]


@pytest.mark.parametrize(
    ("days", "severity", "words"),
    [
        (-1, "error", "is not valid before"),
        (70, "warning", "expires in 19 days"),
        (91, "error", "expired on"),
    ],
)
def test_dates(pki: Pki, tree: Tree, days: int, severity: str, words: str) -> None:
    pki.sign("long", "root", key="middle", ca=True, subject="/O=Test/CN=middle", days=4000)
    tree.put(pki.read("server.pem", "long.pem"), pki.read("server.key"))
    found = tree.problems(now=datetime.now(UTC) + timedelta(days=days))
    assert [(s.value, m) for s, m in found if words in m and "CN=server" in m], found
    assert {s.value for s, _ in found} == {severity}


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_a_weak_signature(pki: Pki, tree: Tree, digest: str) -> None:
    pki.make_key("old", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    pki.sign("old", ca=True)
    pki.sign("weak", "old", key="server", options=(f"-{digest}",))
    tree.put(pki.read("weak.pem", "old.pem"), pki.read("server.key"))
    assert tree.only_problem() == (
        "error",
        f"/cert.pem: CN=weak,O=Test is signed with {digest.upper()}, which TLS no longer accepts",
    )


def test_the_signature_of_a_root_is_never_looked_at(pki: Pki, tree: Tree) -> None:
    pki.sign("aged", key="stranger", ca=True, options=("-sha1",), subject="/O=Test/CN=stranger")
    pki.sign("below", "stranger", key="server")
    tree.put(pki.read("below.pem", "aged.pem"), pki.read("server.key"))
    assert tree.problems() == []


def test_a_short_rsa_key(pki: Pki, tree: Tree) -> None:
    pki.make_key("short", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    pki.sign("short", "middle")
    tree.put(pki.read("short.pem", "middle.pem"), pki.read("short.key"))
    assert tree.only_problem() == (
        "error",
        "/cert.pem: the key of CN=short,O=Test has 1024 bits; at least 2048 are needed",
    )
