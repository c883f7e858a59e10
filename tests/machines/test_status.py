"""``status --json`` beside what the machine's own programs say: postconf, systemctl, pgrep, ss, openssl."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.machines.images import Debian, Kind
from wizard import inventory, status
from wizard.host import Host
from wizard.root import Root

if TYPE_CHECKING:
    from tests.machines.conftest import Boot
    from tests.machines.machine import Machine

STATUS = "import sys; from wizard.cli import main; sys.exit(main(sys.argv[1:]))"
SERVED = """
openssl s_client -connect 127.0.0.1:465 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256
"""
CONFIGURE = """
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=mail.example.net \
    -addext subjectAltName=DNS:mail.example.net -keyout /etc/ssl/mail.key -out /etc/ssl/mail.pem
chmod 600 /etc/ssl/mail.key
postconf -e 'smtpd_tls_chain_files = /etc/ssl/mail.key, /etc/ssl/mail.pem' 'smtpd_tls_cert_file =' \
    'smtpd_tls_key_file =' 'smtpd_tls_security_level = may' 'smtpd_use_tls = yes'
postconf -M submission/inet='submission inet n - n - - smtpd'
postconf -M submissions/inet='submissions inet n - n - - smtpd'
postconf -P submission/inet/smtpd_tls_security_level=encrypt submission/inet/smtpd_tls_auth_only=yes \
    submission/inet/smtpd_sasl_auth_enable=yes submissions/inet/smtpd_tls_wrappermode=yes \
    submissions/inet/smtpd_sasl_auth_enable=yes
mkdir -p /etc/postfix/sasl /etc/sasl2
printf 'pwcheck_method: saslauthd\\nmech_list: PLAIN LOGIN\\n' > /etc/postfix/sasl/smtpd.conf
cp /etc/postfix/sasl/smtpd.conf /etc/sasl2
adduser -q postfix sasl
echo START=yes >> /etc/default/saslauthd
systemctl enable -q saslauthd
systemctl restart saslauthd
postfix reload
"""


class Told:
    """What ``status --json`` told."""

    def __init__(self, text: str) -> None:
        self._found: object = json.loads(text)

    def at(self, *keys: str) -> object:
        """Return what stands below ``keys``."""
        found = self._found
        for key in keys:
            assert isinstance(found, dict)
            found = found[key]
        return found


def told(machine: Machine, *options: str) -> Told:
    return Told(machine.python(STATUS, "status", "--json", *options).stdout)


def said(machine: Machine, command: str) -> str:
    return machine.run(command, check=False).stdout.strip()


def runs(machine: Machine, program: str) -> bool:
    return machine.run(["pgrep", "-x", program], check=False).status == 0


def is_enabled(machine: Machine, unit: str) -> bool:
    return machine.run(["systemctl", "is-enabled", unit], check=False).status == 0


def listeners(machine: Machine, port: int) -> list[str]:
    found = re.findall(rf"(\S+):{port}\s", said(machine, "ss -Hltn"))
    return sorted(address.strip("[]") for address in found)


def compare(machine: Machine) -> Told:
    """Compare what can be asked of others on any machine that has Postfix."""
    found = told(machine)
    assert found.at("postfix", "version") == said(machine, "postconf -h mail_version")
    assert found.at("postfix", "sasl_server") == said(machine, "postconf -a").split()
    assert found.at("postfix", "sasl_client") == said(machine, "postconf -A").split()
    assert found.at("postfix", "table_types") == said(machine, "postconf -m").split()
    assert str(found.at("postfix", "tls")).startswith("OpenSSL 3.")
    assert found.at("postfix", "directories") == {
        name: said(machine, f"postconf -h {name}_directory")
        for name in ("config", "queue", "daemon", "command", "data")
    }
    assert found.at("services", "postfix") == {
        "running": runs(machine, "master"),
        "enabled": is_enabled(machine, "postfix"),
    }
    starts = (
        machine.debian is Debian.TRIXIE or said(machine, ". /etc/default/saslauthd; echo $START") == "yes"
    )
    assert found.at("services", "saslauthd") == {
        "running": runs(machine, "saslauthd"),
        "enabled": is_enabled(machine, "saslauthd") and starts,
    }
    for port in (25, 465, 587):
        assert found.at("listeners", str(port)) == listeners(machine, port)
    group = said(machine, "getent group sasl").split(":")[3]
    assert found.at("sasl", "members") == sorted(name for name in group.split(",") if name)
    backends = said(machine, "saslauthd -v 2>&1").split("mechanisms:")[1].split()
    assert found.at("sasl", "backends") == backends
    plugins = said(machine, "ls /usr/lib/*/sasl2").split()
    assert found.at("sasl", "plugins") == sorted({name.split(".")[0] for name in plugins if ".so" in name})
    return found


def test_a_bare_machine(boot: Boot, debian: Debian) -> None:
    found = told(boot(Kind.READY))
    assert (found.at("platform", "id"), found.at("platform", "version")) == ("debian", debian.number)
    assert found.at("postfix") == {"version": None}
    assert found.at("services") == {
        name: {"running": False, "enabled": False} for name in ("postfix", "saslauthd")
    }
    assert found.at("certificate") is None
    assert found.at("listeners") == {"25": [], "465": [], "587": []}
    assert found.at("sasl", "backends") == []


def test_an_installed_machine(machine: Machine) -> None:
    machine.wait_for_port(25)
    found = compare(machine)
    assert found.at("log") == "the journal"


def test_a_configured_machine(machine: Machine) -> None:
    machine.run(CONFIGURE)
    machine.wait_for_port(587)
    found = compare(machine)
    assert found.at("services") == {
        name: {"running": True, "enabled": True} for name in ("postfix", "saslauthd")
    }
    assert found.at("sasl", "members") == ["postfix"]
    assert "smtpd_use_tls = yes" in str(found.at("obsolete"))
    shadowed = "nobody reads /etc/sasl2/smtpd.conf; /etc/postfix/sasl/smtpd.conf is what counts"
    assert shadowed in str(found.at("attention"))
    served = said(machine, SERVED).partition("=")[2].replace(":", "").lower()
    assert found.at("certificate", "fingerprint") == served
    assert found.at("certificate", "names") == ["mail.example.net"]
    machine.reboot()
    machine.wait_for_port(587)
    assert compare(machine).at("services") == found.at("services")


def test_processes_are_asked_not_units(machine: Machine) -> None:
    machine.run(CONFIGURE)
    machine.run("kill -KILL $(cat /var/spool/postfix/pid/master.pid); systemctl kill -s KILL saslauthd")
    found = told(machine)
    assert found.at("services", "postfix") == {"running": False, "enabled": True}
    assert found.at("services", "saslauthd") == {"running": False, "enabled": True}
    if machine.debian is Debian.BOOKWORM:
        assert said(machine, "systemctl is-active postfix") == "active"
    assert "not running, started at boot" in machine.python(STATUS, "status").stdout
    assert "saslauthd does not run, so nobody can log in" in str(found.at("attention"))


def test_disabled_and_masked_services(machine: Machine) -> None:
    machine.run("systemctl disable -q postfix")
    compare(machine)
    machine.run("systemctl enable -q postfix; systemctl mask -q postfix")
    assert compare(machine).at("services", "postfix", "enabled") is False


def test_without_an_init_nothing_is_enabled(boot: Boot) -> None:
    machine = boot(Kind.MAIL, init=False)
    machine.run("postfix start")
    machine.wait_for_port(25)
    found = told(machine)
    assert found.at("services", "postfix") == {"running": True, "enabled": None}
    assert found.at("services", "saslauthd") == {"running": False, "enabled": None}


def test_the_same_from_outside_below_root(machine: Machine) -> None:
    machine.run(CONFIGURE)
    inside = told(machine)
    host = Host(Root(Path(f"/proc/{machine.pid}/root")))
    outside = Told(json.dumps(status.as_json(host)))
    for key in ("platform", "certificate", "obsolete"):
        assert outside.at(key) == inside.at(key)
    assert outside.at("postfix", "version") == inside.at("postfix", "version")
    assert outside.at("services") == {
        name: {"running": False, "enabled": True} for name in ("postfix", "saslauthd")
    }
    assert outside.at("sasl", "members") == ["postfix"]
    assert inventory.sasl_parts(host).smtpd_conf is not None


@pytest.mark.skipif(shutil.which("postconf") is not None, reason="this host has a Postfix of its own")
def test_text_for_people_says_the_same(machine: Machine) -> None:
    machine.run(CONFIGURE)
    machine.wait_for_port(587)
    text = machine.python(STATUS, "status").stdout
    assert re.search(r"Port 587 +STARTTLS required, AUTH inside TLS\n", text)
    assert re.search(r"Port 465 +TLS from the start, AUTH inside TLS\n", text)
    assert re.search(r"Certificate +mail\.example\.net, self-signed, until ", text)
