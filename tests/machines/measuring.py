"""What each back end does with each mechanism: measured on a machine of the kind ``every``.

    python -m tests.machines.measuring

measures on every Debian and writes what it saw: recipes/measured.toml, and the tables in docs/mechanisms.md.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.machines import every, mail_clients
from tests.machines.backends import CERTIFICATE, PASSWORD, POLICY, BackEnd, Chroot, policy
from tests.machines.databases import MYSQL, SQLITE
from tests.machines.dovecot_mechanisms import OTHERS_TOKEN, TOKEN
from tests.machines.images import Debian, Kind
from tests.machines.machine import LAUNCHER, Machine
from tests.machines.mail_clients import SERVER
from tests.machines.measured_file import FILE, PAGE, page, toml
from wizard.policy import AuxpropLdapdb, AuxpropSasldb, AuxpropSql, Dovecot

if TYPE_CHECKING:
    from collections.abc import Iterator

#: One smtpd is chrooted and another is not: both are asked after a single ``apply``.
PORTS = {"chrooted": 25, "not chrooted": 587}
_CHROOT = Chroot("", 'services = ["submission"]\nauth_on_smtp = true', {})
MECHANISMS = (
    *("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "NTLM"),
    *("SCRAM-SHA-1", "SCRAM-SHA-224", "SCRAM-SHA-256", "SCRAM-SHA-384", "SCRAM-SHA-512"),
    *("GSSAPI", "GS2-KRB5", "XOAUTH2", "OAUTHBEARER", "OTP", "ANONYMOUS", "EXTERNAL"),
)
_BY_TICKET = frozenset({"GSSAPI", "GS2-KRB5"})
_BY_TOKEN = frozenset({"XOAUTH2", "OAUTHBEARER"})
#: A password that opens nothing, and one that opens another place's account of the same name.
_WRONG, _ELSEWHERE = "wrong", "another place's"
_ENGINES = {"mysql": MYSQL, "sqlite": SQLITE}  # beside the one that every.EVERY has
_GUEST = "guest"  # has a ticket, but no password anywhere

# All that any mechanism may need is within reach of every smtpd, so that what is measured is the mechanism.
# Arguments: users, those of sasldb first.
_PREPARE = f"""
IFS= read -r elsewhere
sed -i 's/pam_unix.so/& nodelay/' /etc/pam.d/common-auth
mv /etc/sasldb2 /var/spool/postfix/etc/; ln -s /var/spool/postfix/etc/sasldb2 /etc/sasldb2
useradd "$1"; echo "$1:$elsewhere" | chpasswd
kadmin.local addprinc -randkey smtp/{SERVER}; kadmin.local ktadd smtp/{SERVER}
kadmin.local addprinc -randkey {_GUEST}
for user; do
    kadmin.local addprinc -randkey $user || :  # one is there
    [ "$user" = "$1" ] || printf %s "$elsewhere" | saslpasswd2 -p -c -u {SERVER} $user
done
for user in "$@" {_GUEST}; do
    kadmin.local ktadd -norandkey -k /root/users.keytab $user
    kinit -k -t /root/users.keytab -c /root/ticket.$user $user
done
chmod 644 /etc/krb5.keytab; cp -p /etc/krb5.keytab /etc/krb5.conf /var/spool/postfix/etc/
install -d -m 1777 /var/spool/postfix/var/tmp
postconf -M submission/inet='submission inet n - n - - smtpd'
"""
_FORCE = f"""
cd /etc/postfix; mkdir /root/kept; cp -p main.cf master.cf /root/kept
if [ -e sasl/smtpd.conf ]; then
    cp -p sasl/smtpd.conf /root/kept; sed -i '/^mech_list/d' sasl/smtpd.conf
    echo 'mech_list: {" ".join(MECHANISMS)}' >>sasl/smtpd.conf
fi
postconf -e smtpd_sasl_security_options= smtpd_sasl_tls_security_options= \\
    smtpd_sasl_mechanism_filter=static:rest
postconf -F smtp/inet/chroot=y
touch -d '1 minute ago' main.cf master.cf  # Postfix waits before it trusts a file that was written just now
postfix reload
"""
_RESTORE = """
cd /root/kept; mv main.cf master.cf /etc/postfix
[ ! -e smtpd.conf ] || mv smtpd.conf /etc/postfix/sasl
rmdir /root/kept; rm -f /etc/dovecot/conf.d/99-everything.conf; postfix reload
"""


def _back_ends() -> dict[str, BackEnd]:
    """Return every back end by its type, and SQL's other two engines."""
    found = {**every.EVERY, **{engine: database.back_end() for engine, database in _ENGINES.items()}}
    # it moves /etc/sasldb2, so it comes when nobody else is asked any more
    return found | {AuxpropSasldb.type: found.pop(AuxpropSasldb.type)}


def start(machine: Machine) -> None:
    """Start every server; give each user an account of the same name elsewhere, and a Kerberos ticket."""
    every.start(machine)
    for database in _ENGINES.values():
        database.fill(machine)
    users = dict.fromkeys(one.user for one in reversed(_back_ends().values()))
    machine.run(["sh", "-euc", _PREPARE, "prepare", *users], stdin=f"{_ELSEWHERE}\n")


def measure(machine: Machine) -> dict[str, dict[str, dict[str, str]]]:
    """Return back end -> mechanism -> chroot -> replies.

    The replies are to the right credential, to a wrong one, and to one of another place; "-": not offered.
    """
    found = {kind: _measure(machine, kind, back_end) for kind, back_end in _back_ends().items()}
    for engine in _ENGINES:
        assert found.pop(engine) == found[AuxpropSql.type], f"SQL's engines differ: {engine}"
    return {kind: found[kind] for kind in every.EVERY}


def _measure(machine: Machine, kind: str, back_end: BackEnd) -> dict[str, dict[str, str]]:
    """Set ``back_end`` up and let it offer everything."""
    # this one can't be set up where there is a chroot, so that comes afterwards
    first = "n" if kind == AuxpropLdapdb.type else "y"
    machine.run(["postconf", "-F", f"smtp/inet/chroot={first}"])
    machine.write_file(POLICY, policy(back_end, _CHROOT))
    machine.run([LAUNCHER, "apply", "-p", POLICY, "--yes"], timeout=90)
    mail_clients.trust(machine, machine, CERTIFICATE)
    machine.run(["sh", "-euc", _FORCE])
    if kind == Dovecot.type:
        _inside(machine, "dovecot_mechanisms", SERVER, back_end.user, *MECHANISMS)
    attempts = json.dumps(list(_attempts(back_end.user)))
    replies = iter(_inside(machine, "mechanism_clients", SERVER, "/root/trusted.pem", stdin=attempts).split())
    machine.run(["sh", "-euc", _RESTORE])
    cells: dict[str, dict[str, str]] = {}
    for mechanism in MECHANISMS:
        for chroot in PORTS:
            three = [next(replies) for _ in range(3)]
            cells.setdefault(mechanism, {})[chroot] = "-" if set(three) == {"-"} else " ".join(three)
    return cells


def _inside(machine: Machine, module: str, *arguments: str, stdin: str = "") -> str:
    """Run a module of this folder on the machine and return what it says."""
    argv = ["python3", "-m", f"tests.machines.{module}", *arguments]
    return machine.run(argv, stdin=stdin, env={"PYTHONPATH": "/opt/postfix-auth"}, timeout=120).stdout


def _attempts(user: str) -> Iterator[tuple[int, str, str, str, str]]:
    """Yield port, mechanism, user, password and ticket: three for each mechanism and port."""
    for mechanism in MECHANISMS:
        for port in PORTS.values():
            if mechanism in _BY_TICKET:
                for name, owner in ((user, user), (user, _GUEST), (_GUEST, _GUEST)):
                    yield port, mechanism, name, "", f"/root/ticket.{owner}"
            else:
                right = TOKEN if mechanism in _BY_TOKEN else PASSWORD
                for password in (right, _WRONG, OTHERS_TOKEN if right == TOKEN else _ELSEWHERE):
                    yield port, mechanism, user, password, ""


def main() -> None:
    """Measure on every Debian, and write down what was seen."""
    found: dict[str, dict[str, dict[tuple[str, str], str]]] = {}
    for debian in Debian:
        with Machine(debian, Kind.EVERY) as machine:
            start(machine)
            measured = measure(machine)
        for kind, row in measured.items():
            for mechanism, cells in row.items():
                for chroot, replies in cells.items():
                    found.setdefault(kind, {}).setdefault(mechanism, {})[debian.number, chroot] = replies
    FILE.write_text(toml(found))
    PAGE.write_text(page(PAGE.read_text(), found))


if __name__ == "__main__":
    main()
