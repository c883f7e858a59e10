"""With SQLite a login name can be SQL, and gets in: it must not send anything, whatever the mechanism."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.machines import mail_clients
from tests.machines.backends import (
    BACK_ENDS,
    CERTIFICATE,
    CHROOTS,
    POLICY,
    apply,
    policy,
    postfix_auth,
    prepare,
)
from tests.machines.databases import SQLITE, USER
from tests.machines.images import Kind
from tests.machines.machine import LAUNCHER
from tests.machines.mail_clients import FAR_AWAY, SERVER
from wizard import policyfile
from wizard.policy import Authorization

if TYPE_CHECKING:
    from tests.machines.conftest import Boot
    from tests.machines.machine import Machine

CHROOT = CHROOTS["mixed"]
SQL, WORD = "x' UNION SELECT 12345 -- ", "12345"
REFUSAL = "SASL login name rejected"
BEFORE = "reject_unauth_pipelining"
#: What AUTH PLAIN sends: authorization identity, name and password (RFC 4616).
MESSAGES = (
    f"\0{SQL}\0{WORD}",
    f"{SQL}\0{SQL}\0{WORD}",
    f"\0x@y' UNION SELECT 12345 -- \0{WORD}",
    f"\0x';SELECT 12345 -- \0{WORD}",
    f"\0\udcff{SQL}\udcc3(\0{WORD}",
)
OTHER_IDENTITIES = (f"{USER}\0{SQL}\0{WORD}", f"{SQL}\0{USER}\0{WORD}")
#: Logs in with each message at each port and tries to send: prints the replies to AUTH, DATA and BDAT.
_SEND = """
import base64, json, smtplib, ssl, sys
name, to, ports, messages = json.load(sys.stdin)
context = ssl._create_unverified_context()
for message in messages:
    for port in ports:
        wrapped = {"context": context} if port == 465 else {}
        with (smtplib.SMTP_SSL if wrapped else smtplib.SMTP)(name, port, timeout=20, **wrapped) as client:
            client.ehlo()
            if not wrapped:
                client.starttls(context=context)
                client.ehlo()
            plain = base64.b64encode(message.encode(errors="surrogateescape")).decode()
            said = [client.docmd("AUTH", f"PLAIN {plain}")]
            for command in ("MAIL FROM:<a@example.org>", f"RCPT TO:<{to}>", "DATA"):
                said.append(client.docmd(command))
            client.send(".\\r\\n" if said[-1][0] == 354 else "BDAT 2 LAST\\r\\nxx")
            said.append(client.getreply())
        print(said[0][0], *said[3:])
"""


def set_up(boot: Boot) -> Machine:
    machine = boot(Kind.DATABASES)
    SQLITE.fill(machine)
    prepare(machine, CHROOT)
    machine.run(["postconf", "-e", f"smtpd_data_restrictions = {BEFORE}"])
    return machine


def restrictions(machine: Machine) -> str:
    return machine.run(["postconf", "-h", "smtpd_data_restrictions"]).stdout.strip()


def send(machine: Machine, *messages: str) -> list[str]:
    work = json.dumps([SERVER, FAR_AWAY, CHROOT.ports, messages])
    return machine.run(["python3", "-c", _SEND], stdin=work).stdout.splitlines()


def send_with(machine: Machine, mechanism: str) -> str:
    """Log in by SQL with a client of others, try to send, and return all that was said."""
    if mechanism.startswith("SCRAM"):
        call = ["gsasl", "--smtp", "--no-cb", f"--connect={SERVER}:587", "--x509-ca-file=/root/trusted.pem",
                f"--mechanism={mechanism}", f"--authentication-id={SQL}", f"--password={WORD}"]  # fmt: skip
        mail = f"MAIL FROM:<a@example.org>\nRCPT TO:<{FAR_AWAY}>\nDATA\n"
        # it sends what it reads, and hangs up without waiting for an answer when there is no more
        slowly = f'while read -r line; do echo "$line"; sleep 0.3; done | {shlex.join(call)}'
        return machine.run(slowly, stdin=mail, check=False).stdout
    call = ["swaks", "--server", f"{SERVER}:587", "--tls", "--from", "a@example.org", "--to", FAR_AWAY,
            "--auth", mechanism, "--auth-user", SQL, "--auth-password", WORD]  # fmt: skip
    return machine.run(call, check=False).stdout


def test_who_gets_in_by_sql_sends_nothing(boot: Boot) -> None:
    machine = set_up(boot)
    mechanisms = ("SCRAM-SHA-256", "CRAM-MD5", "DIGEST-MD5", "PLAIN", "LOGIN")
    text = policy(SQLITE.back_end(), CHROOT).replace("offer = []", f"offer = {json.dumps(mechanisms)}")
    machine.write_file(POLICY, text)
    postfix_auth(machine, "apply", "-p", POLICY, "--yes", "--no-test")
    mail_clients.trust(machine, machine, CERTIFICATE)

    for said in send(machine, *MESSAGES):
        assert (said[:3], said.count(REFUSAL)) == ("235", 2), said
    for said in send(machine, *OTHER_IDENTITIES):
        assert said.startswith("535 "), said
    for said in send(machine, "\0anna@example.org\0anna's"):
        assert (said[:9], "queued" in said) == ("235 (354,", True), said
    for mechanism in mechanisms:
        said = send_with(machine, mechanism)
        assert ("235 2.7.0" in said, REFUSAL in said) == (True, True), said


def test_the_fence_goes_with_sqlite(boot: Boot) -> None:
    machine = set_up(boot)
    back_end, pam = SQLITE.back_end(), BACK_ENDS["pam"]
    apply(machine, back_end, CHROOT)
    fenced = restrictions(machine)
    assert fenced.endswith(f"}}}}, {BEFORE}")
    assert "Nothing to do" in apply(machine, back_end, CHROOT)
    found = policyfile.parse(postfix_auth(machine, "policy").stdout)
    assert found == replace(policyfile.parse(policy(back_end, CHROOT)), authorization=Authorization())

    apply(machine, pam, CHROOT)
    assert restrictions(machine) == BEFORE
    postfix_auth(machine, "rollback", "--yes")
    assert restrictions(machine) == fenced
    postfix_auth(machine, "rollback", "--yes")
    assert restrictions(machine) == BEFORE

    machine.run(["postconf", "-M", "submission/inet=submission inet n - y - - smtpd"])
    machine.run(["postconf", "-P", "submission/inet/smtpd_sasl_auth_enable=yes"])
    machine.run(["postconf", "-P", "submission/inet/smtpd_data_restrictions=reject_unauth_pipelining"])
    machine.write_file(POLICY, policy(back_end, CHROOT))
    refused = machine.run([LAUNCHER, "plan", "-p", POLICY], check=False)
    assert refused.status == 2
    assert "submission/inet in master.cf overrides" in refused.stderr
