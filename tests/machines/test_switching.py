"""From any back end to any other: who gets in afterwards, who does not any more, and what is left behind."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.machines import every, mail_clients
from tests.machines.backends import (
    CERTIFICATE,
    CHROOTS,
    PASSWORD,
    POLICY,
    SECRET,
    policy,
    postfix_auth,
    state,
)
from tests.machines.every import EVERY, KNOWN_TOO
from tests.machines.images import Debian, Kind
from tests.machines.machine import LAUNCHER
from tests.machines.mail_clients import Login
from tests.machines.thorough import THOROUGH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.machines.conftest import Boot
    from tests.machines.machine import Machine

_PARTS = 4  # machines that share the tour
_KINDS = tuple(EVERY)
_TYPED = "/etc/postfix-auth/backend.password"  # what the wizard keeps
_TESTED_BY_ITSELF = 10  # one apply in so many runs its own tests as well


def tour(kinds: Sequence[str]) -> Iterator[str]:
    """Yield a walk that goes from each of ``kinds`` to each other exactly once, and ends where it began."""
    here, others = kinds[0], kinds[1:]
    yield here
    if others:
        yield from tour(others)
        yield here
    for other in others[1:]:
        yield other
        yield here


def parts() -> list[list[str]]:
    """Return the tour in pieces; each begins where the one before ends."""
    whole = list(tour(_KINDS))
    size = -(-(len(whole) - 1) // _PARTS)
    return [whole[at : at + size + 1] for at in range(0, len(whole) - 1, size)]


def chroot(kind: str) -> str:
    return "not chrooted" if kind == "auxprop-ldapdb" else "chrooted"


def switch(machine: Machine, kind: str, *, test: bool, section: str = "") -> str:
    """Apply a policy with the back end ``kind``, put as ``section`` if given; return what the plan said."""
    back_end = replace(EVERY[kind], section=section) if section else EVERY[kind]
    machine.write_file(POLICY, policy(back_end, CHROOTS[chroot(kind)]))
    more = ["--user", back_end.user, "--password-file", SECRET] if test else ["--no-test"]
    done = machine.run([LAUNCHER, "apply", "-p", POLICY, "--yes", *more], check=False, timeout=120)
    assert done.status == 0, f"{done.stdout}\n{done.stderr}"
    assert PASSWORD not in done.stdout + done.stderr
    return done.stdout


def logins(kind: str, user: str) -> list[Login]:
    """Return a login of ``user`` with each mechanism of ``kind``; gsasl, for SCRAM, speaks STARTTLS only."""
    ports = {"LOGIN": 465}
    return [Login(ports.get(name, 587), name, user, PASSWORD) for name in EVERY[kind].mechanisms]


def expect(machine: Machine, old: str, new: str) -> None:
    """Let the user of the new back end in, and that of the old one only where both look in the same place."""
    right = logins(new, EVERY[new].user)
    gone = [Login(port, "PLAIN", EVERY[old].user, PASSWORD) for port in (587, 465)]
    replies = mail_clients.replies(machine, [*right, *gone])
    assert replies[: len(right)] == ["235"] * len(right), (old, new, machine.journal("-n", "30"))
    known = (old, new) in KNOWN_TOO or old == new
    assert all((reply == "235") is known for reply in replies[len(right) :]), (old, new, replies)


def nothing_to_do(machine: Machine) -> None:
    planned = machine.run([LAUNCHER, "plan", "-p", POLICY, "--detailed-exitcode"], check=False)
    assert planned.status == 0, planned.stdout + planned.stderr


#: What a back end may leave on a host, one line each.
_LEFT = r"""
id -nG postfix | grep -qw sasl && echo postfix in sasl
dpkg-statoverride --list | grep -q spool/postfix/var && echo override
test -e /var/spool/postfix/var/run && echo socket directory
test -L /var/spool/postfix/var/spool/postfix && echo link back
test -L /etc/sasldb2 && echo link to the secrets
test -e /var/spool/postfix/etc/sasldb2 && echo secrets in the chroot
test -e /etc/systemd/system/saslauthd.service.d && echo drop-in of saslauthd
test -e /etc/saslauthd.conf && echo saslauthd.conf
test -e /etc/pam.d/smtp && echo pam.d/smtp
test -e /etc/security/smtp.groups && echo smtp.groups
test -e /etc/dovecot/conf.d/95-postfix-auth.conf && echo drop-in of Dovecot
grep -q '^OPTIONS=.*spool/postfix' /etc/default/saslauthd && echo saslauthd: -m
grep -Eq '^MECHANISMS="?pam"?$' /etc/default/saslauthd || echo saslauthd: mechanism
pgrep saslauthd >/dev/null && echo saslauthd runs
systemctl -q is-enabled saslauthd 2>/dev/null && echo saslauthd starts at boot
systemctl -q is-enabled dovecot 2>/dev/null && echo Dovecot starts at boot
ls /etc/default /etc/postfix/sasl | grep -q '[.~]postfix-auth' && echo a temporary file
grep -Eq '^(sql|ldapdb)_p' /etc/postfix/sasl/smtpd.conf && echo a password in smtpd.conf
true
"""
_ASKS_SASLAUTHD = frozenset(
    {"postfix in sasl", "override", "socket directory", "saslauthd: -m", "saslauthd runs"}
    | {"saslauthd starts at boot"}
)
_NEEDS = {
    "saslauthd-pam": {"pam.d/smtp", "smtp.groups"},
    "saslauthd-ldap": {"saslauthd.conf"},
    "auxprop-sasldb": {"postfix in sasl", "link to the secrets", "secrets in the chroot"},
    "auxprop-sql": {"a password in smtpd.conf"},
    "auxprop-ldapdb": {"a password in smtpd.conf"},
    "dovecot": {"drop-in of Dovecot", "Dovecot starts at boot"},
}


def needed(machine: Machine, kind: str) -> set[str]:
    found = set(_NEEDS.get(kind, ()))
    if kind.startswith("saslauthd"):
        found |= _ASKS_SASLAUTHD
        if kind != "saslauthd-pam":
            found.add("saslauthd: mechanism")
        if machine.debian is Debian.TRIXIE:
            found.add("drop-in of saslauthd")
    return found


def left(machine: Machine) -> set[str]:
    return set(machine.run(_LEFT).stdout.splitlines())


@pytest.mark.parametrize("part", range(_PARTS))
def test_from_any_back_end_to_any_other(boot: Boot, debian: Debian, part: int) -> None:
    if not THOROUGH and (debian is Debian.BOOKWORM) is not (part == 0):
        pytest.skip("tests/run thorough does it")  # the first part comes to every back end, so do the others
    machine = boot(Kind.EVERY)
    every.start(machine)
    way = parts()[part]
    machine.run(f"install -D -m 600 /dev/null {_TYPED}")
    # the first part goes back all the way, the others some steps
    back_to = 0 if part == 0 else len(way) - 3
    for number, (old, new) in enumerate(pairwise([way[0], *way])):
        if number == back_to:
            before = state(machine)
        switch(machine, new, test=number % _TESTED_BY_ITSELF == 0)
        mail_clients.trust(machine, machine, CERTIFICATE)
        expect(machine, old, new)
        nothing_to_do(machine)
        assert left(machine) == needed(machine, new), f"from {old} to {new}"
        assert "password_file" in EVERY[new].section or not machine.exists(_TYPED)
    changes = machine.run("ls /var/lib/postfix-auth/checkpoints").stdout.split()
    postfix_auth(machine, "rollback", changes[back_to], "--yes")
    assert state(machine) == before


#: Set up by somebody who knows the howtos: all that a back end of ours would need, and a little more.
_BY_HAND = r"""
gpasswd -a postfix sasl
install -d -o root -g sasl -m 710 /var/spool/postfix/var/run/saslauthd
dpkg-statoverride --add root sasl 710 /var/spool/postfix/var/run/saslauthd
sed -i -e 's|^OPTIONS=.*|OPTIONS="-c -m /var/spool/postfix/var/run/saslauthd"|' /etc/default/saslauthd
echo START=yes >>/etc/default/saslauthd
install -d /etc/systemd/system/saslauthd.service.d
cat >/etc/systemd/system/saslauthd.service.d/theirs.conf <<'END'
[Service]
PIDFile=/var/spool/postfix/var/run/saslauthd/saslauthd.pid
END
cat >/etc/saslauthd.conf <<'END'
ldap_servers: ldap://127.0.0.1
ldap_bind_dn: cn=me
ldap_password: secret
END
echo senders >/etc/smtp.allowed
cat >/etc/pam.d/smtp <<'END'
auth required pam_listfile.so onerr=fail item=group sense=allow file=/etc/smtp.allowed
@include common-auth
@include common-account
END
cat >/etc/postfix/sasl/smtpd.conf <<'END'
pwcheck_method: saslauthd
mech_list: PLAIN LOGIN
log_level: 3
END
cp /etc/sasldb2 /var/spool/postfix/etc/sasldb2
mkdir -p /var/spool/postfix/var/spool
ln -s ../.. /var/spool/postfix/var/spool/postfix
cat >>/etc/dovecot/local.conf <<'END'
auth_mechanisms = plain login
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
END
systemctl daemon-reload
systemctl enable saslauthd dovecot
systemctl restart saslauthd dovecot
postconf -e smtpd_sasl_auth_enable=yes smtpd_tls_auth_only=yes
postfix reload
"""
#: What is named when saslauthd is not asked any more.
_KEPT = (
    "postfix is in the group sasl",
    "dpkg-statoverride has /var/spool/postfix/var/run/saslauthd",
    "there is /var/spool/postfix/var/run/saslauthd",
    "/var/spool/postfix/var/spool/postfix is a link",
    "there are secrets in /var/spool/postfix/etc/sasldb2",
    "/etc/systemd/system/saslauthd.service.d/theirs.conf",
    "saslauthd runs on",
    "/etc/saslauthd.conf still has the password of cn=me",
    "/etc/pam.d/smtp lets members of some groups in only",
    "/etc/postfix/sasl/smtpd.conf is not read",
)


def test_what_somebody_else_has_set_up_is_kept_and_named(boot: Boot) -> None:
    machine = boot(Kind.EVERY)
    every.start(machine)
    machine.run(["sh", "-euc", _BY_HAND])
    there, before = left(machine), state(machine)

    said = switch(machine, "dovecot", test=False, section='type = "dovecot"')
    assert [text for text in _KEPT if text not in said] == []
    assert left(machine) == there
    machine.run("pgrep saslauthd")
    nothing_to_do(machine)
    mail_clients.trust(machine, machine, CERTIFICATE)
    expect(machine, "saslauthd-pam", "dovecot")

    said = switch(machine, "auxprop-sql", test=False)
    assert "Dovecot still listens at private/auth for Postfix" in said
    assert left(machine) == there | {"a password in smtpd.conf"}
    assert "log_level: 3" in machine.read_file("/etc/postfix/sasl/smtpd.conf")
    expect(machine, "dovecot", "auxprop-sql")

    for _ in range(2):
        postfix_auth(machine, "rollback", "--yes")
    assert state(machine) == before


def test_the_tour_takes_every_pair_once() -> None:
    pairs = [pair for part in parts() for pair in pairwise(part)]
    assert len(pairs) == len(set(pairs)) == len(_KINDS) * (len(_KINDS) - 1)
