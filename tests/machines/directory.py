"""An OpenLDAP directory with accounts in it, on a machine of the kind ``databases``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from recipes.ldapdb import LOADABLE
from tests.machines.backends import MAIL_USER, PASSWORD, SYSTEM_USER, BackEnd

if TYPE_CHECKING:
    from tests.machines.machine import Machine

USER, BY_MAIL, OUTSIDE = "sue", "ann@example.org", "out"
PROXY, PROXY_PASSWORD, PROXY_SECRET = "proxy", "pr:o x'y\\ü#", "/root/proxy.password"
_ADMIN_PASSWORD = "admin"
_BASE = "dc=example,dc=net"
_SET_UP = """
printf '%s\\n' 'slapd slapd/no_configuration boolean false' 'slapd slapd/domain string example.net' \\
    'slapd shared/organization string example' 'slapd slapd/password1 password admin' \\
    'slapd slapd/password2 password admin' | debconf-set-selections
dpkg-reconfigure -f noninteractive slapd
systemctl start slapd
umask 077; printf %s admin >/root/admin.password
"""
_PERSON = """dn: uid={uid},{where}
objectClass: inetOrgPerson
uid: {uid}
cn: {uid}
sn: {uid}
mail: {mail}
userPassword: {password}

"""


def fill(machine: Machine) -> None:
    """Start the directory, with accounts and the plugin's own user, who may not become anybody yet."""
    machine.run(_SET_UP)
    people = f"ou=people,{_BASE}"
    entries = f"dn: {people}\nobjectClass: organizationalUnit\nou: people\n\n"
    for uid, mail, where, password in (
        (USER, "sue@example.org", people, PASSWORD),
        ("ann", BY_MAIL, people, PASSWORD),
        (OUTSIDE, "out@example.org", _BASE, PASSWORD),
        (PROXY, "proxy@example.org", _BASE, PROXY_PASSWORD),
    ):
        entries += _PERSON.format(uid=uid, mail=mail, where=where, password=password)
    machine.run([*_AS_ADMIN, "-a"], stdin=entries)
    machine.run(f"umask 077; cat >{PROXY_SECRET}", stdin=f"{PROXY_PASSWORD}\n")


def add_person(machine: Machine, uid: str, unit: str) -> None:
    """Add a person below an organizational unit of its own, where the plugin's user may become nobody."""
    where = f"ou={unit},{_BASE}"
    entries = f"dn: {where}\nobjectClass: organizationalUnit\nou: {unit}\n\n"
    entries += _PERSON.format(uid=uid, mail=f"{uid}@example.org", where=where, password=PASSWORD)
    machine.run([*_AS_ADMIN, "-a"], stdin=entries)


def remove_person(machine: Machine, uid: str) -> None:
    """Remove a person below ou=people."""
    machine.run(_AS_ADMIN, stdin=f"dn: uid={uid},ou=people,{_BASE}\nchangetype: delete\n")


_AS_ADMIN = ["ldapmodify", "-x", "-D", f"cn=admin,{_BASE}", "-y", "/root/admin.password"]


def load(machine: Machine, *, unknown_too: bool = True) -> None:
    """Load what the plan shows, with this directory's names; ``unknown_too``: the rule on unknown users."""
    shown = re.sub("^  ", "", LOADABLE.format(id=PROXY), flags=re.MULTILINE)
    shown = shown.replace("dc=example,dc=com", _BASE).replace(" -W ", " -y /root/admin.password ")
    if not unknown_too:
        shown = re.sub("^authzTo: dn.regex.*\n", "", shown, flags=re.MULTILINE)
    machine.run(["sh", "-euc", shown])


def back_end(**other: str) -> BackEnd:
    """Return the back end; ``other`` keys as TOML."""
    keys = {"type": '"auxprop-ldapdb"', "uri": '"ldap://127.0.0.1"', "id": f'"{PROXY}"'}
    keys |= {"password_file": f'"{PROXY_SECRET}"', **other}
    section = "\n".join(f"{key} = {value}" for key, value in keys.items() if value)
    return BackEnd(section, ("SCRAM-SHA-256", "PLAIN", "LOGIN"), USER, (SYSTEM_USER, MAIL_USER))
