"""The back ends that ask a server of others through saslauthd: who gets in, what is said if nobody can."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from tests.machines import mail_clients, password_servers
from tests.machines.backends import (
    BACK_ENDS,
    CERTIFICATE,
    CHROOTS,
    IN_NO_GROUP,
    MAIL_USER,
    POLICY,
    SECRET,
    SYSTEM_USER,
    BackEnd,
    apply,
    log_in,
    policy,
    postfix_auth,
    prepare,
    right,
    state,
    strangers_get_nothing,
    wrong,
)
from tests.machines.images import Kind
from tests.machines.machine import LAUNCHER
from tests.machines.password_servers import BARE, BASE, FULL, PRINCIPAL, READER, READER_SECRET
from wizard import policyfile
from wizard.policy import Authorization

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.machines.conftest import Boot

    Join = Callable[..., tuple[str, ...]]
    from tests.machines.machine import Machine


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A back end, how its server is started, and a second name that gets in."""

    back_end: BackEnd
    start: Callable[[Machine], None]
    also: str


_PASSWORDS = ("PLAIN", "LOGIN")
_OTHER_DOMAIN = "anna@example.com"


def _ldap(unit: str, server: str = "127.0.0.1") -> str:
    return (
        f'type = "saslauthd-ldap"\nservers = ["ldap://{server}"]\nsearch_base = "{unit},{BASE}"\n'
        'filter = "(|(uid=%u)(mail=%u))"\n'
    )


ELSEWHERE = {
    "rimap": Elsewhere(
        BackEnd(
            'type = "saslauthd-rimap"\nserver = "127.0.0.1"',
            _PASSWORDS,
            BARE,
            (SYSTEM_USER, _OTHER_DOMAIN, f"{BARE}@example.org"),
        ),
        password_servers.start_imap,
        FULL,
    ),
    "ldap": Elsewhere(
        BackEnd(_ldap("ou=open"), _PASSWORDS, BARE, (SYSTEM_USER, _OTHER_DOMAIN, f"{BARE}@example.org")),
        password_servers.start_directory,
        FULL,
    ),
    "ldap with a bind, inside TLS": Elsewhere(
        BackEnd(
            _ldap("ou=closed", "mail.example.net")
            + f'bind_dn = "{READER}"\npassword_file = "{READER_SECRET}"\nstart_tls = true',
            _PASSWORDS,
            FULL,
            (SYSTEM_USER, _OTHER_DOMAIN),
        ),
        password_servers.start_directory,
        BARE,
    ),
    "kerberos5": Elsewhere(
        BackEnd('type = "saslauthd-kerberos5"', _PASSWORDS, BARE, (SYSTEM_USER, f"{BARE}@example.net")),
        password_servers.start_kdc,
        PRINCIPAL,
    ),
    "getpwent": Elsewhere(
        BackEnd('type = "saslauthd-getpwent"', _PASSWORDS, SYSTEM_USER, (MAIL_USER,)),
        password_servers.unshadow,
        IN_NO_GROUP,
    ),
}


@pytest.mark.parametrize("elsewhere", ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_its_users_get_in_as_they_are_known_there(boot: Boot, elsewhere: Elsewhere) -> None:
    machine, back_end, chroot = boot(Kind.SERVERS), elsewhere.back_end, CHROOTS["mixed"]
    elsewhere.start(machine)
    before = prepare(machine, chroot)

    assert "everything is applied" in apply(machine, back_end, chroot)
    mail_clients.trust(machine, machine, CERTIFICATE)
    accepted = [*right(back_end, chroot), *right(back_end, chroot, elsewhere.also)]
    log_in(machine, accepted, wrong(back_end, chroot))
    strangers_get_nothing(machine, back_end, chroot)

    assert "Nothing to do" in apply(machine, back_end, chroot)
    found = policyfile.parse(postfix_auth(machine, "policy").stdout)
    assert found == replace(policyfile.parse(policy(back_end, chroot)), authorization=Authorization())

    machine.reboot()
    machine.wait_for_port(587)
    log_in(machine, right(back_end, chroot), [])
    postfix_auth(machine, "rollback", "--yes")
    assert state(machine) == before


def refused(machine: Machine, *arguments: str, status: int) -> str:
    """Return what the program says when it ends with ``status``."""
    done = machine.run([LAUNCHER, *arguments], timeout=90, check=False)
    said = f"{done.stdout}\n{done.stderr}"
    assert done.status == status, said
    return " ".join(said.split())


_NO_IMAP = {
    "unknown name": (
        'server = "imap.example.net"',
        "imap.example.net has no address that this host can find",
    ),
    "nobody there": ('server = "127.0.0.1"\nport = 144', "can't be reached at port 144: Connection refused"),
    "not IMAP": ('server = "127.0.0.1"\nport = 25', "does not answer as an IMAP server"),
    "no password in clear": ('server = "127.0.1.1"', "takes no password without TLS"),
}


@pytest.mark.either_release
def test_an_imap_server_that_can_not_be_asked_is_not_taken(boot: Boot) -> None:
    machine = boot(Kind.SERVERS)
    password_servers.start_imap(machine)
    before = prepare(machine, CHROOTS["chrooted"])
    for section, cause in _NO_IMAP.values():
        back_end = BackEnd(f'type = "saslauthd-rimap"\n{section}', _PASSWORDS, BARE, ())
        machine.write_file(POLICY, policy(back_end, CHROOTS["chrooted"]))
        said = refused(machine, "apply", "-p", POLICY, "--yes", status=2)
        assert f"backend.server: {section.split(chr(34))[1]}" in said
        assert cause in said
    assert state(machine) == before


@pytest.mark.either_release
def test_an_imap_server_on_another_host_is_told_every_password(boot: Boot, join: Join) -> None:
    machine, other = boot(Kind.SERVERS), boot(Kind.SERVERS, hostname="imap.example.net")
    password_servers.start_imap(other)
    join(machine, other)
    back_end = replace(
        ELSEWHERE["rimap"].back_end, section='type = "saslauthd-rimap"\nserver = "imap.example.net"'
    )
    machine.write_file(POLICY, policy(back_end, CHROOTS["chrooted"]))
    assert "login_trusted_networks" in refused(machine, "plan", "-p", POLICY, status=2)
    other.run("echo 'login_trusted_networks = 0.0.0.0/0' >>/etc/dovecot/dovecot.conf; doveadm reload")
    prepare(machine, CHROOTS["chrooted"])
    said = apply(machine, back_end, CHROOTS["chrooted"])
    assert "whoever is on the line between reads every password" in " ".join(said.split())
    log_in(machine, right(back_end, CHROOTS["chrooted"]), wrong(back_end, CHROOTS["chrooted"]))


@pytest.mark.either_release
def test_an_imap_server_that_ends_is_named_as_the_cause(boot: Boot) -> None:
    machine, back_end = boot(Kind.SERVERS), ELSEWHERE["rimap"].back_end
    password_servers.start_imap(machine)
    prepare(machine, CHROOTS["chrooted"])
    apply(machine, replace(back_end, section=f"{back_end.section}\ncache = false"), CHROOTS["chrooted"])
    machine.run("systemctl stop dovecot")
    said = refused(machine, "test", "--user", BARE, "--password-file", SECRET, status=1)
    assert "saslauthd can't reach the IMAP server" in said
    # it is what is in force, so there is nothing to do, and nothing to refuse
    assert "Nothing to do" in postfix_auth(machine, "plan", "-p", POLICY).stdout


_CLOSED = f'bind_dn = "{READER}"\npassword_file = "{READER_SECRET}"\n'
_NO_DIRECTORY = {
    "nobody there": ("backend.servers", _ldap("ou=open", "127.0.0.1:390"), "port 390: Connection refused"),
    "unknown name": ("backend.servers", _ldap("ou=open", "ldap.example.net"), "has no address"),
    "not a directory": (
        "backend.servers",
        _ldap("ou=open", "127.0.0.1:25"),
        "does not answer as an LDAP server",
    ),
    "wrong base": ("backend.search_base", _ldap("ou=nowhere"), "has no such entry"),
    "hidden base": ("backend.search_base", _ldap("ou=closed"), "hides it from those who did not log in"),
    "wrong password": (
        "backend.password_file",
        _ldap("ou=closed") + _CLOSED.replace(READER_SECRET, SECRET),
        f"refuses the password of {READER}",
    ),
    "no name": (
        "backend.bind_dn",
        _ldap("ou=open") + _CLOSED.replace(READER, "reader"),
        "no distinguished name",
    ),
    "other name in the certificate": (
        "backend.servers",
        _ldap("ou=open", "localhost") + "start_tls = true",
        "a certificate that is not trusted: Hostname mismatch",
    ),
    "readable by all": (
        "backend.password_file",
        _ldap("ou=closed") + _CLOSED.replace(READER_SECRET, "/root/open.password"),
        "has mode 0644",
    ),
    "no password": ("backend.password_file", _ldap("ou=closed") + f'bind_dn = "{READER}"', "must be given"),
}


@pytest.mark.either_release
def test_a_directory_that_will_not_do_is_not_taken(boot: Boot) -> None:
    machine, chroot = boot(Kind.SERVERS), CHROOTS["chrooted"]
    password_servers.start_directory(machine)
    machine.write_file("/root/open.password", "secret\n", 0o644)
    before = prepare(machine, chroot)
    for key, section, cause in _NO_DIRECTORY.values():
        machine.write_file(POLICY, policy(BackEnd(section, _PASSWORDS, BARE, ()), chroot))
        said = refused(machine, "apply", "-p", POLICY, "--yes", status=2)
        assert f"{key}: " in said, section
        assert cause in said, section
    assert state(machine) == before


@pytest.mark.either_release
def test_the_directorys_secret_is_for_root_only_and_never_shown(boot: Boot) -> None:
    machine, chroot = boot(Kind.SERVERS), CHROOTS["chrooted"]
    back_end = ELSEWHERE["ldap with a bind, inside TLS"].back_end
    password_servers.start_directory(machine)
    # somebody's own: what is not the policy's stays, of two lines with one key saslauthd takes the last
    machine.write_file("/etc/saslauthd.conf", "# ours\nldap_timeout: 3\nldap_bind_pw: a\nLDAP_PASSWORD: b\n")
    before = prepare(machine, chroot)
    said = apply(machine, back_end, chroot)
    password = machine.read_file(READER_SECRET).strip()
    assert password not in said
    assert "ldap_password" not in said.replace("ldap_password: (hidden, new)", "").replace(
        "ldap_password: (hidden)", ""
    )
    written = machine.read_file("/etc/saslauthd.conf")
    assert written.startswith("# ours\nldap_timeout: 3\n")
    assert [line for line in written.splitlines() if "pass" in line or "_pw" in line] == [
        f"ldap_password: {password}"
    ]
    assert machine.run("stat -c '%U %a' /etc/saslauthd.conf").stdout == "root 600\n"
    # the file with the password is not needed any more, until it is to be another one
    machine.run(["rm", READER_SECRET])
    machine.write_file(POLICY, postfix_auth(machine, "policy").stdout)
    assert 'password_file = ""' in machine.read_file(POLICY)
    assert "Nothing to do" in postfix_auth(machine, "plan", "-p", POLICY).stdout
    postfix_auth(machine, "rollback", "--yes")
    assert state(machine) == before


@pytest.mark.either_release
@pytest.mark.parametrize(
    ("trouble", "cause"),
    [
        ("systemctl stop slapd", "saslauthd can't reach the LDAP server"),
        ("sed -i 's/^ldap_password: .*/ldap_password: wrong/' /etc/saslauthd.conf", "saslauthd's own"),
        ("sed -i 's/^ldap_search_base: .*/ldap_search_base: o=a/' /etc/saslauthd.conf", "has no entry"),
        ("rm /usr/local/share/ca-certificates/*; update-ca-certificates --fresh", "is not trusted"),
        ("rm /etc/saslauthd.conf", "runs without its configuration"),
    ],
)
def test_a_directory_that_fails_later_is_named_as_the_cause(boot: Boot, trouble: str, cause: str) -> None:
    machine, chroot = boot(Kind.SERVERS), CHROOTS["chrooted"]
    back_end = ELSEWHERE["ldap with a bind, inside TLS"].back_end
    password_servers.start_directory(machine)
    prepare(machine, chroot)
    apply(machine, replace(back_end, section=f"{back_end.section}\ncache = false"), chroot)
    machine.run(f"{trouble}; systemctl restart saslauthd")
    said = refused(machine, "test", "--user", back_end.user, "--password-file", SECRET, status=1)
    assert cause in said
    checked = machine.run([LAUNCHER, "user", "check", back_end.user, "--password-file", SECRET], check=False)
    assert "✗ saslauthd: NO" in checked.stdout
    assert "It fails at the back end" in checked.stdout
    assert cause in " ".join(checked.stdout.split())
    # without a user too, where it refuses everybody and says so; of one who is not there it says no more
    found = machine.run([LAUNCHER, "test"], check=False).stdout
    assert ("what verifies passwords does not do its work" in found) == ("no entry" not in cause)
    assert "(no login was tried: --user NAME)" in found


@pytest.mark.either_release
def test_what_the_tests_refuse_leaves_the_host_as_it_was(boot: Boot) -> None:
    machine, chroot = boot(Kind.SERVERS), CHROOTS["chrooted"]
    back_end = ELSEWHERE["ldap"].back_end
    password_servers.start_directory(machine)
    before = prepare(machine, chroot)
    machine.write_file(
        POLICY, policy(replace(back_end, section=back_end.section.replace("uid", "cn")), chroot)
    )
    said = refused(
        machine, "apply", "-p", POLICY, "--yes", "--user", "nobody", "--password-file", SECRET, status=1
    )
    assert "The LDAP server has no entry that ldap_filter below ldap_search_base finds" in said
    assert state(machine) == before


_NO_KERBEROS = {
    "no key of this host": (
        "rm /etc/krb5.keytab",
        "backend.type",
        "needs a key of this host, host/mail.example",
    ),
    "a key of something else": (
        "rm /etc/krb5.keytab; kadmin.local addprinc -randkey smtp/a; kadmin.local ktadd smtp/a",
        "backend.type",
        "addprinc -randkey host/mail.example.net",
    ),
    "no KDC": ("systemctl stop krb5-kdc", "backend.type", "no KDC of EXAMPLE.NET answers"),
    "no realm": ("sed -i /default_realm/d /etc/krb5.conf", "backend.type", "needs a realm"),
}


@pytest.mark.either_release
@pytest.mark.parametrize(("trouble", "key", "cause"), _NO_KERBEROS.values(), ids=_NO_KERBEROS.keys())
def test_kerberos_that_can_not_work_is_not_taken(boot: Boot, trouble: str, key: str, cause: str) -> None:
    machine, chroot = boot(Kind.SERVERS), CHROOTS["chrooted"]
    password_servers.start_kdc(machine)
    machine.run(trouble)
    before = prepare(machine, chroot)
    machine.write_file(POLICY, policy(ELSEWHERE["kerberos5"].back_end, chroot))
    said = refused(machine, "apply", "-p", POLICY, "--yes", status=2)
    assert f"{key}: " in said
    assert cause in said
    assert state(machine) == before


@pytest.mark.either_release
def test_kerberos_realms_and_later_troubles(boot: Boot) -> None:
    machine, chroot = boot(Kind.SERVERS), CHROOTS["chrooted"]
    back_end = ELSEWHERE["kerberos5"].back_end
    password_servers.start_kdc(machine)
    prepare(machine, chroot)
    text = policy(replace(back_end, section=f"{back_end.section}\ncache = false"), chroot)
    machine.write_file(POLICY, f'{text}[authorization]\nlocal_domain = "example.net"\n')
    assert "authorization.local_domain: must be empty or EXAMPLE.NET" in refused(
        machine, "plan", "-p", POLICY, status=2
    )
    machine.write_file(POLICY, f'{text}[authorization]\nlocal_domain = "EXAMPLE.NET"\n')
    account = ("--user", BARE, "--password-file", SECRET)
    postfix_auth(machine, "apply", "-p", POLICY, "--yes", *account)
    machine.run("kadmin.local cpw -randkey host/mail.example.net")
    assert "or an outdated one" in refused(machine, "test", *account, status=1)
    machine.run("kadmin.local ktadd host/mail.example.net")
    postfix_auth(machine, "test", *account)
    machine.run("systemctl stop krb5-kdc")
    assert "saslauthd finds no KDC of the Kerberos realm EXAMPLE.NET" in refused(
        machine, "test", *account, status=1
    )


@pytest.mark.either_release
def test_getpwent_is_not_taken_where_passwords_are_in_shadow(boot: Boot) -> None:
    machine, chroot = boot(Kind.SERVERS), CHROOTS["chrooted"]
    before = prepare(machine, chroot)
    machine.write_file(POLICY, policy(ELSEWHERE["getpwent"].back_end, chroot))
    said = refused(machine, "apply", "-p", POLICY, "--yes", status=2)
    assert (
        "backend.type: saslauthd-getpwent can't work here: the passwords of this host are in /etc/shadow"
        in said
    )
    assert state(machine) == before


@pytest.mark.either_release
@pytest.mark.parametrize("name", ["rimap", "ldap with a bind, inside TLS", "kerberos5"])
def test_a_rehearsal_says_that_it_can_not_ask_the_server(boot: Boot, name: str) -> None:
    machine, chroot = boot(Kind.SERVERS), CHROOTS["chrooted"]
    back_end = ELSEWHERE[name].back_end
    ELSEWHERE[name].start(machine)
    before = prepare(machine, chroot)
    machine.write_file(POLICY, policy(back_end, chroot))
    account = ("--user", back_end.user, "--password-file", SECRET)
    said = postfix_auth(machine, "rehearse", "-p", POLICY, *account).stdout
    assert "in a rehearsal no other server can be asked" in said
    assert "Rehearsed: it works" in said
    assert state(machine) == before


@pytest.mark.either_release
@pytest.mark.parametrize("text", ["", "# ours\nldap_timeout: 3\n"])
def test_who_moves_away_takes_the_directorys_password_along(boot: Boot, text: str) -> None:
    machine, chroot = boot(Kind.SERVERS), CHROOTS["chrooted"]
    password_servers.start_directory(machine)
    if text:
        machine.write_file("/etc/saslauthd.conf", text)
    before = prepare(machine, chroot)
    apply(machine, ELSEWHERE["ldap with a bind, inside TLS"].back_end, chroot)
    said = apply(machine, BACK_ENDS["pam"], chroot)
    assert machine.exists("/etc/saslauthd.conf") == bool(text)
    assert (f"still has the password of {READER}" in said) == bool(text)
    mail_clients.trust(machine, machine, CERTIFICATE)
    log_in(machine, right(BACK_ENDS["pam"], chroot), right(BACK_ENDS["pam"], chroot, BARE))
    postfix_auth(machine, "rollback", "--yes")
    log_in(machine, right(ELSEWHERE["ldap"].back_end, chroot), [])
    postfix_auth(machine, "rollback", "--yes")
    assert state(machine) == before
