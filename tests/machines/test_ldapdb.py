"""Accounts in an LDAP directory, read by SASL's ldapdb; the directory's own side is as the plan shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.machines import backends, directory, mail_clients
from tests.machines.backends import (
    BACK_ENDS,
    CERTIFICATE,
    CHROOTS,
    PASSWORD,
    POLICY,
    SECRET,
    BackEnd,
    apply,
    log_in,
    policy,
    postfix_auth,
    prepare,
    right,
    strangers_get_nothing,
    wrong,
)
from tests.machines.directory import (
    BY_MAIL,
    OUTSIDE,
    PROXY,
    PROXY_ENTRY,
    PROXY_PASSWORD,
    PROXY_SECRET,
    USER,
)
from tests.machines.images import Kind
from tests.machines.machine import LAUNCHER
from tests.machines.mail_clients import Login
from wizard import policyfile
from wizard.policy import Authorization

if TYPE_CHECKING:
    from tests.machines.conftest import Boot
    from tests.machines.inside import Result
    from tests.machines.machine import Machine

CHROOT = CHROOTS["not chrooted"]
SMTPD_CONF = "/etc/postfix/sasl/smtpd.conf"


def state(machine: Machine) -> str:
    """Return the machine's state without slapd's own files, which say when they were changed."""
    seen = backends.state(machine)
    return "\n".join(line for line in seen.splitlines() if "/etc/ldap/slapd.d" not in line)


def set_up(boot: Boot) -> tuple[Machine, str]:
    machine = boot(Kind.DATABASES)
    directory.fill(machine)
    prepare(machine, CHROOT)
    return machine, state(machine)


def ask(machine: Machine, command: str, back_end: BackEnd, *more: str) -> Result:
    machine.write_file(POLICY, policy(back_end, CHROOT))
    done = machine.run([LAUNCHER, command, "-p", POLICY, *more], check=False, timeout=90)
    assert PROXY_PASSWORD not in done.stdout + done.stderr
    return done


def whoami(machine: Machine, user: str, mechanism: str = "DIGEST-MD5") -> str:
    """Ask the directory, with its own client, whom it takes the plugin for when it speaks for ``user``."""
    call = f"ldapwhoami -H ldap://127.0.0.1 -Y {mechanism} -U {PROXY} -X u:{user} -y /root/w"
    return machine.run(f"tr -d '\\n' <{PROXY_SECRET} >/root/w; {call} 2>&1; rm /root/w").stdout


@pytest.mark.parametrize(
    "keys",
    [{"mechanism": '"SCRAM-SHA-256"', "uri": '"ldapi:///"'}, {"starttls": '"try"'}],
    ids=["SCRAM over a socket", "STARTTLS if there is"],
)
def test_it_lets_its_users_in_and_nobody_else(boot: Boot, keys: dict[str, str]) -> None:
    machine, before = set_up(boot)
    mechanism = keys.get("mechanism", "DIGEST-MD5").strip('"')
    directory.load(machine, mechanism=mechanism)
    back_end = directory.back_end(**keys)
    assert f"dn:uid={USER},ou=people,dc=example,dc=net" in whoami(machine, USER, mechanism)

    planned = ask(machine, "plan", back_end)
    assert planned.status == 0
    assert "ldapdb_pw: (hidden, new)" in planned.stdout
    assert "authzTo" not in planned.stdout
    assert "everything is applied" in apply(machine, back_end, CHROOT)
    mail_clients.trust(machine, machine, CERTIFICATE)
    log_in(machine, [*right(back_end, CHROOT), *right(back_end, CHROOT, BY_MAIL)], wrong(back_end, CHROOT))
    assert mail_clients.replies(machine, [Login(587, "PLAIN", OUTSIDE, PASSWORD)]) == ["454"]
    strangers_get_nothing(machine, back_end, CHROOT)

    assert machine.run(["stat", "-c", "%U:%G %a", SMTPD_CONF]).stdout == "root:postfix 640\n"
    assert "Nothing to do" in apply(machine, back_end, CHROOT)
    found = policyfile.parse(postfix_auth(machine, "policy").stdout)
    given = policyfile.parse(policy(back_end, CHROOT))
    assert found == replace(given, authorization=Authorization())
    part = PROXY_PASSWORD.rpartition(" ")[2]
    places = machine.run(["grep", "-rlIF", "--", part, "/etc", "/run", "/tmp", "/var/log"], check=False)
    assert places.stdout == f"{SMTPD_CONF}\n"
    assert part not in machine.run("journalctl -q").stdout

    postfix_auth(machine, "rollback", "--yes")
    assert state(machine) == before


@pytest.mark.either_release
def test_a_directory_that_is_not_prepared(boot: Boot) -> None:
    """It is told what to load, with its own names; known users log in even if unknown ones are not told."""
    machine, _ = set_up(boot)
    back_end = directory.back_end()
    unprepared = ask(machine, "plan", back_end)
    assert unprepared.status == 2
    assert "backend.configure: must be true, or the directory set up by hand" in unprepared.stderr

    directory.load_shown(machine, unprepared.stderr, unknown_too=False)
    planned = ask(machine, "plan", back_end)
    assert planned.status == 0
    assert "olcAuthzRegexp" not in planned.stdout + planned.stderr
    assert "authzTo: dn.regex:^uid=[^,]+,(cn=" in planned.stdout + planned.stderr
    apply(machine, back_end, CHROOT)
    mail_clients.trust(machine, machine, CERTIFICATE)
    log_in(machine, right(back_end, CHROOT), [Login(587, "PLAIN", USER, "wrong")])
    postfix_auth(machine, "rollback", "--yes")

    # it may not speak for anybody: the test of the right password finds it, and all is put back
    directory.modify(machine, f"dn: {PROXY_ENTRY}\nchangetype: modify\ndelete: authzTo\n")
    before = state(machine)
    failed = ask(machine, "apply", back_end, "--yes", "--user", USER, "--password-file", SECRET)
    assert failed.status == 1
    assert state(machine) == before


CONFIGURED = directory.back_end(configure="true")
FOREIGN = "uid=boss,cn=digest-md5,cn=auth uid=sue,ou=people,dc=example,dc=net"


def test_slapds_side_is_set_up_and_taken_back(boot: Boot) -> None:
    machine, before = set_up(boot)
    add = f"add: olcAuthzRegexp\nolcAuthzRegexp: {FOREIGN}\n-\nadd: olcAuthzPolicy\nolcAuthzPolicy: any\n"
    directory.modify(machine, f"dn: cn=config\nchangetype: modify\n{add}", config=True)
    untold = directory.told(machine)

    planned = ask(machine, "plan", CONFIGURED)
    assert planned.status == 0, planned
    assert f"+ dn: {PROXY_ENTRY}\n+ changetype: modify\n+ add: authzTo\n" in planned.stdout
    assert directory.told(machine) == untold

    # what fails later takes slapd's side back as well
    machine.run("umask 077; echo wrong >/root/wrong")
    failed = ask(machine, "apply", CONFIGURED, "--yes", "--user", USER, "--password-file", "/root/wrong")
    assert (failed.status, directory.told(machine), state(machine)) == (
        1,
        untold,
        before,
    )

    assert "everything is applied" in ask(machine, "apply", CONFIGURED, "--yes").stdout
    told = directory.told(machine)
    assert {f"olcAuthzRegexp: {{0}}{FOREIGN}", "olcAuthzPolicy: any"} <= set(told.splitlines())
    assert f"dn:uid={USER},ou=people,dc=example,dc=net" in whoami(machine, USER)
    mail_clients.trust(machine, machine, CERTIFICATE)
    log_in(
        machine, [*right(CONFIGURED, CHROOT), *right(CONFIGURED, CHROOT, BY_MAIL)], wrong(CONFIGURED, CHROOT)
    )
    assert "Nothing to do" in ask(machine, "apply", CONFIGURED, "--yes").stdout
    assert "configure = true" in postfix_auth(machine, "policy").stdout

    # what others have changed since is not lost
    more = (
        f"dn: {PROXY_ENTRY}\nchangetype: modify\nadd: authzTo\nauthzTo: dn.exact:uid=new,dc=example,dc=net\n"
    )
    directory.modify(machine, more)
    refused = machine.run([LAUNCHER, "rollback", "--yes"], check=False)
    assert (refused.status, "authzTo" in refused.stderr, "somebody else since" in refused.stderr) == (
        3,
        True,
        True,
    )
    left = ask(machine, "plan", BACK_ENDS["sasldb"])
    assert f"authzTo of {PROXY_ENTRY} was set for ldapdb and was changed by somebody else" in left.stdout
    directory.modify(machine, more.replace("add: ", "delete: "))
    assert directory.told(machine) == told

    # a wrong password of the proxy's is not the user's
    settings = "/etc/postfix/sasl/smtpd.conf"
    machine.run(f"cp -p {settings} /root && sed -i 's/^ldapdb_pw: .*/ldapdb_pw: wrong/' {settings}")
    machine.run("postfix reload")
    checked = machine.run([LAUNCHER, "user", "check", USER, "--password-file", SECRET], check=False).stdout
    assert "It fails at the back end, which can't be asked. The directory" in checked
    machine.run(f"cp -p /root/smtpd.conf {settings} && postfix reload")

    # a directory that is down is no success
    machine.run("systemctl stop slapd")
    down = machine.run([LAUNCHER, "test"], check=False)
    assert (
        down.status,
        "wrong password refused" in down.stdout,
        "skipped: the directory" in down.stdout,
    ) == (
        1,
        True,
        False,
    )
    assert "slapd does not answer" in machine.run([LAUNCHER, "rollback", "--yes"], check=False).stderr
    machine.run("systemctl start slapd")

    # another back end: nobody needs to speak for others any more; and back again
    assert "everything is applied" in apply(machine, BACK_ENDS["sasldb"], CHROOT)
    assert directory.told(machine) == untold
    postfix_auth(machine, "rollback", "--yes")
    assert directory.told(machine) == told
    postfix_auth(machine, "rollback", "--yes")
    assert (directory.told(machine), state(machine)) == (untold, before)


WITH_SLAPD_CONF = """
systemctl stop slapd
cat >/root/slapd.conf <<'END'
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile /run/slapd/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix dc=example,dc=net
directory /var/lib/ldap
END
slapd -f /root/slapd.conf -h 'ldap:/// ldapi:///'
"""


def refused(machine: Machine, **keys: str) -> str:
    done = ask(machine, "plan", directory.back_end(**keys))
    assert done.status == 2, done
    return done.stderr


@pytest.mark.either_release
def test_what_can_not_be_asked_is_refused_with_the_reason(boot: Boot) -> None:
    machine, _ = set_up(boot)
    machine.run("touch /etc/ldap/ldap.conf")  # or else its package would be fetched
    machine.run(f"cp {PROXY_SECRET} /root/open; chmod 644 /root/open; umask 077; echo wrong >/root/wrong")
    before = state(machine)
    for key, value, said in (
        ("uri", "ldap://127.0.0.1:1", "backend.uri: ldap://127.0.0.1:1 does not answer: 127.0.0.1 can't be"),
        ("uri", "ldap://nowhere.example.com", "nowhere.example.com has no address"),
        ("uri", "ldap://[mail.example.net]", "backend.uri: must be an LDAP URI"),
        ("id", "nobody", "backend.id: nobody below dc=example,dc=net has the uid nobody"),
        ("mechanism", "GSSAPI", "backend.mechanism"),
        ("starttls", "demand", "backend.starttls"),
        ("password_file", "/root/nothing", "backend.password_file: /root/nothing"),
        ("password_file", "", "backend.password_file: must be given"),
        ("password_file", "/root/open", "mode 0644"),
        ("password_file", "/root/wrong", f"backend.password_file: the password of {PROXY_ENTRY} is another"),
    ):
        assert said in refused(machine, **{key: f'"{value}"'}), (key, value)
    for name in ("chrooted", "mixed"):
        machine.write_file(POLICY, policy(CONFIGURED, CHROOTS[name]))
        done = machine.run([LAUNCHER, "plan", "-p", POLICY], check=False)
        assert (done.status, 'submission.chroot: must be "no"' in done.stderr) == (2, True)
    assert state(machine) == before


WITH_SLAPD_CONF = """
systemctl stop slapd
cat >/root/slapd.conf <<'END'
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile /run/slapd/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix dc=example,dc=net
directory /var/lib/ldap
END
slapd -f /root/slapd.conf -h 'ldap:/// ldapi:///'
"""


@pytest.mark.either_release
def test_a_slapd_that_can_not_be_set_up_says_why(boot: Boot) -> None:
    machine, before = set_up(boot)
    untold = directory.told(machine)

    def told(entry: str, ldif: str) -> None:
        directory.modify(machine, f"dn: {entry}cn=config\nchangetype: modify\n{ldif}\n", config=True)

    told("", "add: olcAuthzPolicy\nolcAuthzPolicy: from")
    assert 'backend.configure: must be false: olcAuthzPolicy is "from"' in refused(machine, configure="true")
    elsewhere = f"olcAuthzRegexp: {FOREIGN.replace('boss', PROXY)}"
    told("", f"delete: olcAuthzPolicy\n-\nadd: olcAuthzRegexp\n{elsewhere}")
    assert "this olcAuthzRegexp takes proxy" in refused(machine, configure="true")
    told("", "delete: olcAuthzRegexp")
    told("olcDatabase={1}mdb,", "add: olcAccess\nolcAccess: {0}to * by self write by * read")
    assert "they could become anybody" in refused(machine, configure="true")
    told("olcDatabase={1}mdb,", "delete: olcAccess\nolcAccess: {0}")
    machine.run("mv /usr/bin/ldapmodify /root")
    assert "apt install ldap-utils" in refused(machine, configure="true")
    machine.run("mv /root/ldapmodify /usr/bin; umask 077; echo x >/root/x")

    hashed = machine.run("slappasswd -s x").stdout.strip()
    replace_password = f"dn: {PROXY_ENTRY}\nchangetype: modify\nreplace: userPassword\nuserPassword: "
    directory.modify(machine, f"{replace_password}{hashed}\n")
    keys = {"configure": "true", "password_file": '"/root/x"'}
    assert "there it is {SSHA}: store it in clear" in refused(machine, **keys)
    directory.modify(machine, f"{replace_password}x\n")
    assert directory.told(machine) == untold

    # configured by slapd.conf, it is told in the words of that; then there is none at all
    machine.run(["sh", "-euc", WITH_SLAPD_CONF])
    shown = refused(machine, **keys)
    assert "slapd is configured by slapd.conf" in shown
    assert "ldap:///dc=example,dc=net??sub?" in shown.partition("  authz-regexp ")[2]
    machine.run("kill $(cat /run/slapd/slapd.pid); while pgrep slapd; do sleep 0.1; done")
    assert "backend.uri: ldap://127.0.0.1 does not answer" in refused(machine, configure="true")
    machine.run("systemctl start slapd")
    assert state(machine) == before
