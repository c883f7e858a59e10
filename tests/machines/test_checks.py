"""The network tests against real servers: all is well, or exactly what was broken is found and explained."""

from __future__ import annotations

import json
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.machines.images import VENV, Debian
from tests.machines.machine import LAUNCHER, STRANGER, Machine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CONF = "/etc/postfix/sasl/smtpd.conf"
_PYTHON = f"{VENV}/bin/python"
_RESTART = "systemctl reset-failed 'postfix*'; systemctl restart postfix"
#: Two services for users on 587 and 465, both chrooted as Debian has them, and a certificate.
_SUBMISSION = f"""
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=mail.example.net \
    -addext subjectAltName=DNS:mail.example.net -keyout /etc/postfix/mail.key -out /etc/postfix/mail.pem
postconf -e smtpd_tls_cert_file=/etc/postfix/mail.pem smtpd_tls_key_file=/etc/postfix/mail.key \
    smtpd_tls_security_level=may
for name in submission submissions; do
    postconf -M $name/inet="$name inet n - y - - smtpd"
    postconf -P $name/inet/smtpd_sasl_auth_enable=yes $name/inet/smtpd_tls_auth_only=yes \
        $name/inet/smtpd_relay_restrictions=permit_sasl_authenticated,reject
done
postconf -P submission/inet/smtpd_tls_security_level=encrypt submissions/inet/smtpd_tls_wrappermode=yes
adduser --quiet postfix sasl
{_RESTART}
"""
_SASLDB = f"""
printf 'pwcheck_method: auxprop\\nauxprop_plugin: sasldb\\n' >{_CONF}
echo 'mech_list: SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN' >>{_CONF}
ln -f /etc/sasldb2 /var/spool/postfix/etc/sasldb2
"""
_MUX = "/var/spool/postfix/var/run/saslauthd"
_START_SASLAUTHD = f"saslauthd -a pam -m {_MUX} -n 4"
_SASLAUTHD = f"""
printf 'pwcheck_method: saslauthd\\nmech_list: PLAIN LOGIN\\n' >{_CONF}
install -d -o root -g sasl -m 0710 {_MUX}
useradd joe
echo 'joe:correct horse' | chpasswd
{_START_SASLAUTHD}
"""
_TEST = """
import json, sys
from wizard import accounts, checks, verify
from wizard.host import Host
from wizard.root import Root
from wizard.secret import Secret
user, password = sys.argv[1], sys.stdin.read()
results = verify.run(Host(Root()), user=user, password=Secret(password) if user else None)
found = checks.as_json(results)
for test, result in zip(found["tests"], results, strict=True):
    test["source"], test["dialogue"] = result.source_address, result.dialogue
print(json.dumps(found))
"""


#: Writes a certificate that was good for a day, long ago.
_EXPIRED = """
import datetime, pathlib
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
key = serialization.load_pem_private_key(pathlib.Path("/etc/postfix/mail.key").read_bytes(), None)
name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.net")])
began = datetime.datetime(2020, 1, 1)
made = x509.CertificateBuilder(name, name, key.public_key(), 1, began, began + datetime.timedelta(1))
pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
pathlib.Path("/etc/postfix/mail.pem").write_bytes(pem)
"""


class Seen(NamedTuple):
    """What one test of the project said."""

    ok: bool
    observed: str
    explanation: str
    skipped: str
    source: str


def run_tests(machine: Machine, user: str = "", password: str = "") -> dict[str, Seen]:
    printed = machine.python(_TEST, user, stdin=password).stdout
    assert not password or password not in printed
    tests = json.loads(printed)["tests"]
    return {test["id"]: Seen(*(test[field] for field in Seen._fields)) for test in tests}


def failed(found: Mapping[str, Seen]) -> set[str]:
    return {name for name, seen in found.items() if not seen.ok}


@contextmanager
def broken(machine: Machine, command: str) -> Iterator[None]:
    """Break something with ``command``; /etc/postfix is mended afterwards."""
    machine.run("rm -rf /root/sound; cp -a /etc/postfix /root/sound")
    machine.run(f"{command}; {_RESTART}")
    try:
        yield
    finally:
        machine.run(f"rm -rf /etc/postfix/*; cp -a /root/sound/. /etc/postfix; {_RESTART}")


@pytest.fixture(scope="module", params=list(Debian), ids=lambda debian: str(debian.number))
def sasldb(request: pytest.FixtureRequest) -> Iterator[Machine]:
    with Machine(request.param) as machine:
        machine.run(["sh", "-euc", _SASLDB + _SUBMISSION])
        yield machine


@pytest.fixture(scope="module", params=list(Debian), ids=lambda debian: str(debian.number))
def saslauthd(request: pytest.FixtureRequest) -> Iterator[Machine]:
    with Machine(request.param) as machine:
        machine.run(["sh", "-euc", _SASLAUTHD + _SUBMISSION])
        yield machine


USERS = ("submission", "submissions")
SASLDB_SERVES = ("scram-sha-256", "digest-md5", "cram-md5", "plain", "login")


def on_both(*names: str) -> set[str]:
    return {f"{service}.{name}" for service in USERS for name in names}


def test_all_is_well_with_sasldb(sasldb: Machine) -> None:
    found = run_tests(sasldb)
    assert failed(found) == set()
    assert not any(seen.skipped for seen in found.values())
    for mechanism in SASLDB_SERVES:
        assert found[f"submission.{mechanism}.right"].observed.startswith("235 ")
        assert found[f"submissions.{mechanism}.wrong"].observed.startswith("535 ")
    assert "Relay access denied" in found["smtp.relay.stranger"].observed
    assert found["smtp.relay.stranger"].source == STRANGER
    assert "mail.example.net" in found["submission.certificate"].observed


def test_nothing_is_left_behind(sasldb: Machine) -> None:
    before = sasldb.run("stat -c '%a %U %G %h' /etc/sasldb2; sasldblistusers2").stdout
    run_tests(sasldb)
    assert sasldb.run("stat -c '%a %U %G %h' /etc/sasldb2; sasldblistusers2").stdout == before
    assert "postfix-auth-test" not in before
    assert sasldb.run("postqueue -j").stdout == ""


def test_the_account_goes_even_if_a_test_blows_up(sasldb: Machine) -> None:
    code = _TEST.replace("results = verify.run(", "results = verify.run(on_result=lambda _: 1 / 0, host=")
    done = sasldb.run(
        [_PYTHON, "-c", code, ""],
        env={"PYTHONPATH": "/opt/postfix-auth"}, check=False,
    )  # fmt: skip
    assert "ZeroDivisionError" in done.stderr
    assert sasldb.run("sasldblistusers2").stdout == ""


@pytest.mark.parametrize("signal", ["HUP", "TERM", "KILL"])
def test_the_account_goes_even_if_a_run_is_ended(sasldb: Machine, signal: str) -> None:
    before = sasldb.run("sasldblistusers2").stdout
    sasldb.run(f"""
        {LAUNCHER} test >/dev/null 2>&1 &
        until sasldblistusers2 | grep -q postfix-auth-test; do :; done
        kill -{signal} $!; wait $! || :
    """)
    if signal == "KILL":  # the next run does it
        assert "postfix-auth-test" in sasldb.run("sasldblistusers2").stdout
        run_tests(sasldb)
    assert sasldb.run("sasldblistusers2").stdout == before


def test_the_log_tells_the_tests_apart_by_the_address(sasldb: Machine) -> None:
    found = run_tests(sasldb)
    sources = [seen.source for seen in found.values() if seen.source != STRANGER]
    assert len(set(sources)) == len(sources)
    log = sasldb.journal("--identifier=postfix/smtpd")
    assert all(f"connect from unknown[{source}]" in log for source in sources)


class Fault(NamedTuple):
    """What is broken how, which tests then fail, and a word of their explanations."""

    command: str
    fails: set[str]
    word: str


FAULTS = {
    "no mechanism is left": Fault(
        f"sed -i 's/^mech_list.*/mech_list: PLAIN,LOGIN/' {_CONF}",
        {"submission.offer.tls", "submissions.greeting"},
        "no commas",
    ),
    "a mechanism is lost": Fault(
        f"sed -i 's/^mech_list.*/mech_list: PLAIN, LOGIN/' {_CONF}", on_both("offer.tls"), "commas"
    ),
    "a method nobody knows": Fault(
        f"sed -i 's/^pwcheck_method.*/pwcheck_method: shadow/' {_CONF}",
        on_both("plain.wrong", "login.wrong"),  # no account is made where it is not clear who verifies
        "pwcheck_method",
    ),
    "any password": Fault(
        f"sed -i 's/^pwcheck_method.*/pwcheck_method: alwaystrue/' {_CONF}",
        on_both("plain.wrong", "login.wrong"),
        "ANY password",
    ),
    "open relay on port 25": Fault(
        "postconf -e smtpd_relay_restrictions=static:permit,reject_unauth_destination",
        {"smtp.relay.stranger"},
        "open relay",
    ),
    "open relay through mynetworks": Fault(
        "postconf -e mynetworks=127.0.0.0/8,0.0.0.0/0",
        {"smtp.relay.stranger"},
        "mynetworks takes in 0.0.0.0/0",
    ),
    "open relay on port 587": Fault(
        "postconf -P submission/inet/smtpd_relay_restrictions=static:permit,reject",
        {"submission.relay.stranger"},
        "open relay",
    ),
    "only who is near may relay": Fault(
        "postconf -P submission/inet/smtpd_recipient_restrictions=permit_mynetworks,reject",
        {"submission.relay.user"},
        "permit_sasl_authenticated",
    ),
    "users may not relay": Fault(
        "postconf -P submissions/inet/smtpd_relay_restrictions=reject",
        {"submissions.relay.user"},
        "permit_sasl_authenticated",
    ),
    "a restriction that is misspelled": Fault(
        "postconf -P submission/inet/smtpd_relay_restrictions=permit_sasl_auth,reject",
        {"submission.relay.stranger", "submission.relay.user"},
        "misspelled",
    ),
    "another key": Fault(
        "openssl genrsa -out /etc/postfix/mail.key 2048",
        {"smtp.tls", "submission.tls", "submissions.greeting"},
        "/etc/postfix/mail.key: the key does not fit",
    ),
    "no certificate": Fault(
        "rm /etc/postfix/mail.pem",
        {"smtp.tls", "submission.tls", "submissions.greeting"},
        "/etc/postfix/mail.pem: No such file",
    ),
    "another certificate by SNI": Fault(
        "cd /etc/postfix; openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=mail.example.net "
        "-keyout other.pem -out other.crt; cat other.crt >>other.pem; "
        "echo mail.example.net /etc/postfix/other.pem >sni; postmap -F hash:sni; "
        "postconf -e tls_server_sni_maps=hash:/etc/postfix/sni",
        {f"{service}.certificate" for service in ("smtp", *USERS)},
        "tls_server_sni_maps",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_exactly_what_is_broken_is_found(sasldb: Machine, name: str) -> None:
    fault = FAULTS[name]
    with broken(sasldb, fault.command):
        found = run_tests(sasldb)
    assert failed(found) == fault.fails
    assert all(fault.word in found[test].explanation for test in fault.fails)


def test_an_expired_certificate_is_found(sasldb: Machine) -> None:
    with broken(sasldb, f"{_PYTHON} -c {shlex.quote(_EXPIRED)}"):
        found = run_tests(sasldb)
    assert failed(found) == {f"{service}.certificate" for service in ("smtp", *USERS)}
    assert "expired on" in found["submission.certificate"].observed


def test_a_running_postfix_that_is_not_as_its_files_say_is_found(sasldb: Machine) -> None:
    lax = "submission/inet/smtpd_tls_auth_only=no submission/inet/smtpd_tls_security_level=may"
    strict = "submission/inet/smtpd_tls_auth_only=yes submission/inet/smtpd_tls_security_level=encrypt"
    with broken(sasldb, f"postconf -P {lax} submissions/inet/smtpd_tls_wrappermode=no"):
        sasldb.run(f"postconf -P {strict} submissions/inet/smtpd_tls_wrappermode=yes")  # and no reload
        found = run_tests(sasldb)
    fails = {"submission.tls", "submission.offer.clear", "submission.auth.clear", "submissions.greeting"}
    assert failed(found) == fails
    assert "unencrypted" in found["submission.offer.clear"].explanation
    assert "smtpd_tls_auth_only" in found["submission.auth.clear"].explanation
    assert "smtpd_tls_security_level=encrypt" in found["submission.tls"].explanation
    assert "smtpd_tls_wrappermode" in found["submissions.greeting"].explanation


def test_secrets_that_a_chrooted_smtpd_can_not_see(sasldb: Machine) -> None:
    inside = "/var/spool/postfix/etc/sasldb2"
    sasldb.run(f"rm {inside}; cp -p /etc/sasldb2 {inside}")  # a copy goes stale at once
    try:
        found = run_tests(sasldb)
    finally:
        sasldb.run(f"ln -f /etc/sasldb2 {inside}")
    assert failed(found) == on_both(*(f"{name}.right" for name in SASLDB_SERVES))
    assert all("chroot" in found[test].explanation for test in failed(found))


@pytest.mark.parametrize(
    "command",
    [
        "postconf -e inet_interfaces=198.51.100.7",
        (
            "postconf -P submission/inet/smtpd_tls_auth_only=no submission/inet/smtpd_tls_security_level=may "
            "submission/inet/smtpd_sasl_security_options=noanonymous,noplaintext "
            "submission/inet/smtpd_sasl_tls_security_options=noanonymous"
        ),
        "postconf -P submission/inet/smtpd_tls_auth_only=no submission/inet/smtpd_tls_security_level=none",
        "postconf -P submission/inet/smtpd_sasl_mechanism_filter='!login, static:rest'",
        "postconf -P submissions/inet/smtpd_tls_security_level=none",
        (
            "postconf -M 198.51.100.7:2525/inet='198.51.100.7:2525 inet n - y - - smtpd'; "
            "postconf -e smtpd_sasl_auth_enable=yes"
        ),
        f"rm {_CONF}",
        "postconf -e smtpd_sasl_exceptions_networks='$mynetworks'",
        "postconf -e smtpd_sasl_exceptions_networks=0.0.0.0/0",
    ],
    ids=[
        *("one address", "plaintext only over TLS", "no TLS", "filter", "wrapper", "own port"),
        *("no smtpd.conf", "AUTH for strangers only", "AUTH for nobody"),
    ],
)
def test_what_a_configuration_means_is_understood(sasldb: Machine, command: str) -> None:
    with broken(sasldb, command):
        found = run_tests(sasldb)
    assert failed(found) == set()
    assert len(found) > 15


def test_users_of_the_system(saslauthd: Machine) -> None:
    found = run_tests(saslauthd, "joe", "correct horse")
    assert failed(found) == set()
    assert not any(seen.skipped for seen in found.values())
    wrong = run_tests(saslauthd, "joe", "incorrect horse")
    assert failed(wrong) == on_both("plain.right", "login.right")


def test_without_a_user_only_what_needs_one_is_skipped(saslauthd: Machine) -> None:
    found = run_tests(saslauthd)
    assert failed(found) == set()
    skipped = {name for name, seen in found.items() if seen.skipped}
    assert skipped == on_both("plain.right", "login.right", "relay.user")


@pytest.mark.parametrize(
    ("break_it", "mend_it"),
    [
        ("pkill -x saslauthd; sleep 0.5", _START_SASLAUTHD),
        (f"chmod 0700 {_MUX}", f"chmod 0710 {_MUX}"),
        (f"chgrp root {_MUX}", f"chgrp sasl {_MUX}"),
        (f"mv {_MUX} /root/mux", f"mv /root/mux {_MUX}"),
    ],
    ids=["stopped", "mode", "group", "elsewhere"],
)
def test_saslauthd_out_of_reach(saslauthd: Machine, break_it: str, mend_it: str) -> None:
    saslauthd.run(break_it)
    try:
        found = run_tests(saslauthd, "joe", "correct horse")
    finally:
        saslauthd.run(mend_it)
    assert failed(found) == on_both("plain.right", "plain.wrong", "login.right", "login.wrong")
    assert all("saslauthd" in found[test].explanation for test in failed(found))


def test_saslauthd_that_hangs(saslauthd: Machine) -> None:
    saslauthd.run("pkill -STOP -x saslauthd")
    try:
        found = run_tests(saslauthd, "joe", "correct horse")
    finally:
        saslauthd.run("pkill -CONT -x saslauthd")
    assert failed(found) == on_both("plain.right", "login.right")
    assert "saslauthd hangs" in found["submission.plain.right"].explanation


def test_nothing_listens(saslauthd: Machine) -> None:
    saslauthd.run("postfix stop")
    try:
        found = run_tests(saslauthd)
    finally:
        saslauthd.run(_RESTART)
    assert failed(found) == {f"{service}.greeting" for service in ("smtp", *USERS)}
    assert "Nothing listens on port 587" in found["submission.greeting"].explanation
