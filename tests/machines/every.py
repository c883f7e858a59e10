"""Every back end on one machine of the kind ``every``: each with a user of its own, all with one password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.machines import directory
from tests.machines.backends import PASSWORD, SECRET, BackEnd
from tests.machines.databases import PGSQL
from tests.machines.directory import PROXY, PROXY_SECRET
from tests.machines.images import Debian
from tests.machines.mail_clients import SERVER, face_the_world
from tests.machines.password_servers import NO_PENALTY

if TYPE_CHECKING:
    from tests.machines.machine import Machine

IMAP_PORT = 1143
_PASSWORDS = ("PLAIN", "LOGIN")
_CHALLENGES = ("SCRAM-SHA-256", *_PASSWORDS)
_BASE = "dc=example,dc=net"


def _back_end(kind: str, user: str, *keys: str, mechanisms: tuple[str, ...] = _PASSWORDS) -> BackEnd:
    return BackEnd("\n".join((f'type = "{kind}"', *keys)), mechanisms, user, ())


#: By the policy's ``type``. Nobody is known to a back end but its own user, or where KNOWN_TOO says so.
EVERY: dict[str, BackEnd] = {
    "saslauthd-pam": _back_end("saslauthd-pam", "pat", 'allowed_groups = ["senders"]'),
    "saslauthd-shadow": _back_end("saslauthd-shadow", "sam"),
    "saslauthd-getpwent": _back_end("saslauthd-getpwent", "gary"),
    "saslauthd-sasldb": _back_end("saslauthd-sasldb", "dora"),
    "saslauthd-rimap": _back_end(
        "saslauthd-rimap", "imogen", 'server = "127.0.0.1"', f"port = {IMAP_PORT}"
    ),
    "saslauthd-ldap": _back_end(
        "saslauthd-ldap", "lena", 'servers = ["ldap://127.0.0.1"]', f'search_base = "ou=staff,{_BASE}"',
        'filter = "uid=%u"',
    ),
    "saslauthd-kerberos5": _back_end("saslauthd-kerberos5", "ken"),
    "auxprop-sasldb": _back_end("auxprop-sasldb", "mary", mechanisms=_CHALLENGES),
    "auxprop-sql": BackEnd(PGSQL.section(), _CHALLENGES, "sue", ()),
    "auxprop-ldapdb": _back_end(
        "auxprop-ldapdb", "ann", 'uri = "ldap://127.0.0.1"', f'id = "{PROXY}"',
        f'password_file = "{PROXY_SECRET}"', mechanisms=_CHALLENGES,
    ),
    "dovecot": _back_end("dovecot", "vera", "configure = true"),
}  # fmt: skip
#: Users of the first that the second lets in as well, because both look in the same place.
KNOWN_TOO = frozenset({("saslauthd-pam", "saslauthd-shadow")})

_HERE = f"""
IFS= read -r password
groupadd senders; useradd -G senders pat; useradd sam; useradd gary
printf '%s:%s\\n' pat "$password" sam "$password" gary "$password" | chpasswd
# gary's hash stands where all can read it, as before there was /etc/shadow
hash=$(getent shadow gary | cut -d: -f2); sed -i '/^gary:/d' /etc/shadow
sed -i "s|^gary:x:|gary:$hash:|" /etc/passwd
printf %s "$password" | saslpasswd2 -p -c -u "$(hostname)" dora
printf %s "$password" | saslpasswd2 -p -c -u {SERVER} mary
( umask 077; printf '%s\\n' "$password" >{SECRET} )
kdb5_util create -s -P master >/dev/null
printf '%s\\n%s\\n' "$password" "$password" | kadmin.local addprinc ken
kadmin.local addprinc -randkey host/{SERVER}; kadmin.local ktadd host/{SERVER}
systemctl start krb5-kdc
"""


def start(machine: Machine) -> None:
    """Start every server, with its user, and make the accounts of this host; nothing is set up in Postfix."""
    face_the_world(machine)
    machine.run(["sh", "-euc", _HERE], stdin=f"{PASSWORD}\n", timeout=90)
    PGSQL.fill(machine)
    directory.fill(machine)
    directory.load(machine)
    directory.remove_person(machine, directory.USER)  # a name that the database has too
    directory.add_person(machine, "lena", "staff")
    _start_dovecots(machine)


def enable(machine: Machine) -> None:
    """Let every server start at boot."""
    machine.run("systemctl enable postgresql slapd krb5-kdc dovecot imap")


_USERS = {
    Debian.BOOKWORM: "passdb {{\n  driver = passwd-file\n  args = scheme=plain {0}\n}}\n",
    Debian.TRIXIE: "passdb passwd-file {{\n  passwd_file_path = {0}\n  default_password_scheme = plain\n}}\n",
}
_PLAIN_IMAP = {
    Debian.BOOKWORM: "userdb {\n  driver = static\n  args = uid=nobody gid=nogroup home=/srv/mail\n}\n"
    "mail_location = maildir:~/\ndisable_plaintext_auth = no\n",
    Debian.TRIXIE: "userdb static {\n  fields {\n    uid = nobody\n    gid = nogroup\n    home = /srv/mail\n"
    "  }\n}\nmail_driver = maildir\nmail_path = ~/\nauth_allow_cleartext = yes\n",
}
_VERSIONS = {
    Debian.BOOKWORM: "",
    Debian.TRIXIE: "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n",
}
_IMAP_UNIT = """[Service]
ExecStart=/usr/sbin/dovecot -F -c /etc/imap/dovecot.conf
[Install]
WantedBy=multi-user.target
"""


def _start_dovecots(machine: Machine) -> None:
    """Start Debian's Dovecot with an account of its own, and another one that is the IMAP server."""
    release = machine.debian
    for name, folder in (("vera", "/etc/dovecot"), ("imogen", "/etc/imap")):
        machine.write_file(f"{folder}/users", f"{name}:{{PLAIN}}{PASSWORD}\n", 0o644)
    machine.run("sed -i 's/^!include auth-system/#&/' /etc/dovecot/conf.d/10-auth.conf")
    machine.write_file("/etc/dovecot/local.conf", NO_PENALTY + _USERS[release].format("/etc/dovecot/users"))
    listener = f"service imap-login {{\n  inet_listener imap {{\n    port = {IMAP_PORT}\n  }}\n}}\n"
    machine.write_file(
        "/etc/imap/dovecot.conf",
        _VERSIONS[release] + "base_dir = /run/imap\nprotocols = imap\nssl = no\nlisten = 127.0.0.1\n"
        + NO_PENALTY + listener + _USERS[release].format("/etc/imap/users") + _PLAIN_IMAP[release],
    )  # fmt: skip
    machine.write_file("/etc/systemd/system/imap.service", _IMAP_UNIT)
    machine.run("install -d -o nobody -g nogroup /srv/mail; systemctl daemon-reload")
    machine.run("systemctl restart dovecot; systemctl start imap")
    machine.wait_for_port(IMAP_PORT)
