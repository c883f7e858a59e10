"""Every back end with every mechanism, and the doors past a back end: what is written is what happens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from recipes import measured
from tests.machines import every, mail_clients, measuring
from tests.machines.backends import CERTIFICATE, CHROOTS, PASSWORD, POLICY, BackEnd, policy, postfix_auth
from tests.machines.images import Kind
from tests.machines.mail_clients import SERVER, Login

if TYPE_CHECKING:
    from tests.machines.conftest import Boot
    from tests.machines.images import Debian
    from tests.machines.machine import Machine

#: Asks for each mechanism in the arguments, and prints whether it is offered, and the reply all the same.
_INSIST = """
import smtplib, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
for name in sys.argv[2:]:
    client = smtplib.SMTP(sys.argv[1], 587)
    client.starttls(context=context)
    client.ehlo()
    print(name, name in client.esmtp_features.get("auth", "").split(), client.docmd("AUTH", name)[0])
    client.close()
"""
_STORED = tuple(name for name in measuring.MECHANISMS if name in measured.serves("auxprop-sasldb"))
_TRAP = f"""
IFS= read -r password
printf %s "$password" | saslpasswd2 -p -c -u {SERVER} mary
printf 'pwcheck_method: saslauthd\\nmech_list: digest-md5 cram-md5\\n' >/etc/postfix/sasl/smtpd.conf
usermod -a -G sasl postfix; postconf -e smtpd_sasl_auth_enable=yes
postconf -F smtp/inet/chroot=n
postfix reload
"""


def test_each_back_end_does_with_each_mechanism_what_is_written(boot: Boot, debian: Debian) -> None:
    machine = boot(Kind.EVERY)
    measuring.start(machine)
    seen = measuring.measure(machine)
    written = {
        kind: {
            mechanism: {chroot: cells[debian.number, chroot] for chroot in measured.CHROOTS}
            for mechanism, cells in row.items()
        }
        for kind, row in measured.table().items()
    }
    assert seen == written, "what is meant: python -m tests.machines.measuring"


def test_who_has_moved_away_from_sasldb_has_shut_its_door(boot: Boot) -> None:
    machine = boot(Kind.EVERY)
    every.start(machine)
    set_up(machine, "auxprop-sasldb")
    mail_clients.trust(machine, machine, CERTIFICATE)
    logins = [Login(587, name, "mary", PASSWORD) for name in ("PLAIN", "SCRAM-SHA-256")]
    assert mail_clients.replies(machine, logins) == ["235", "235"]
    for kind in ("saslauthd-pam", "auxprop-sql", "auxprop-ldapdb", "dovecot"):
        set_up(machine, kind)
        replies = machine.run(["python3", "-c", _INSIST, SERVER, *_STORED]).stdout.splitlines()
        offered = [line.split()[0] for line in replies if " True " in line]
        assert set(offered) <= set(every.EVERY[kind].mechanisms), kind
        insisting = [line.split()[2] for line in replies if " False " in line]
        assert insisting == ["535"] * (len(_STORED) - len(offered)), (kind, replies)
        logins = [Login(587, name, "mary", PASSWORD) for name in offered]
        assert mail_clients.replies(machine, logins) == ["535"] * len(logins), kind


def set_up(machine: Machine, kind: str) -> None:
    chroot = CHROOTS["not chrooted" if kind == "auxprop-ldapdb" else "chrooted"]
    back_end = every.EVERY[kind]
    machine.write_file(POLICY, policy(back_end, chroot))
    postfix_auth(machine, "apply", "-p", POLICY, "--yes")


def test_mechanisms_past_saslauthd_are_named_and_gone_once_a_back_end_is_chosen(machine: Machine) -> None:
    mail_clients.face_the_world(machine)
    machine.run(["sh", "-euc", _TRAP], stdin=f"{PASSWORD}\n")
    logins = [Login(port, "CRAM-MD5", "mary", PASSWORD) for port in (25, 587)]
    assert mail_clients.replies(machine, logins[:1]) == ["235"], "the trap looks right"
    told = needs_attention(machine)
    assert "DIGEST-MD5 and CRAM-MD5 never ask saslauthd" in told
    assert "/etc/sasldb2, which has 1 account" in told
    assert "never ask saslauthd" in postfix_auth(machine, "policy").stdout
    pam = BackEnd('type = "saslauthd-pam"', ("PLAIN", "LOGIN"), "", ())
    machine.write_file(POLICY, policy(pam, CHROOTS["not chrooted"]))
    postfix_auth(machine, "apply", "-p", POLICY, "--yes")
    assert mail_clients.replies(machine, logins) == ["none", "none"]
    assert "never ask saslauthd" not in needs_attention(machine)


def needs_attention(machine: Machine) -> str:
    return "\n".join(json.loads(postfix_auth(machine, "status", "--json").stdout)["attention"])
