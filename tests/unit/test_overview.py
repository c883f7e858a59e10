"""Made-up hosts below ``--root``, put in words and in JSON. A canned postconf speaks for their Postfix."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import recipes.tls
from recipes import smarthost
from wizard import card, inventory, overview, report, status
from wizard.certificates import self_signed
from wizard.host import Host
from wizard.policy import AuxpropSasldb, Policy, Smarthost, Submission, Tls, TlsLevel, TlsSource
from wizard.root import Root
from wizard.smallfiles import SmallFile, read_small_file
from wizard.steps import Note, Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

POSTCONF = """#!/bin/sh
# what Postfix would say, from a file named after the options
shift 2
test "$1" != -o || shift 2
cat "{canned}/postconf$(echo "$*" | tr -d ' ')"
cat "{canned}/complaints" >&2
"""
DEFAULTS = {
    "config_directory": "/etc/postfix",
    "queue_directory": "/var/spool/postfix",
    "daemon_directory": "/usr/lib/postfix/sbin",
    "command_directory": "/usr/sbin",
    "data_directory": "/var/lib/postfix",
    "compatibility_level": "3.6",
    "smtpd_sasl_type": "cyrus",
    "smtpd_sasl_path": "smtpd",
    "smtpd_sasl_auth_enable": "no",
    "smtpd_tls_wrappermode": "no",
    "smtpd_tls_auth_only": "no",
    "maillog_file": "",
    "relayhost": "",
}
SMTP = "smtp inet n - y - - smtpd"
SUBMISSION = "submission inet n - n - - smtpd"
SUBMISSIONS = "submissions inet n - n - - smtpd"
AUTH = {"smtpd_sasl_auth_enable": "yes"}


class Tree:
    """A Debian below some folder."""

    def __init__(self, folder: Path, release: str) -> None:
        self.folder = folder
        self.write("/etc/os-release", f'ID=debian\nVERSION_ID="{release}"\n')
        self.packages: list[str] = []

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        place = self.folder / path[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(mode)

    def install(self, *packages: str) -> None:
        self.packages += packages
        rows = [f"Package: {name}\nStatus: install ok installed\n" for name in self.packages]
        self.write("/var/lib/dpkg/status", "\n".join(rows))

    def postfix(
        self,
        version: str,
        main: Mapping[str, str],
        services: Mapping[str, Mapping[str, str]],
        complaints: str = "",
    ) -> None:
        self.install("postfix")
        everything = {"mail_version": version, **DEFAULTS, **main}
        options = "".join(
            f"{'/'.join(line.split()[:2])}/{name} = {value}\n"
            for line, own in services.items()
            for name, value in own.items()
        )
        canned = {
            "": _lines(everything),
            "-x": _lines(everything),
            "-n": _lines(main),
            "-M": "\n".join(services) + "\n",
            "-P": options,
            "-P-x": options,
            "-a": "cyrus\ndovecot\n",
            "-A": "cyrus\n",
            "-m": "btree\nhash\nlmdb\n",
            "-Trun-version": "OpenSSL 3.0.20 7 Apr 2026\n",
        }
        for name, text in canned.items():
            self.write(f"/canned/postconf{name}", text)
        self.write("/canned/complaints", complaints)
        self.write("/usr/sbin/postconf", POSTCONF.format(canned=self.folder / "canned"), 0o755)
        self.write("/etc/postfix/main.cf", "")
        self.write("/etc/postfix/master.cf", "")

    @property
    def host(self) -> Host:
        return Host(Root(self.folder))


def _lines(settings: Mapping[str, str]) -> str:
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


@pytest.fixture(params=["12", "13"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Tree:
    return Tree(tmp_path, request.param)


def as_json(host: Host) -> dict[str, object]:
    """What a reader of the JSON gets."""
    found: dict[str, object] = json.loads(json.dumps(status.as_json(host)))
    return found


def port(found: overview.Overview, number: int) -> str:
    return next(one.about for one in found.ports if one.number == number)


def test_a_bare_host_is_an_ordinary_state(tree: Tree) -> None:
    found = overview.overview(tree.host)
    assert (found.postfix, found.sasl) == ("not installed", "saslauthd not installed")
    assert [one.about for one in found.ports] == ["closed", "closed", "closed"]
    assert (found.certificate, found.smarthost) == ("none", "none: mail leaves directly")
    assert (found.attention, found.configured) == ((), False)


def test_a_bare_host_as_json_has_every_key_of_the_contract(tree: Tree) -> None:
    found = as_json(tree.host)
    assert found["platform"] == {
        "id": "debian",
        "version": tree.host.platform.version,
        "name": tree.host.platform.name,
    }
    assert found["postfix"] == {"version": None}
    off = {"running": False, "enabled": None}
    assert found["services"] == {"postfix": off, "saslauthd": off}
    assert found["certificate"] is None
    assert found["listeners"] == {"25": [], "465": [], "587": []}


def test_ports_say_what_a_client_will_find(tree: Tree) -> None:
    tree.postfix(
        "3.7.11",
        {"smtpd_tls_security_level": "may", "relayhost": "[smtp.example.net]:587"},
        {
            SMTP: {},
            SUBMISSION: {"smtpd_tls_security_level": "encrypt", "smtpd_tls_auth_only": "yes", **AUTH},
            SUBMISSIONS: {"smtpd_tls_wrappermode": "yes", **AUTH},
        },
    )
    found = overview.overview(tree.host)
    assert found.postfix == "3.7.11"
    assert port(found, 25) == "STARTTLS, no AUTH, chroot"
    assert port(found, 587) == "STARTTLS required, AUTH inside TLS"
    assert port(found, 465) == "TLS from the start, AUTH inside TLS"
    assert found.smarthost == "[smtp.example.net]:587, without a login, TLS none"
    assert found.configured


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (AUTH, "no TLS, AUTH, also in clear"),
        ({"smtpd_use_tls": "yes"}, "STARTTLS, no AUTH"),
        ({"smtpd_enforce_tls": "yes"}, "STARTTLS required, no AUTH"),
        ({"smtpd_enforce_tls": "yes", **AUTH}, "STARTTLS required, AUTH inside TLS"),
        ({"smtpd_tls_security_level": "encrypt", **AUTH}, "STARTTLS required, AUTH inside TLS"),
    ],
)
def test_old_and_open_settings_are_understood(tree: Tree, options: dict[str, str], words: str) -> None:
    tree.postfix("3.10.13", {"smtpd_tls_security_level": ""}, {SUBMISSION: options})
    assert port(overview.overview(tree.host), 587) == words


@pytest.mark.parametrize(
    ("interfaces", "name", "told"),
    [
        ("loopback-only", "submission", "open on 127.0.0.1 and ::1 only: nobody outside"),
        ("all", "127.0.0.1:submission", "open on 127.0.0.1 only: nobody outside"),
        ("127.0.0.1, 192.0.2.1", "submission", ""),
        ("loopback-only", "192.0.2.1:587", ""),
    ],
)
def test_ports_that_nobody_elsewhere_reaches_need_attention(
    tree: Tree, interfaces: str, name: str, told: str
) -> None:
    tree.postfix("3.7.11", {"inet_interfaces": interfaces}, {f"{name} inet n - n - - smtpd": AUTH})
    attention = " ".join(overview.overview(tree.host).attention)
    assert told in attention
    assert ("nobody outside" in attention) == bool(told)


@pytest.mark.parametrize(
    ("settings", "tls"),
    [({}, "none"), ({"smtp_use_tls": "yes"}, "may"), ({"smtp_enforce_tls": "yes"}, "encrypt")],
)
def test_the_smarthosts_tls_is_what_is_in_force(tree: Tree, settings: dict[str, str], tls: str) -> None:
    tree.postfix("3.7.11", {"relayhost": "[smtp.example.net]:587", **settings}, {SMTP: {}})
    assert overview.overview(tree.host).smarthost.endswith(f"TLS {tls}")


@pytest.mark.parametrize("family", ["old", "new"])
def test_the_certificate_in_use_is_told(tree: Tree, family: str) -> None:
    made = self_signed(["mail.example.net", "smtp.example.net"])
    tree.write("/etc/ssl/mail.pem", made.certificate_pem)
    tree.write("/etc/ssl/mail.key", made.key_pem, 0o600)
    old = {"smtpd_tls_cert_file": "/etc/ssl/mail.pem", "smtpd_tls_key_file": "/etc/ssl/mail.key"}
    new = {"smtpd_tls_chain_files": "/etc/ssl/mail.key, /etc/ssl/mail.pem"}
    tree.postfix("3.7.11", old if family == "old" else new, {SUBMISSION: AUTH})
    found = as_json(tree.host)["certificate"]
    assert isinstance(found, dict)
    assert found["subject"] == "CN=mail.example.net"
    assert found["names"] == ["mail.example.net", "smtp.example.net"]
    assert str(found["not_after"]).endswith("+00:00")
    assert overview.overview(tree.host).certificate.startswith(
        "mail.example.net, smtp.example.net, self-signed"
    )


def test_what_is_wrong_with_the_certificate_needs_attention(tree: Tree) -> None:
    tree.write("/etc/ssl/mail.pem", self_signed(["mail.example.net"]).certificate_pem)
    tree.write("/etc/ssl/mail.key", self_signed(["mail.example.net"]).key_pem, 0o600)
    tree.postfix(
        "3.7.11", {"smtpd_tls_chain_files": "/etc/ssl/mail.key, /etc/ssl/mail.pem"}, {SUBMISSION: AUTH}
    )
    assert "/etc/ssl/mail.key: the key does not fit the certificate in /etc/ssl/mail.pem" in (
        overview.overview(tree.host).attention
    )


def test_that_only_root_may_read_a_key_is_nothing_wrong(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    made = self_signed(["mail.example.net"], days=90)
    tree.write("/etc/ssl/mail.pem", made.certificate_pem)
    tree.postfix("3.7.11", {"smtpd_tls_chain_files": "/k/mail.key, /etc/ssl/mail.pem"}, {SUBMISSION: AUTH})

    def read(path: Path, largest: int) -> SmallFile:
        if path.name == "mail.key":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return read_small_file(path, largest)

    monkeypatch.setattr("wizard.certificates.read_small_file", read)
    assert overview.overview(tree.host).attention == ()


def _shown(tree: Tree, *names: str, days: int = 90) -> None:
    """Let ``tree``, whose name is mail.example.net, show a certificate for ``names``."""
    made = self_signed(list(names), days=days)
    tree.write("/etc/hostname", "mail.example.net\n")
    tree.write("/etc/ssl/mail.pem", made.certificate_pem)
    tree.write("/etc/ssl/mail.key", made.key_pem, 0o600)
    chain = {"smtpd_tls_chain_files": "/etc/ssl/mail.key, /etc/ssl/mail.pem", "myhostname": "a.example.org"}
    tree.postfix("3.7.11", chain, {SUBMISSION: AUTH})


def _notes(tree: Tree, given: Policy) -> list[str]:
    steps = recipes.tls.steps(Wanted(given, given, tree.host, given))
    # nobody but root can make files of root's
    return [step.text for step in steps if isinstance(step, Note) and "belongs to" not in step.text]


_FILES = Tls(TlsSource.FILES, certificate="/etc/ssl/mail.pem", key="/etc/ssl/mail.key")


@pytest.mark.parametrize(
    ("names", "server"),
    [
        (["mail.example.net", "x.example"], "mail.example.net"),
        (["x.example", "mail.example.net"], "mail.example.net"),
        (["*.example.net"], "mail.example.net"),
        (["*.example.org"], "a.example.org"),
        (["*.example.com", "other.example.org"], "other.example.org"),
    ],
)
def test_users_call_the_server_by_a_name_that_its_certificate_has(
    tree: Tree, names: list[str], server: str
) -> None:
    _shown(tree, *names)
    known = server in ("mail.example.net", "a.example.org")
    if os.geteuid() == 0:
        for given in (_FILES, Tls(TlsSource.KEEP)):
            told = _notes(tree, Policy(tls=given))
            assert [f"is for {', '.join(names)}, not for this host's own" in note for note in told] == (
                [] if known else [True]
            )
    policy = Policy(backend=AuxpropSasldb(), tls=_FILES, submission=Submission())
    assert card.card(policy, tree.host).rows[0] == ("Outgoing mail server", server)
    named = replace(policy, tls=replace(_FILES, names=("*.example.com", "b.example.com")))
    assert card.card(named, tree.host).rows[0] == ("Outgoing mail server", "b.example.com")


def test_what_is_wrong_with_a_certificate_that_stays_is_told(tree: Tree) -> None:
    _shown(tree, "mail.example.net")
    tree.write("/etc/ssl/mail.key", self_signed(["mail.example.net"]).key_pem, 0o600)
    [kept] = _notes(tree, Policy(tls=Tls(TlsSource.KEEP)))
    assert "does not fit" in kept
    [left_alone] = _notes(tree, Policy(smarthost=Smarthost("mx.example")))
    assert left_alone.startswith(kept)
    assert "--no-test" in left_alone
    _shown(tree, "mail.example.net", days=5)
    assert "expires in" in _notes(tree, Policy(tls=Tls(TlsSource.KEEP)))[0]
    assert _notes(tree, Policy(smarthost=Smarthost("mx.example"))) == []


def test_a_password_that_others_can_read_needs_attention(tree: Tree) -> None:
    tree.write("/etc/postfix/sasl_passwd", "[mx.example]:587 user:password\n", 0o600)
    tree.write("/etc/postfix/sasl_passwd.db", "password", 0o644)
    tree.postfix("3.7.11", {"smtp_sasl_password_maps": "hash:/etc/postfix/sasl_passwd"}, {SMTP: {}})
    told = "\n".join(overview.overview(tree.host).attention)
    assert "/etc/postfix/sasl_passwd.db: others than root can read the password" in told
    assert ("/etc/postfix/sasl_passwd:" in told) is (os.geteuid() != 0)


def test_networks_that_strangers_are_in_need_attention(tree: Tree) -> None:
    tree.postfix("3.7.11", {"mynetworks": "127.0.0.0/8 0.0.0.0/0"}, {SMTP: {}, SUBMISSION: AUTH})
    told = overview.overview(tree.host).attention
    assert [line for line in told if line.startswith("mynetworks takes in 0.0.0.0/0")] == [told[-1]]


def test_obsolete_settings_are_named_once_and_other_complaints_kept(tree: Tree) -> None:
    said = "postconf: warning: /etc/postfix/main.cf: "
    tree.postfix(
        "3.10.13",
        {"smtpd_use_tls": "yes"},
        {SMTP: {}},
        complaints=f"{said}support for parameter smtpd_use_tls will be removed; instead, specify X\n"
        f"{said}unused parameter: mine=1",
    )
    host = tree.host
    one, other = overview.overview(host).attention
    assert one.startswith("smtpd_use_tls = yes is obsolete; instead: smtpd_tls_security_level = may")
    assert other.endswith("unused parameter: mine=1")
    assert as_json(host)["obsolete"] == [
        {
            "parameter": "smtpd_use_tls",
            "name": "smtpd_use_tls = yes",
            "instead": "smtpd_tls_security_level = may does the same (Postfix 3.9 warns that support ends)",
        }
    ]


def test_the_sasl_side_is_told(tree: Tree) -> None:
    tree.install("sasl2-bin", "libsasl2-modules")
    tree.postfix("3.10.13", {"cyrus_sasl_config_path": "/etc/postfix/sasl"}, {SMTP: {}})
    tree.write("/etc/group", "root:x:0:\nsasl:x:45:postfix,alice\n")
    tree.write("/usr/lib/x86_64-linux-gnu/sasl2/libplain.so.2", "")
    tree.write("/usr/lib/x86_64-linux-gnu/sasl2/libscram.so.2", "")
    tree.write("/etc/default/saslauthd", 'MECHANISMS="shadow"\n')
    tree.write("/etc/postfix/sasl/smtpd.conf", "pwcheck_method: saslauthd\nmech_list: PLAIN LOGIN\n")
    tree.write("/usr/lib/sasl2/smtpd.conf", "pwcheck_method: auxprop\n")
    found = inventory.sasl_parts(tree.host)
    assert found.plugins == ("libplain", "libscram")
    assert ("PLAIN" in found.mechanisms, "LOGIN" in found.mechanisms) == (True, False)
    assert (found.backend, found.backends) == ("shadow", ())
    assert (found.group, found.members) == ("sasl", ("alice", "postfix"))
    assert found.smtpd_conf is not None
    assert found.smtpd_conf.path == "/etc/postfix/sasl/smtpd.conf"
    assert found.smtpd_conf.methods == ("saslauthd",)
    assert found.smtpd_conf.mech_list == ("PLAIN", "LOGIN")
    assert found.smtpd_conf.shadowed == ("/usr/lib/sasl2/smtpd.conf",)
    seen = overview.overview(tree.host)
    assert seen.sasl == "saslauthd for shadow"
    tree.postfix("3.10.13", {}, {SMTP: {"smtpd_sasl_auth_enable": "yes"}})
    tree.write("/etc/postfix/sasl/smtpd.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n")
    assert overview.overview(tree.host).sasl == "sasldb, read by Postfix itself"
    assert seen.attention == (
        "nobody reads /usr/lib/sasl2/smtpd.conf; /etc/postfix/sasl/smtpd.conf is what counts",
    )


def test_smtpd_conf_does_not_count_where_dovecot_is_asked(tree: Tree) -> None:
    tree.postfix("3.10.13", {"smtpd_sasl_type": "dovecot"}, {SUBMISSION: AUTH})
    told = "\n".join(report.inventory_lines(None, inventory.sasl_parts(tree.host)))
    assert "smtpd.conf is not read: Dovecot is asked" in told
    assert "sasldb" not in told


def test_the_card_says_what_a_user_meets(tree: Tree) -> None:
    made = self_signed(["mail.example.net"])
    tree.write("/etc/ssl/mail.pem", made.certificate_pem)
    tree.write("/etc/ssl/mail.key", made.key_pem, 0o600)
    chain = {"smtpd_tls_chain_files": "/etc/ssl/mail.key, /etc/ssl/mail.pem"}
    tree.postfix("3.10.13", chain, {SUBMISSION: AUTH})
    submission, backend = Submission(("submission",), auth_on_smtp=True), AuxpropSasldb()
    told = {
        level: card.card(Policy(backend=backend, submission=submission, tls=Tls(level=level)), tree.host)
        for level in (TlsLevel.NONE, TlsLevel.MAY)
    }
    ports = {level: dict(found.rows)["Port and security"] for level, found in told.items()}
    assert ports[TlsLevel.NONE] == "587, STARTTLS or 25, without TLS"
    assert ports[TlsLevel.MAY] == "587, STARTTLS or 25, STARTTLS"
    assert ("Certificate", "self-signed: accept it once when asked") in told[TlsLevel.MAY].rows


def test_what_is_built_in_is_told(tree: Tree) -> None:
    tree.postfix("3.7.11", {}, {SMTP: {}})
    found = inventory.postfix_parts(tree.host)
    assert found is not None
    assert (found.tls, found.version) == ("OpenSSL 3.0.20 7 Apr 2026", "3.7.11")
    assert (found.sasl_server, found.sasl_client) == (("cyrus", "dovecot"), ("cyrus",))
    assert found.table_types == ("btree", "hash", "lmdb")
    assert found.directories["queue"] == "/var/spool/postfix"
    assert found.instances == ()


def test_other_instances_are_named(tree: Tree) -> None:
    more = {"multi_instance_enable": "yes", "multi_instance_directories": "/etc/postfix-out, /etc/postfix-in"}
    tree.postfix("3.10.13", more, {SMTP: {}})
    parts = inventory.postfix_parts(tree.host)
    told = list(report.inventory_lines(parts, inventory.sasl_parts(tree.host)))
    assert "  Instance     /etc/postfix-out, another one, is left alone" in told
    assert "  Instance     /etc/postfix-in, another one, is left alone" in told


def test_a_broken_smtpd_conf_is_attention_not_the_end(tree: Tree) -> None:
    tree.postfix("3.10.13", {"cyrus_sasl_config_path": "/etc/postfix/sasl"}, {SUBMISSION: AUTH})
    tree.write("/etc/postfix/sasl/smtpd.conf", "pwcheck_method = saslauthd\n")
    [problem] = overview.overview(tree.host).attention
    assert problem.startswith("/etc/postfix/sasl/smtpd.conf, line 1")
    found = as_json(tree.host)
    assert found["attention"] == [problem]


def test_defaults_that_can_not_be_read_are_attention_not_the_end(tree: Tree) -> None:
    tree.postfix("3.10.13", {"cyrus_sasl_config_path": "/etc/postfix/sasl"}, {SUBMISSION: AUTH})
    tree.write("/etc/postfix/sasl/smtpd.conf", "pwcheck_method: saslauthd\nmech_list: PLAIN\n")
    tree.write("/etc/default/saslauthd", 'MECHANISMS=pam\nOPTIONS="-c\n')
    found = overview.overview(tree.host)
    assert found.attention == (
        "/etc/default/saslauthd, line 2: the quotes in the value of OPTIONS don't end",
    )
    assert found.login.startswith("unknown")
    assert as_json(tree.host)["attention"] == list(found.attention)


def test_nothing_that_a_file_says_reaches_the_terminal_as_a_command(tree: Tree) -> None:
    tree.postfix("3.7.11", {"relayhost": "\x1b]0;owned\x07"}, {SMTP: {}})
    text = [
        *report.overview_lines(overview.overview(tree.host)),
        *report.inventory_lines(inventory.postfix_parts(tree.host), inventory.sasl_parts(tree.host)),
    ]
    assert all(line.isprintable() for line in text), text
    assert any("?]0;owned?" in line for line in text)


def test_mechanisms_that_go_past_saslauthd_need_attention(tree: Tree) -> None:
    tree.postfix("3.10.13", {"cyrus_sasl_config_path": "/etc/postfix/sasl"}, {SUBMISSION: AUTH})
    for plugin in ("libplain", "liblogin", "libcrammd5", "libdigestmd5", "libscram"):
        tree.write(f"/usr/lib/x86_64-linux-gnu/sasl2/{plugin}.so.2", "")
    told = {}
    for listed in ("mech_list: digest-md5 cram-md5 plain", "mech_list: PLAIN LOGIN", "", "mech_list: OTP"):
        tree.write("/etc/postfix/sasl/smtpd.conf", f"pwcheck_method: saslauthd\n{listed}\n")
        told[listed] = " ".join(overview.overview(tree.host).attention)
    conf = "/etc/postfix/sasl/smtpd.conf"
    assert told["mech_list: digest-md5 cram-md5 plain"] == (
        f"{conf}: DIGEST-MD5 and CRAM-MD5 never ask saslauthd: the SASL library looks the password up in "
        "/etc/sasldb2, where nobody has an account: a mail program that picks one of them is refused. "
        "Choosing a back end mends it"
    )
    assert "for there is no mech_list, and never ask saslauthd" in told[""]
    assert (told["mech_list: PLAIN LOGIN"], told["mech_list: OTP"]) == ("", "")  # OTP is not installed
    tree.write("/etc/postfix/sasl/smtpd.conf", "pwcheck_method: auxprop\nmech_list: CRAM-MD5\n")
    assert overview.overview(tree.host).attention == ()


@pytest.mark.parametrize(
    ("relayhost", "port"),
    [
        ("[mx.example]", 25),
        ("[mx.example]:submission", 587),
        ("[mx.example]:smtps", 465),
        ("[mx.example]:x", 0),
    ],
)
def test_a_relay_hosts_port_may_be_a_name(tree: Tree, relayhost: str, port: int) -> None:
    tree.postfix("3.7.11", {"relayhost": relayhost}, {SMTP: {}})
    found = smarthost.read(tree.host)
    assert (found.port if found else 0) == port
