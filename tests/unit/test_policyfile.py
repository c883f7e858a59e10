"""Policy files: what is refused and with which words, and that what is written reads back the same."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from wizard.errors import PolicyError
from wizard.policy import (
    BACKENDS,
    AuxpropSasldb,
    Mechanisms,
    Policy,
    SaslauthdPam,
    Smarthost,
    Submission,
    Tls,
    TlsSource,
)
from wizard.policyfields import check_field
from wizard.policyfile import load, parse, render

if TYPE_CHECKING:
    from pathlib import Path

FULL = """
[backend]
type = "auxprop-sasldb"
[mechanisms]
offer = ["SCRAM-SHA-256", "PLAIN", "LOGIN"]
plaintext = "tls-only"
outlook_compatible = false
[tls]
source = "self-signed"
certificate = "/path"
key = "/path"
names = ["mail.example.com"]
level = "may"
[submission]
services = ["submission", "submissions"]
require_tls = true
auth_on_smtp = false
chroot = "keep"
[authorization]
local_domain = "example.com"
[smarthost]
host = "smtp.example.com"
port = 587
user = "relay-user"
password_file = "/root/relay.password"
tls = "secure"
ca_file = "/etc/ssl/certs/ca-certificates.crt"
"""


def test_every_key_of_the_documented_example_is_read() -> None:
    policy = parse(FULL)
    assert policy.backend == AuxpropSasldb()
    assert policy.mechanisms == Mechanisms(("SCRAM-SHA-256", "PLAIN", "LOGIN"))
    assert policy.tls == Tls(TlsSource.SELF_SIGNED, "/path", "/path", ("mail.example.com",))
    assert policy.submission == Submission()
    assert policy.authorization is not None
    assert policy.authorization.local_domain == "example.com"
    assert policy.smarthost == Smarthost("smtp.example.com", 587, "relay-user", "/root/relay.password")


def test_what_is_left_out_has_its_default_and_a_section_left_out_is_none() -> None:
    policy = parse('[backend]\ntype = "saslauthd-pam"\n[submission]\n')
    assert policy == Policy(backend=SaslauthdPam(threads=5, cache=True), submission=Submission())
    assert parse("") == Policy()
    assert parse(b"\xef\xbb\xbf[tls]\r\n") == Policy(tls=Tls(TlsSource.KEEP))


BACKEND_TYPES = {
    "saslauthd-pam": 'allowed_groups = ["mail_login"]',
    "saslauthd-shadow": "threads = 3\ncache = false",
    "saslauthd-getpwent": "",
    "saslauthd-sasldb": "",
    "saslauthd-rimap": 'server = "imap.example.com"\nport = 993',
    "saslauthd-ldap": 'servers = ["ldap://a.example.com", "ldapi:///"]\nsearch_base = "dc=example,dc=com"',
    "saslauthd-kerberos5": "",
    "auxprop-sasldb": "",
    "auxprop-sql": 'engine = "sqlite"\ndatabase = "/var/u.db"\nselect = "SELECT p FROM u WHERE u = \'%u\'"',
    "auxprop-ldapdb": 'uri = "ldap://[::1]"\nid = "proxy"\npassword_file = "/p"\nstarttls = "demand"',
    "dovecot": 'address = "inet:127.0.0.1:12345"\nconfigure = true',
}


@pytest.mark.parametrize("name", BACKENDS)
def test_every_back_end_reads_back_what_was_written(name: str) -> None:
    policy = parse(f'[backend]\ntype = "{name}"\n{BACKEND_TYPES[name]}\n')
    assert policy.backend is not None
    assert policy.backend.type == name
    assert parse(render(policy)) == policy


PAM = '[backend]\ntype = "saslauthd-pam"\n'
LDAP = '[backend]\ntype = "saslauthd-ldap"\nservers = ["ldap://a"]\nsearch_base = "o=a"\n'
LDAP_AT = '[backend]\ntype = "saslauthd-ldap"\nsearch_base = "o=a"\n'
SQL = '[backend]\ntype = "auxprop-sql"\nselect = "\'%u\'"\n'
RELAY = '[smarthost]\nhost = "a"\n'
REFUSED = [
    # section and key, what the file says, what the message must say
    ("backend.type", '[backend]\ntype = "saslauthd-pan"', 'did you mean "saslauthd-pam"'),
    ("backend.type", "[backend]\nthreads = 5", "must be given: one of saslauthd-pam, "),
    ("backend.type", "[backend]\ntype = 5", "text in quotes"),
    ("backend.server", '[backend]\ntype = "saslauthd-rimap"', "must be given"),
    ("backend.server", PAM + 'server = "a"', "is a key of saslauthd-rimap"),
    ("backend.thread", PAM + 'thread = 5', 'did you mean "threads"'),
    ("backend.threads", PAM + 'threads = true', "from 1 to 64"),
    ("backend.threads", PAM + 'threads = 0', "from 1 to 64"),
    ("backend.cache", PAM + 'cache = "yes"', "true or false"),
    ("backend.allowed_groups", PAM + 'allowed_groups = "mail"', "a list of"),
    ("backend.allowed_groups", PAM + 'allowed_groups = ["-r"]', "item 1 must"),
    ("backend.allowed_groups", PAM + 'allowed_groups = ["ok", 5]', "item 2 must be"),
    ("backend.start_tls", LDAP_AT + 'servers = ["ldaps://a"]\nstart_tls = true', "only an ldap://"),
    ("backend.bind_dn", LDAP + 'password_file = "/p"', "because backend.password_file is"),
    ("backend.filter", LDAP + 'filter = "uid=joe"', "must contain %u"),
    ("backend.filter", LDAP + 'filter = "(uid=%u)(mail=%u)"', "must be one LDAP filter"),
    ("backend.filter", LDAP + 'filter = ")uid=%u("', "must be one LDAP filter"),
    ("backend.filter", LDAP + 'filter = "(&(uid=%u)(a=b)"', "must be one LDAP filter"),
    ("backend.servers", LDAP_AT + 'servers = []', "not be empty"),
    ("backend.servers", LDAP_AT + 'servers = ["http://a"]', "LDAP URI"),
    ("backend.database", SQL + 'engine = "sqlite"\ndatabase = "a"', "absolute"),
    ("backend.engine", SQL + 'engine = "sqlite3"\ndatabase = "/a"', "sqlite"),
    ("backend.address", '[backend]\ntype = "dovecot"\naddress = "inet:127.0.0.1"', "must be inet:HOST:PORT"),
    ("mechanism", "[mechanism]", 'did you mean "mechanisms"'),
    ("type", 'type = "saslauthd-pam"', "no such section"),
    ("tls", "tls = true", "must be a section: [tls]"),
    ("mechanisms.offer", '[mechanisms]\noffer = ["plain"]', "upper case: PLAIN"),
    ("mechanisms.offer", '[mechanisms]\noffer = ["PLAIN", "PLAIN"]', "item 2 is there twice"),
    ("mechanisms.offer", '[mechanisms]\noffer = ["ANONYMOUS"]', "lets everybody in"),
    ("mechanisms.offer", '[mechanisms]\noffer = ["SCRAM"]', "must be one of SCRAM-SHA-512"),
    ("mechanisms.offer", PAM + '[mechanisms]\noffer = ["PLAIN", "SCRAM-SHA-256"]',
     'let in, and nobody else. Leave it out, or choose backend.type = "auxprop-sasldb" or "dovecot"'),
    ("mechanisms.offer", '[backend]\ntype = "saslauthd-sasldb"\n[mechanisms]\noffer = ["CRAM-MD5"]',
     'choose backend.type = "auxprop-sasldb"'),
    ("mechanisms.plaintext", '[mechanisms]\nplaintext = "tls"', "must be one of tls-only, always, never"),
    ("mechanisms.plaintext", '[mechanisms]\noffer = ["PLAIN"]\nplaintext = "never"', "would be left"),
    ("mechanisms.plaintext", PAM + '[mechanisms]\nplaintext = "never"', "nothing but"),
    ("tls.certificate", '[tls]\nsource = "files"', "must be given"),
    ("tls.key", '[tls]\nsource = "files"\ncertificate = "/c.pem"', "must be given"),
    ("tls.key", '[tls]\nsource = "files"\ncertificate = "/c.pem"\nkey = "k.pem"', "absolute path"),
    ("tls.names", '[tls]\nsource = "self-signed"', "must be given"),
    ("tls.names", '[tls]\nsource = "self-signed"\nnames = ["*.com"]', "wildcard below a domain"),
    ("tls.names", '[tls]\nsource = "self-signed"\nnames = ["A.b", "a.b"]', "item 2 is there twice"),
    ("submission.services", '[submission]\nservices = ["smtps"]', "must be one of submission, submissions"),
    ("submission.require_tls", "[submission]\nrequire_tls = 1", "true or false"),
    ("authorization.local_domain", '[authorization]\nlocal_domain = "a_b"', "must be a host name"),
    ("smarthost.host", "[smarthost]", "must be given"),
    ("smarthost.host", '[smarthost]\nhost = ""', "must not be empty; a policy sets a smarthost up"),
    ("smarthost.host", '[smarthost]\nhost = "[smtp.example.com]"', "without brackets"),
    ("smarthost.host", '[smarthost]\nhost = "smtp.example.com:587"', "a port has its own key"),
    ("smarthost.host", '[smarthost]\nhost = "bücher.example"', 'write "xn--bcher-kva.example"'),
    ("smarthost.port", RELAY + 'port = 0', "from 1 to 65535"),
    ("smarthost.port", RELAY + 'port = "587"', "without quotes"),
    ("smarthost.port", RELAY + 'port = 1979-05-27', "not a date or time"),
    ("smarthost.user", RELAY + 'user = "a:b"\npassword_file = "/p"', "must not contain a colon"),
    ("smarthost.user", RELAY + 'user = "a\\nb"\npassword_file = "/p"', "U+000A"),
    ("smarthost.user", RELAY + 'password_file = "/p"', "because smarthost.password_file is"),
    ("smarthost.ca_file", RELAY + 'ca_file = ""', "must not be empty"),
    ("smarthost.ca_file", RELAY + 'ca_file = "/a $b"', "must not contain a blank"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "text", "says"), REFUSED)
def test_a_refusal_names_the_key_and_what_is_allowed(key: str, text: str, says: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse(text)
    assert refused.value.key == key
    assert says in refused.value.message
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[tls\n", "my.toml, line 1, column 5"),
        ('[tls]\nsource = keep\n', "my.toml, line 2, column 10"),
        ("[tls]\n[tls]\n", "my.toml, line 2"),
        (b"\n\xff", "my.toml: not UTF-8 at byte 2"),
        ("a = " + "[" * 5000, "my.toml: nested too deeply"),
        ("a = " + "9" * 5000, "my.toml"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_toml_is_told_with_its_line(text: str | bytes, says: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse(text, "my.toml")
    assert str(refused.value).startswith(says)


def test_a_key_that_is_no_key_is_quoted_and_cut_and_its_value_is_not_shown() -> None:
    with pytest.raises(PolicyError) as refused:
        parse('[smarthost]\nhost = "a"\n"\\u001b[2J' + "x" * 500 + '" = "hunter2"')
    said = str(refused.value)
    assert "\x1b" not in said
    assert "hunter2" not in said
    assert len(said) < 200


@pytest.mark.parametrize("key", ["backend.password_file", "smarthost.password_file"])
def test_a_password_where_its_file_belongs_is_not_repeated(key: str) -> None:
    problem = check_field(key, "hunter2")
    assert problem is not None
    assert "hunter2" not in problem


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("smarthost.host", "192.0.2.1", None),
        ("smarthost.host", "2001:db8::1", None),
        ("smarthost.host", "fe80::1%eth0", "interface"),
        ("smarthost.host", "300.1.1.1", "never end in a number"),
        ("smarthost.host", "smtp.example.com.", "without the dot"),
        ("smarthost.host", "straße.de", "in its xn-- form"),
        ("smarthost.host", "a" * 254, "too long"),
        ("smarthost.host", "a b", "must be a host name"),
        ("smarthost.port", "587", None),
        ("smarthost.port", "70000", "from 1 to 65535"),
        ("smarthost.port", "smtp", "from 1 to 65535"),
        ("smarthost.user", "jörg müller@example.com", None),
        ("smarthost.user", " a", "begin or end with a blank"),
        ("smarthost.user", "a\u202eb", "U+202E"),
        ("smarthost.tls", "secure", None),
        ("smarthost.tls", "secured", 'did you mean "secure"'),
        ("tls.names", "a.example, *.b.example", None),
        ("tls.names", "a.example a_b", "item 2"),
        ("tls.certificate", "", None),
        ("tls.key", "/a/", "not a directory"),
        ("submission.require_tls", "true", None),
        ("submission.require_tls", "maybe", "true or false"),
        ("backend.type", "dovecot", None),
        ("backend.type", "dovecott", 'did you mean "dovecot"'),
        ("backend.hosts", "db.example.com:5432 /run/postgresql", None),
        ("backend.hosts", "db.example.com:0", "from 1 to 65535"),
        ("backend.hosts", "::1", "can't be an IPv6 address"),
        ("backend.hosts", "[::1]:5432", "can't be an IPv6 address"),
        ("backend.select", "SELECT p FROM u WHERE n = '%u' AND r = '%r'", None),
        ("backend.select", "SELECT p FROM u WHERE a = '%u@%r'", None),
        ("backend.select", "SELECT p FROM u", "must contain %u"),
        ("backend.select", "SELECT p FROM u WHERE n = %u", "%u between single quotes"),
        ("backend.select", 'SELECT p FROM u WHERE n = "%u"', "%u between single quotes"),
        ("backend.select", "SELECT p FROM u WHERE n = '%u' AND r = %r", "%r between single quotes"),
        ("backend.uri", "ldap://joe:secret@ldap.example.com", "must be an LDAP URI"),
        ("backend.uri", "ldaps://a ldapi:///", None),
        ("backend.address", "private/auth", None),
        ("backend.address", "inet:[::1]:12345", None),
        ("backend.address", "inet:::1:12345", "in brackets"),
        ("backend.allowed_groups", "mail_login staff", None),
        ("backend.allowed_groups", "Mail", "group's name"),
    ],
)
def test_a_field_says_the_same_beside_itself(key: str, value: str, problem: str | None) -> None:
    said = check_field(key, value)
    if problem is None:
        assert said is None
    else:
        assert said is not None
        assert problem in said


def test_a_field_that_no_policy_has_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        check_field("smarthost.hots", "a")


# files ----------------------------------------------------------------------------------------------


def test_a_policy_is_loaded_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(FULL)
    assert load(file) == parse(FULL)


def test_what_is_no_policy_file_is_refused_and_named(tmp_path: Path) -> None:
    pipe, long, broken = tmp_path / "pipe", tmp_path / "long", tmp_path / "broken"
    os.mkfifo(pipe)
    long.write_bytes(b"#" * 65537)
    broken.write_text("[tls\n")
    for path, says in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "directory"),
        (pipe, "not a regular file"),
        (long, "longer than 65536 bytes"),
        (broken, "line 1"),
    ):
        with pytest.raises(PolicyError) as refused:
            load(path)
        assert str(refused.value).startswith(f"{path}")
        assert says in str(refused.value)
