"""Mail that leaves through a relay host which wants TLS and a login: a second Postfix, set up by hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.machines.machine import LAUNCHER

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.machines.conftest import Boot
    from tests.machines.inside import Result
    from tests.machines.machine import Machine

RELAY, OTHER_NAME, USER = "relay.example.org", "other.example.org", "a user@example.net"
CANARY = "CANARY-7391"
PASSWORD = f"""-{CANARY} $x %s# "'\\{{}}é:,"""
POLICY, SECRET, AUTHORITY = "/root/policy.toml", "/root/relay.password", "/etc/ssl/relay.pem"
STATE = "find /etc/postfix -type f -printf '%p %U:%G %m ' -exec sha256sum {} ';' | LC_ALL=C sort"

# the relay host: its certificate names it and nothing else; it takes mail from nobody who has not logged in
SET_UP_RELAY = rf"""
IFS= read -r password
useradd inbox
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN={RELAY} \
    -addext subjectAltName=DNS:{RELAY} -keyout /etc/ssl/relay.key -out {AUTHORITY} 2>&1
printf '%s\n' 'pwcheck_method: auxprop' 'auxprop_plugin: sasldb' 'mech_list: PLAIN LOGIN' \
    > /etc/postfix/sasl/smtpd.conf
printf %s "$password" | saslpasswd2 -p -c -u example.net 'a user'
install -g postfix -m 0640 /etc/sasldb2 /var/spool/postfix/etc/sasldb2
chgrp postfix /etc/sasldb2
postconf -e 'mydestination = {RELAY}' 'mynetworks =' smtpd_tls_loglevel=1 'smtpd_tls_cert_file =' \
    'smtpd_tls_key_file =' 'smtpd_tls_chain_files = /etc/ssl/relay.key, {AUTHORITY}'
for name in submission submissions; do
    postconf -M $name/inet="$name inet n - n - - smtpd"
    postconf -P $name/inet/smtpd_sasl_auth_enable=yes \
        $name/inet/smtpd_recipient_restrictions=permit_sasl_authenticated,reject
done
postconf -P submission/inet/smtpd_tls_security_level=encrypt submissions/inet/smtpd_tls_wrappermode=yes
postfix reload
"""


class Pair:
    """The host, which the program sets up, and the relay host."""

    def __init__(self, host: Machine, relay: Machine, address: str) -> None:
        self.host, self.relay = host, relay
        relay.run(SET_UP_RELAY, stdin=f"{PASSWORD}\n")
        host.write_file(AUTHORITY, relay.read_file(AUTHORITY))
        host.run(f"echo {address} {OTHER_NAME} >> /etc/hosts")
        # there is no DNS here; mail for example.org must find the relay host by itself
        host.run("postconf -e smtp_host_lookup=native smtp_dns_support_level=disabled")
        host.run("systemctl restart postfix")  # which brings /etc/hosts into the queue directory
        self.keep(PASSWORD)
        relay.wait_for_port(587)
        relay.wait_for_port(465)

    def keep(self, password: str) -> None:
        self.host.write_file(SECRET, f"{password}\n", mode=0o600)

    def ask_for(self, *, host: str = RELAY, port: int = 587, tls: str = "secure") -> None:
        login, ca_file = f'user = "{USER}"\npassword_file = "{SECRET}"\n', f'ca_file = "{AUTHORITY}"\n'
        text = f'[smarthost]\nhost = "{host}"\nport = {port}\n{login}tls = "{tls}"\n{ca_file}'
        self.host.write_file(POLICY, text)

    def apply(self) -> Result:
        return self.host.run([LAUNCHER, "apply", "-p", POLICY, "--yes"])

    def plan(self, *, check: bool = True) -> Result:
        return self.host.run([LAUNCHER, "plan", "-p", POLICY], check=check)

    def in_force(self) -> str:
        """Return what the program reads back from the files: the last section."""
        whole = self.host.run([LAUNCHER, "policy"]).stdout
        return "".join(whole.partition("[smarthost]")[1:])

    def send(self, subject: str) -> None:
        text = f"Subject: {subject}\nTo: inbox@{RELAY}\n\nHello\n"
        self.host.run(["sendmail", "-f", "root@mail.example.net", f"inbox@{RELAY}"], stdin=text)

    def arrived(self, subject: str) -> bool:
        return f"Subject: {subject}\n" in self.relay.run("cat /var/mail/inbox", check=False).stdout

    def queue(self) -> str:
        return self.host.run("postqueue -p").stdout

    def wait_until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not done():
            told = self.host.journal("-n", "20") + self.relay.journal("-n", "20")
            assert time.monotonic() < deadline, self.queue() + told
            time.sleep(0.1)

    def delivers(self, subject: str) -> None:
        """Send a message and wait until it is at the relay host, and nowhere else."""
        self.send(subject)
        self.wait_until(lambda: self.arrived(subject) and "empty" in self.queue())

    def defers(self, subject: str, reason: str) -> None:
        """Send a message and wait until it is back in the queue, for that ``reason``."""
        self.send(subject)
        self.wait_until(lambda: reason in self.queue())
        assert not self.arrived(subject)

    def logins(self) -> str:
        return self.relay.run("journalctl --no-pager -q -b | grep -E 'sasl_|SASL' || true").stdout


@pytest.fixture
def pair(boot: Boot, join: Callable[..., tuple[str, ...]]) -> Pair:
    host, relay = boot(), boot(hostname=RELAY)
    _, address = join(host, relay)
    return Pair(host, relay, address)


def test_mail_goes_through_and_the_password_nowhere_else(pair: Pair) -> None:
    before = pair.host.run(STATE).stdout
    pair.ask_for()
    told = pair.plan()
    done = pair.apply()
    pair.delivers("through 587")
    assert "sasl_method=" in pair.logins()

    kind = pair.host.run("postconf -h default_database_type").stdout.strip()
    built = {"hash": "/etc/postfix/sasl_passwd.db", "lmdb": "/etc/postfix/sasl_passwd.lmdb"}[kind]
    for path in ("/etc/postfix/sasl_passwd", built):
        assert pair.host.run(["stat", "-c", "%U:%G %a", path]).stdout == "root:root 600\n"
    assert pair.host.read_file("/etc/postfix/sasl_passwd") == f"[{RELAY}]:587 {USER}:{PASSWORD}\n"
    assert pair.host.run("postconf -h relayhost").stdout == f"[{RELAY}]:587\n"
    assert pair.host.run("postconf -h smtp_sasl_password_maps").stdout == f"{kind}:/etc/postfix/sasl_passwd\n"

    assert "Nothing to do" in pair.apply().stdout
    assert pair.in_force() == pair.host.read_file(POLICY)

    shown = told.stdout + told.stderr + done.stdout + done.stderr + pair.host.journal() + pair.relay.journal()
    assert CANARY not in shown
    holders = pair.host.run(f"grep -rlF {CANARY} /etc /root /run /tmp /var || true").stdout.split()
    known = [SECRET, "/etc/postfix/sasl_passwd", built]
    assert [path for path in holders if path not in known and "/spool/postfix/" not in path] == []

    pair.host.run([LAUNCHER, "rollback", "--yes"])
    assert pair.host.run(STATE).stdout == before


def test_a_new_password_is_put_in_force(pair: Pair) -> None:
    pair.ask_for(tls="encrypt")
    pair.keep("wrong")
    pair.apply()
    pair.defers("too early", "authentication failed")
    pair.keep(PASSWORD)
    plan = pair.plan().stdout
    assert "postmap" in plan
    assert "main.cf" not in plan
    pair.apply()
    pair.host.run("postqueue -f")
    pair.wait_until(lambda: pair.arrived("too early") and "empty" in pair.queue())
    holders = pair.host.run(f"grep -rlF {CANARY} /var/lib || true").stdout
    assert holders == ""


def test_no_header_of_a_message_lowers_the_level(pair: Pair) -> None:
    pair.relay.run(f"postconf -e myhostname={RELAY} smtpd_tls_security_level=none && postfix reload")
    text = f'[smarthost]\nhost = "{RELAY}"\nport = 25\ntls = "encrypt"\n'
    pair.host.write_file(POLICY, text)
    pair.apply()
    pair.defers("in clear\nTLS-Required: no", "TLS is required, but was not offered")


def test_tls_from_the_start(pair: Pair) -> None:
    pair.ask_for(port=465)
    pair.apply()
    pair.delivers("through 465")
    assert "Nothing to do" in pair.apply().stdout


def test_who_is_not_who_they_say_gets_no_password(pair: Pair) -> None:
    pair.ask_for(host=OTHER_NAME)
    pair.apply()
    pair.defers("to a stranger", "not verified")
    assert pair.logins() == ""
    pair.ask_for(host=OTHER_NAME, tls="encrypt")
    assert "does not check who" in pair.apply().stdout
    pair.host.run("postqueue -f")
    pair.wait_until(lambda: pair.arrived("to a stranger") and "empty" in pair.queue())


def test_a_host_made_by_hand_is_read_back_and_kept(pair: Pair) -> None:
    pair.host.write_file("/etc/postfix/relay", f"# by hand\n{RELAY} {USER}:{PASSWORD}\n", mode=0o600)
    pair.host.run(
        f"chmod 644 /etc/postfix/relay && postmap /etc/postfix/relay && "
        f"postconf -e 'relayhost = [{RELAY}]:587' smtp_sasl_auth_enable=yes "
        "smtp_sasl_password_maps='$default_database_type:/etc/postfix/relay' smtp_tls_security_level=secure "
        f"'smtp_sasl_security_options = noanonymous' smtp_tls_CAfile={AUTHORITY} && postfix reload"
    )
    pair.delivers("by hand")
    text = pair.in_force()
    assert f'user = "{USER}"' in text
    assert 'password_file = ""' in text
    pair.host.write_file(POLICY, text)
    plan = pair.plan()
    assert "sasl_passwd" not in plan.stdout
    readable = pair.host.run("ls /etc/postfix/relay*").stdout.split()
    told = pair.host.run([LAUNCHER, "status"]).stdout
    assert [path for path in readable if f"{path}: others than root can read" not in told] == []
    pair.apply()
    assert pair.host.run("stat -c %a /etc/postfix/relay*").stdout == "600\n600\n"
    assert "Nothing to do" in pair.apply().stdout
    pair.delivers("still by hand")
    pair.host.write_file(POLICY, text.replace(RELAY, OTHER_NAME))
    refused = pair.plan(check=False)
    assert refused.status == 2
    assert "smarthost.password_file: " in refused.stderr
