"""An OpenLDAP directory with accounts in it, on a machine of the kind ``databases``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from recipes.ldapdb_directory import Directory
from recipes.ldapdb_side import loadable
from tests.machines.backends import MAIL_USER, PASSWORD, SYSTEM_USER, BackEnd
from wizard.policy import AuxpropLdapdb

if TYPE_CHECKING:
    from tests.machines.machine import Machine

USER, BY_MAIL, OUTSIDE = "sue", "ann@example.org", "out"
PROXY, PROXY_PASSWORD, PROXY_SECRET = "proxy", "pr:o x'y\\ü#", "/root/proxy.password"
_ADMIN_PASSWORD = "admin"
_BASE = "dc=example,dc=net"
PROXY_ENTRY = f"uid={PROXY},{_BASE}"
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
    """Add a person below a new organizational unit, such as staff or guests,ou=people.

    The plugin's user may become nobody but who is below ou=people.
    """
    where = f"ou={unit},{_BASE}"
    entries = f"dn: {where}\nobjectClass: organizationalUnit\nou: {unit.split(',', maxsplit=1)[0]}\n\n"
    entries += _PERSON.format(uid=uid, mail=f"{uid}@example.org", where=where, password=PASSWORD)
    machine.run([*_AS_ADMIN, "-a"], stdin=entries)


def remove_person(machine: Machine, uid: str) -> None:
    """Remove a person below ou=people."""
    machine.run(_AS_ADMIN, stdin=f"dn: uid={uid},ou=people,{_BASE}\nchangetype: delete\n")


_AS_ADMIN = ["ldapmodify", "-x", "-D", f"cn=admin,{_BASE}", "-y", "/root/admin.password"]


def load(machine: Machine, *, unknown_too: bool = True, mechanism: str = "DIGEST-MD5") -> None:
    """Load what an admin is shown, for ``mechanism``; ``unknown_too``: the rule on unknown users."""
    found = Directory(_BASE, (PROXY_ENTRY,), (f"dn.children:ou=people,{_BASE}",), root_dn=f"cn=admin,{_BASE}")
    load_shown(
        machine, loadable(AuxpropLdapdb("", PROXY, mechanism=mechanism), found), unknown_too=unknown_too
    )


def load_shown(machine: Machine, shown: str, *, unknown_too: bool = True) -> None:
    """Run the commands in ``shown`` as they are, but for the password that they would ask for."""
    commands = re.findall(r"^  (ldapmodify .*?\n)(.*?)^  END$", shown, flags=re.MULTILINE | re.DOTALL)
    for command, records in commands:
        lines = [line.removeprefix("  ") for line in records.splitlines()]
        kept = [line for line in lines if unknown_too or not line.endswith(",cn=auth$")]
        script = "\n".join([command.rstrip(), *kept, "END", ""])
        machine.run(["sh", "-euc", script.replace(" -W ", " -y /root/admin.password ")])
    assert len(commands) == 2, shown


def told(machine: Machine) -> str:
    """Return all of what slapd is told about who may speak for whom, in an order of ours."""
    look = "ldapsearch -Q -LLL -o ldif-wrap=no -Y EXTERNAL -H ldapi:///"
    config = f"{look} -b cn=config '(|(cn=config)(olcSuffix=*))' olcAuthzPolicy olcAuthzRegexp olcAccess"
    found = machine.run(f"{config}; {look} -b {_BASE} uid={PROXY} authzTo").stdout
    return "\n\n".join("\n".join(sorted(entry.splitlines())) for entry in found.split("\n\n"))


def modify(machine: Machine, ldif: str, *, config: bool = False) -> None:
    """Change something as the directory's administrator, or in its configuration as root."""
    machine.run(
        ["ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", "ldapi:///"] if config else _AS_ADMIN, stdin=ldif
    )


def back_end(**other: str) -> BackEnd:
    """Return the back end; ``other`` keys as TOML."""
    keys = {"type": '"auxprop-ldapdb"', "uri": '"ldap://127.0.0.1"', "id": f'"{PROXY}"'}
    keys |= {"password_file": f'"{PROXY_SECRET}"', **other}
    section = "\n".join(f"{key} = {value}" for key, value in keys.items() if value)
    return BackEnd(section, ("SCRAM-SHA-256", "PLAIN", "LOGIN"), USER, (SYSTEM_USER, MAIL_USER))
