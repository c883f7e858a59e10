"""Every back end through the wizard's keys at 80x24, on a Debian without a mail server.

What is asked stands on a second machine, as with most admins, and users log in from there. Each is set up on
one release; by tests/run thorough on both.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.machines import directory, mail_clients, password_servers
from tests.machines.backends import CERTIFICATE, PASSWORD, SYSTEM_USER
from tests.machines.databases import DATABASE_PASSWORD, PGSQL
from tests.machines.images import Debian, Kind
from tests.machines.machine import LAUNCHER
from tests.machines.mail_clients import Login
from tests.machines.thorough import THOROUGH

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.machines.conftest import Boot
    from tests.machines.machine import Machine
    from tests.machines.terminal import Terminal

_ELSEWHERE = "other.example.net"
_INSTALLING = 120.0  # seconds at most, for packages and tests
_PLAIN = ("PLAIN", "LOGIN")
_CHALLENGES = ("SCRAM-SHA-256", *_PLAIN)
_SAVED = "/root/postfix-auth.toml"
_KEPT = "/etc/postfix-auth/backend.password"
_BASE = "dc=example,dc=net"


@dataclass(frozen=True, slots=True)
class Text:
    """A field to fill in, by its label."""

    label: str
    text: str
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Tick:
    """A choice to make in a list, by its title."""

    title: str


@dataclass(frozen=True, slots=True)
class Way:
    """A back end as the admin knows it: its title, what its form is told, and what has to be there before.

    ``prepare`` gets the server and the other machine. ``warned`` is said in the review.
    ``makes``: the account that is made in the wizard.
    """

    title: str
    form: tuple[Text | Tick, ...] = ()
    kind: Kind = Kind.CLIENTS
    prepare: Callable[[Machine, Machine], None] = lambda _, __: None
    user: str = SYSTEM_USER
    mechanisms: tuple[str, ...] = _PLAIN
    makes: str = ""
    chrooted: bool = True
    warned: str = ""
    on: Debian = Debian.TRIXIE


def _system_user(server: Machine, _: Machine) -> None:
    server.run(f"useradd {SYSTEM_USER}")
    server.run("chpasswd", stdin=f"{SYSTEM_USER}:{PASSWORD}\n")


def _unshadowed_user(server: Machine, other: Machine) -> None:
    _system_user(server, other)
    password_servers.unshadow(server)


#: Both releases' ways to take passwords in clear from other hosts.
_IN_CLEAR = "s/^\\(disable_plaintext_auth =\\) yes/\\1 no/; s/^\\(auth_allow_cleartext =\\) no/\\1 yes/"


def _imap(_: Machine, other: Machine) -> None:
    password_servers.start_imap(other)
    other.run(["sed", "-i", _IN_CLEAR, "/etc/dovecot/dovecot.conf"])
    other.run("systemctl restart dovecot")
    other.wait_for_port(143)


_CERTIFIED = f"""
cd /etc/ldap
openssl req -x509 -newkey rsa:2048 -noenc -keyout key.pem -out cert.pem -days 30 -subj /CN={_ELSEWHERE} \\
    -addext subjectAltName=DNS:{_ELSEWHERE} 2>/dev/null
chown openldap key.pem
ldapmodify -QY EXTERNAL -H ldapi:/// <<.
dn: cn=config
changetype: modify
replace: olcTLSCertificateKeyFile
olcTLSCertificateKeyFile: /etc/ldap/key.pem
-
replace: olcTLSCertificateFile
olcTLSCertificateFile: /etc/ldap/cert.pem
.
systemctl restart slapd
"""


def _trusted(server: Machine, other: Machine) -> None:
    """Give the directory a certificate for its name, and let the mail server trust it."""
    other.run(["sh", "-euc", _CERTIFIED])
    other.wait_for_port(389)
    certificate = other.read_file("/etc/ldap/cert.pem")
    server.write_file("/usr/local/share/ca-certificates/directory.crt", certificate)
    server.run("update-ca-certificates")


def _ldap(server: Machine, other: Machine) -> None:
    password_servers.start_directory(other)
    _trusted(server, other)


def _ldapdb(server: Machine, other: Machine) -> None:
    directory.fill(other)
    directory.load(other)
    _trusted(server, other)


def _kerberos(server: Machine, other: Machine) -> None:
    password_servers.start_kdc(other)
    server.write_file(
        "/etc/krb5.conf", other.read_file("/etc/krb5.conf").replace("mail.example", "other.example")
    )
    key = other.run("base64 /etc/krb5.keytab").stdout
    server.run("base64 -d >/etc/krb5.keytab && chmod 600 /etc/krb5.keytab", stdin=key)


_LISTENING = """
cd /etc/postgresql/*/main
echo "listen_addresses = '*'" >>postgresql.conf
echo 'hostssl all reader 192.0.2.0/24 scram-sha-256' >>pg_hba.conf
systemctl restart postgresql
"""


def _pgsql(_: Machine, other: Machine) -> None:
    PGSQL.fill(other)
    other.run(["sh", "-euc", _LISTENING])
    other.wait_for_port(5432)


WAYS: dict[str, Way] = {
    "saslauthd-pam": Way("System accounts, through PAM", prepare=_system_user),
    "saslauthd-shadow": Way(
        "System accounts, from /etc/shadow", prepare=_system_user, on=Debian.BOOKWORM
    ),
    "saslauthd-getpwent": Way(
        "System accounts, through getpwent", prepare=_unshadowed_user, on=Debian.BOOKWORM
    ),
    "saslauthd-sasldb": Way(
        "Accounts in sasldb, through saslauthd", user="mary", makes="mary", on=Debian.BOOKWORM
    ),
    "saslauthd-rimap": Way(
        "Another IMAP server",
        (Text("IMAP server", "192.0.2.2"),),
        Kind.SERVERS, _imap, password_servers.BARE, warned="saslauthd speaks no TLS to it",
    ),
    "saslauthd-ldap": Way(
        "An LDAP directory, through saslauthd",
        (
            Text("Servers", f"ldap://{_ELSEWHERE}"),
            Tick("STARTTLS"),
            Text("Search as", password_servers.READER),
            Text("Password", password_servers.READER_PASSWORD, secret=True),
            Text("Search base", f"ou=closed,{_BASE}"),
        ),
        Kind.SERVERS, _ldap, password_servers.BARE,
    ),
    "saslauthd-kerberos5": Way(
        "Kerberos 5", (), Kind.SERVERS, _kerberos, password_servers.BARE, on=Debian.BOOKWORM
    ),
    "auxprop-sasldb": Way(
        "Accounts of their own, in sasldb", user="mary", mechanisms=_CHALLENGES, makes="mary"
    ),
    "auxprop-sql": Way(
        "An SQL database",
        (
            Tick("pgsql"),
            Text("Hosts", _ELSEWHERE),
            Text("Log in as", "reader"),
            Text("Password", DATABASE_PASSWORD, secret=True),
            Text("Database", "mail"),
            Text("Query", "SELECT password FROM users WHERE name = '%u' AND realm = '%r'"),
        ),
        Kind.DATABASES, _pgsql, "sue", _CHALLENGES, warned="libsasl does not insist on TLS",
    ),
    "auxprop-ldapdb": Way(
        "An LDAP directory, read by SASL",
        (
            Text("Directory", f"ldap://{_ELSEWHERE}"),
            Text("Log in as", directory.PROXY),
            Text("Password", directory.PROXY_PASSWORD, secret=True),
            Tick("demand"),
        ),
        Kind.DATABASES, _ldapdb, directory.USER, _CHALLENGES, chrooted=False,
    ),
    "dovecot": Way("Dovecot", (Tick("Set up Dovecot too"),), prepare=_system_user, on=Debian.BOOKWORM),
}  # fmt: skip

_TRIED = [
    pytest.param(way, release, id=f"{name}-{release.number}")
    for name, way in WAYS.items()
    for release in Debian
    if THOROUGH or release is way.on
]


@pytest.mark.parametrize(("way", "debian"), _TRIED)
def test_from_nothing_by_keys(boot: Boot, join: Callable[..., tuple[str, ...]], way: Way) -> None:
    server, other = boot(Kind.READY, internet=True), boot(way.kind, hostname=_ELSEWHERE)
    join(server, other)
    way.prepare(server, other)
    with server.interactive([LAUNCHER]) as terminal:
        terminal.expect("Set up authenticated submission", timeout=30)
        _next(terminal, "Back end")
        _choose(terminal, way.title)
        _fill_in(terminal, way.form)
        terminal.expect(r"Will set  packages  \+ \S", timeout=60)
        _next(terminal, "Mechanisms", "TLS", "Submission")
        if not way.chrooted:
            assert "(•) Not chrooted" in terminal.screen()
        _next(terminal, "Smarthost", "Accounts")
        _name_account(terminal, way.makes or way.user)
        if way.makes:
            terminal.press("tab")
            time.sleep(0.3)
            terminal.send(PASSWORD)
            terminal.press("enter")
            terminal.expect("will be made")
        _next(terminal, "Review")
        terminal.expect(r"\d+ changes,", timeout=60)
        if way.warned:
            terminal.press("w")
            terminal.expect(r"[\s│]+".join(way.warned.split()))
            terminal.press("escape")
        _apply(terminal)
        _next(terminal, "Card")
        terminal.press("enter")
        terminal.expect("Saved")
        terminal.press("ctrl+q")
        assert terminal.wait() == 0
    typed = [field.text for field in way.form if isinstance(field, Text) and field.secret]
    for secret in (PASSWORD, *typed):
        assert secret.encode() not in terminal.transcript
        assert secret not in server.read_file(_SAVED)
    if typed:
        assert server.run(["stat", "-c", "%U %a", _KEPT]).stdout == "root 600\n"
    _log_in(other, server, way)
    again = server.run([LAUNCHER, "apply", "-p", _SAVED, "--yes"])
    assert "Nothing to do" in again.stdout


_WRONG_IN_SQL = (
    (Text("Hosts", "nowhere.example.net"), r"nowhere\.example\.net has no address"),
    (Text("Hosts", "192.0.2.1:1"), "192.0.2.1:1 can't be asked"),
    (Text("Password", "wrong", secret=True), r"does not let reader in: password"),
    (Text("Database", "nothing"), "says: database"),
    (Text("Query", "SELECT password FROM users"), "must contain %u"),
    (Text("Query", "SELECT password FROM nothing WHERE name = '%u'"), "is not taken by"),
)
_WRONG_IN_LDAPDB = (
    (Text("Directory", "ldap://nowhere.example.net"), r"nowhere\.example\.net has no address"),
    (Text("Directory", "ldap://192.0.2.2"), "has a certificate"),
    (Text("Password", "wrong", secret=True), "does not let proxy in"),
    (Text("Its mechanism", "GSSAPI"), "does not offer GSSAPI"),
)
_WRONG = {"auxprop-sql": _WRONG_IN_SQL, "auxprop-ldapdb": _WRONG_IN_LDAPDB}


@pytest.mark.parametrize("debian", [Debian.TRIXIE])
@pytest.mark.parametrize("name", _WRONG)
def test_what_is_wrong_is_said_at_its_field(boot: Boot, join: Callable[..., object], name: str) -> None:
    way, server, other = WAYS[name], boot(Kind.DATABASES), boot(Kind.DATABASES, hostname=_ELSEWHERE)
    join(server, other)
    way.prepare(server, other)
    server.run("systemctl restart postfix")  # its chroot knows the other machine's name since then
    with server.interactive([LAUNCHER]) as terminal:
        terminal.expect("Set up authenticated submission", timeout=30)
        _next(terminal, "Back end")
        _choose(terminal, way.title)
        _fill_in(terminal, way.form)
        terminal.expect("Will set  [a-z]", timeout=30)
        right = {field.label: field for field in way.form if isinstance(field, Text)}
        for wrong, said in _WRONG[name]:
            _to_field(terminal, wrong.label, "shift+tab")
            _fill_in(terminal, (wrong,))
            screen = terminal.expect(said, timeout=60)
            lines = screen.splitlines()
            labelled = next(at for at, line in enumerate(lines) if line.startswith(f" {wrong.label}  "))
            assert "✗" in lines[labelled + 1], screen
            _fill_in(terminal, (right.get(wrong.label, Text(wrong.label, "DIGEST-MD5")),))
        terminal.expect("Will set  [a-z]", timeout=60)


def _next(terminal: Terminal, *pages: str) -> None:
    """Press enter until each page shows its name."""
    for page in pages:
        terminal.press("enter")
        terminal.expect(rf"of 10 {page}")


def _choose(terminal: Terminal, title: str) -> None:
    """Walk down to a choice, through all that is before it, and choose it."""
    here = re.compile(rf"^ ?\S [(\[].[)\]] {re.escape(title)}", re.MULTILINE)
    for _ in range(25):
        if here.search(terminal.screen()):
            break
        _move(terminal, "down")
    else:
        raise AssertionError(f"{title!r} can't be reached:\n{terminal.screen()}")
    terminal.press("space")
    terminal.expect(rf"[(\[][•*x][)\]] {re.escape(title)}")


def _move(terminal: Terminal, key: str) -> None:
    """Press a key that moves the cursor, and wait until it has."""
    before, deadline = _at(terminal), time.monotonic() + 5
    terminal.press(key)
    while _at(terminal) == before:
        assert time.monotonic() < deadline, terminal.screen()


def _at(terminal: Terminal) -> str:
    """Return the line that keys go to: the list's with the pointer, or the field's."""
    while True:
        shown = terminal.screen(), terminal.line()
        time.sleep(0.1)  # while it is painted the cursor is all over the place
        if shown == (terminal.screen(), terminal.line()):
            pointed = re.search(r"^ ?\S [(\[].[)\]] .*", shown[0], re.MULTILINE)
            return pointed[0] if pointed else shown[1]


def _fill_in(terminal: Terminal, form: tuple[Text | Tick, ...]) -> None:
    for field in form:
        if isinstance(field, Tick):
            _choose(terminal, field.title)
            continue
        _to_field(terminal, field.label)
        terminal.press("ctrl+u")
        terminal.send(field.text)
        seen = "•" * len(field.text) if field.secret else re.escape(field.text[-25:])
        terminal.expect(rf"^ {re.escape(field.label)} .*({seen})")


def _to_field(terminal: Terminal, label: str, key: str = "tab") -> None:
    """Press tab until the cursor stands in the field."""
    for _ in range(12):
        if re.match(rf" {re.escape(label)}(  |$)", _at(terminal)):
            return
        _move(terminal, key)
    raise AssertionError(f"no field {label!r}:\n{terminal.screen()}")


def _name_account(terminal: Terminal, name: str) -> None:
    terminal.send(name)
    terminal.expect(name)
    terminal.press("tab")
    time.sleep(0.3)  # nobody types on before the cursor has moved
    terminal.send(PASSWORD)
    terminal.expect("•" * len(PASSWORD))


def _apply(terminal: Terminal) -> None:
    terminal.expect(r"\d+ changes?,", timeout=60)
    terminal.press("a")
    terminal.expect("Apply this now")
    terminal.press("y")
    screen = terminal.expect(r"\d+ tests passed|✗|FAILED", timeout=_INSTALLING)
    assert "tests passed" in screen, screen


def _log_in(client: Machine, server: Machine, way: Way) -> None:
    mail_clients.trust(client, server, CERTIFICATE)
    user = f"{way.user}@mail.example.net" if way.makes and way.mechanisms == _CHALLENGES else way.user
    logins = [Login(587, mechanism, user, PASSWORD) for mechanism in way.mechanisms]
    logins += [Login(465, "PLAIN", user, PASSWORD)]
    wrong = [Login(login.port, login.mechanism, user, "wrong") for login in logins]
    replies = mail_clients.replies(client, [*logins, *wrong])
    assert replies == ["235"] * len(logins) + ["535"] * len(wrong), server.run("journalctl -qn 40").stdout
