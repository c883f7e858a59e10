"""What can't be handled is refused with the reason and changes nothing; what looks hostile works exactly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.machines.machine import LAUNCHER

if TYPE_CHECKING:
    from tests.machines.inside import Result
    from tests.machines.machine import Machine

pytestmark = pytest.mark.either_release

POLICY, KEY = "/root/policy.toml", "/etc/ssl/private/ssl-cert-snakeoil.key"
GOOD = """
[backend]
type = "auxprop-sasldb"
[mechanisms]
offer = ["SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5"]
[tls]
source = "self-signed"
names = ["mail.example.net"]
[submission]
"""
SEEN = """
find /etc /var/lib/postfix-auth/checkpoints /var/spool/postfix/etc -printf '%p %y %m %u %g %l %T@\\n' \
    2>/dev/null | sort
"""


def apply(machine: Machine, text: str | None = None, *, user: str = "root") -> Result:
    if text is not None:
        machine.write_file(POLICY, text)
    return machine.run([LAUNCHER, "apply", "-p", POLICY, "--yes"], check=False, user=user)


def refused(machine: Machine, status: int, *words: str, text: str = GOOD) -> None:
    """Apply ``text``; it must end with ``status`` and one line that has all ``words``, and change nothing."""
    machine.write_file(POLICY, text)
    before = machine.run(SEEN).stdout
    result = apply(machine)
    assert (result.status, machine.run(SEEN).stdout == before) == (status, True), result
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.stderr
    assert all(character.isprintable() or character == "\n" for character in result.stderr + result.stdout)


def test_an_invalid_policy_is_refused_with_its_key(machine: Machine) -> None:
    relay = '[smarthost]\nhost = "a.example"\n'
    for text, key in {
        "[backend]\ntype = 'x'\n": "backend.type: ",
        "[submision]\n": "submision",
        "[submission]\nrequire_tls = 'yes'\n": "submission.require_tls: ",
        "[tls]\nsource = 'self-signed'\nnames = ['mail example']\n": "tls.names",
        "[tls]\nsource = 'self-signed'\nnames = ['a$b.example', 'x']\n": "tls.names",
        f"[tls]\nsource = 'files'\ncertificate = '/nowhere'\nkey = '{KEY}'\n": "tls.certificate: ",
        "[smarthost]\nhost = 'a#b'\n": "smarthost.host: ",
        "[smarthost]\nhost = '\u202eb'\n": "smarthost.host: ",
        "[smarthost]\nhost = '-oX'\n": "smarthost.host: ",
        relay + "user = 'a:b'\npassword_file = '/p'\n": "smarthost.user: ",
        relay + 'user = "a\\nb"\npassword_file = "/p"\n': "smarthost.user: ",
        relay + "user = 'a'\npassword_file = '/nowhere'\n": "smarthost.password_file: ",
        relay + "user = 'a'\n": "smarthost.password_file: ",
        "[authorization]\nlocal_domain = 'a b'\n": "authorization.local_domain: ",
        "[backend\n": "line 1",
        "a = '\x01'\n": "line 1",
    }.items():
        refused(machine, 2, key, text=text)
    refused(machine, 2, "postfix-auth: ", text="\udcff".encode("utf-8", "surrogateescape").decode("latin-1"))
    machine.run(f"printf '\\377' > {POLICY}")
    assert apply(machine).status == 2
    machine.run(["rm", POLICY])
    assert apply(machine).status == 2


def test_submission_without_a_certificate_is_refused(machine: Machine) -> None:
    machine.run("postconf -e smtpd_tls_cert_file= smtpd_tls_key_file= smtpd_tls_chain_files=")
    backend = '[backend]\ntype = "auxprop-sasldb"\n'
    refused(machine, 2, "tls.source: ", "certificate", text=f"{backend}[submission]\n")
    only_465 = '[submission]\nservices = ["submissions"]\nrequire_tls = false\n'
    refused(machine, 2, "tls.source: port 465", text=f"{backend}{only_465}")


def test_a_file_that_can_not_be_read_is_named_with_its_line(machine: Machine) -> None:
    main, master, smtpd = "/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/postfix/sasl/smtpd.conf"
    for path, bad, words in (
        (main, "\nno setting\n", "missing '=' after attribute name"),
        (master, "\nsmtp inet n - y\n", "bad field count"),
        (master, "\nsmtp inet n - maybe - - smtpd\n", 'invalid chroot field "maybe"'),
        (main, "\n\0\n", ""),
        (smtpd, "\nmech_list = PLAIN\n", "libsasl expects 'key: value'"),
    ):
        machine.run(["cp", "-a", "/etc/postfix", "/root/kept"])
        machine.run(["tee", "-a", path], stdin=bad)
        line = machine.run(["sed", "-n", "$=", path]).stdout.strip()
        refused(machine, 3, f"{path}, line {line}: ", words)
        machine.run("rm -rf /etc/postfix && mv /root/kept /etc/postfix")
    machine.run(f"mv {main} /root/main.cf && mkdir {main}")
    refused(machine, 3, main, "regular file")
    machine.run(f"rmdir {main} && mkfifo {main}")
    refused(machine, 3, main, "regular file")


def test_who_may_not_and_where_it_can_not_be_done(machine: Machine) -> None:
    machine.write_file("/tmp/policy.toml", GOOD)
    result = machine.run(
        [
            "/var/lib/postfix-auth/venv/bin/python",
            "-m",
            "wizard.cli",
            "apply",
            "-p",
            "/tmp/policy.toml",
            "--yes",
        ],
        check=False,
        user="nobody",
        env={"PYTHONPATH": "/opt/postfix-auth"},
    )
    assert (result.status, "run it as root" in result.stderr) == (3, True), result
    machine.run(["sed", "-i", "s/^ID=.*/ID=slackware/", "/etc/os-release"])
    refused(machine, 3, "not supported", "debian 12, debian 13")
    machine.run(["rm", "/etc/os-release"])
    refused(machine, 3, "/etc/os-release")


#: For saslpasswd2, for every mechanism and for all that passes it on, each of these is one password.
PASSWORDS = (
    "plain",
    " begins and ends with a blank ",
    "-p",
    "$HOME ${x} $(id) `id`",
    "%s%n%u",
    "#comment",
    "\"double\" 'single'",
    "back\\slash",
    "a:b@c,d=e",
    "Grüße, 日本語 ✉",
    "x" * 1000,
)
#: No line of text, or what SCRAM's clients would change: a tab, a digit in a circle, e and its accent.
NO_PASSWORDS = (
    b"",
    b"\n",
    b"two\nlines\n",
    b"zero\0byte\n",
    b"latin \xe4\n",
    b"a\tb\n",
    b"\xe2\x91\xa0\n",
    b"e\xcc\x81\n",
)
LOG_IN = r"""
import base64, json, smtplib, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
found = {}
for user, password in json.load(sys.stdin):
    for right in (True, False):
        for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5"):
            given = password if right else password + "x"
            with smtplib.SMTP("198.51.100.7", 587) as client:
                client.starttls(context=context)
                client.ehlo()
                said = client.docmd("AUTH", mechanism if mechanism != "PLAIN" else "PLAIN " +
                    base64.b64encode(f"\0{user}\0{given}".encode()).decode())
                if mechanism == "LOGIN":
                    client.docmd(base64.b64encode(user.encode()).decode())
                    said = client.docmd(base64.b64encode(given.encode()).decode())
                if mechanism == "CRAM-MD5":
                    import hmac
                    digest = hmac.new(given.encode(), base64.b64decode(said[1]), "md5").hexdigest()
                    said = client.docmd(base64.b64encode(f"{user} {digest}".encode()).decode())
                if (said[0] == 235) != right:
                    found[f"{user} {mechanism} {given!r}"] = said[0]
print(json.dumps(found))
"""


def test_passwords_work_exactly_or_are_refused(machine: Machine) -> None:
    assert apply(machine, GOOD).status == 0
    users = [(f"user{number}", password) for number, password in enumerate(PASSWORDS)]
    for user, password in users:
        machine.write_file("/root/password", f"{password}\n", mode=0o600)
        machine.run([LAUNCHER, "user", "add", user, "--password-file", "/root/password"])
        told = machine.run(
            [LAUNCHER, "test", "--user", user, "--password-file", "/root/password"], check=False
        )
        assert told.status == 0, (password, told)
        assert password == "plain" or password not in told.stdout + told.stderr
    found = machine.run(["python3", "-c", LOG_IN], stdin=json.dumps(users)).stdout
    assert json.loads(found) == {}
    for bad in NO_PASSWORDS:
        machine.write_file("/root/password", bad, mode=0o600)
        result = machine.run(
            [LAUNCHER, "user", "add", "bad", "--password-file", "/root/password"], check=False
        )
        assert (result.status, "password" in result.stderr) == (2, True), (bad, result)
    assert "bad@" not in machine.run([LAUNCHER, "user", "list"]).stdout


def test_names_work_exactly_or_are_refused(machine: Machine) -> None:
    assert apply(machine, GOOD).status == 0
    machine.write_file("/root/password", "secret\n", mode=0o600)

    def add(name: str) -> Result:
        return machine.run(
            [LAUNCHER, "user", "add", "--password-file", "/root/password", "--", name], check=False
        )

    fine = ("joe", "o'brien", "jörg", "a$b", "a#b", "%u", "x{y}", "joe+tag", "joe@other.example")
    for name in fine:
        assert add(name).status == 0, name
    listed = [line.split()[0] for line in machine.run([LAUNCHER, "user", "list"]).stdout.splitlines()]
    for name in fine:
        assert any(line in (name, f"{name}@mail.example.net") for line in listed), name
    found = machine.run(
        ["python3", "-c", LOG_IN], stdin=json.dumps([(n, "secret") for n in fine if n != "jörg"])
    ).stdout
    assert json.loads(found) == {}
    for name in ("", " ", "a b", "a\nb", "a:b", "-x", "a@b@c", 'a"b', "a/b", "x" * 65, "a\x1bb"):
        result = add(name)
        assert result.status == 2, (name, result)
        assert "\x1b" not in result.stderr
    assert len(machine.run([LAUNCHER, "user", "list"]).stdout.splitlines()) == len(fine)


def test_an_account_goes_again(machine: Machine) -> None:
    assert apply(machine, GOOD).status == 0
    machine.write_file("/root/password", "secret\n", mode=0o600)
    machine.run([LAUNCHER, "user", "add", "joe", "--password-file", "/root/password"])
    machine.run([LAUNCHER, "user", "remove", "joe"])
    assert "joe" not in machine.run([LAUNCHER, "user", "list"]).stdout
