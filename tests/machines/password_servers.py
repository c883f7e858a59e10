"""The servers of others that saslauthd asks, set up on a machine of the kind ``servers``."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from tests.machines.backends import PASSWORD
from tests.machines.images import Debian

if TYPE_CHECKING:
    from tests.machines.machine import Machine

BARE, FULL = "ben", "anna@example.org"  # what users type: one name without a domain, one with
BASE, READER = "dc=example,dc=net", "cn=reader,dc=example,dc=net"
READER_SECRET = "/root/reader.password"
READER_PASSWORD = 'r"e#a\\d é: er'

#: Clients that try many wrong passwords are made to wait by Dovecot; not in tests.
NO_PENALTY = """
auth_failure_delay = 0 secs
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
"""
_DOVECOT_23 = """
protocols = imap
passdb {
  driver = passwd-file
  args = scheme=plain /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/srv/mail
}
mail_location = maildir:~/
disable_plaintext_auth = yes
"""
_DOVECOT_24 = """
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols = imap
passdb passwd-file {
  passwd_file_path = /etc/dovecot/users
}
userdb static {
  fields {
    uid = nobody
    gid = nogroup
    home = /srv/mail
  }
}
mail_driver = maildir
mail_path = ~/
auth_allow_cleartext = no
"""


def start_imap(machine: Machine) -> None:
    """Start Dovecot, on port 143 of all addresses; it takes passwords in clear from this host only."""
    dovecot = _DOVECOT_23 if machine.debian is Debian.BOOKWORM else _DOVECOT_24
    machine.write_file("/etc/dovecot/dovecot.conf", f"{dovecot}ssl = no\n{NO_PENALTY}")
    users = "".join(f"{name}:{{PLAIN}}{PASSWORD}\n" for name in (BARE, FULL))
    machine.write_file("/etc/dovecot/users", users, 0o644)
    machine.run("install -d -o nobody -g nogroup /srv/mail; systemctl enable --now dovecot")
    machine.wait_for_port(143)


# Arguments: the password of all users, the reader's, both in base64. Only the reader may look into ou=closed.
_DIRECTORY = """
export LC_ALL=C.UTF-8
cd /etc/ldap
openssl req -x509 -newkey rsa:2048 -noenc -keyout key.pem -out cert.pem -days 30 -subj /CN=mail.example.net \\
    -addext subjectAltName=DNS:mail.example.net 2>/dev/null
chown openldap key.pem
cp cert.pem /usr/local/share/ca-certificates/directory.crt; update-ca-certificates
systemctl enable slapd; systemctl start slapd
until ldapwhoami -QY EXTERNAL -H ldapi:/// >/dev/null; do sleep 0.1; done
ldapmodify -QY EXTERNAL -H ldapi:/// <<.
dn: cn=config
changetype: modify
replace: olcTLSCertificateKeyFile
olcTLSCertificateKeyFile: /etc/ldap/key.pem
-
replace: olcTLSCertificateFile
olcTLSCertificateFile: /etc/ldap/cert.pem

dn: olcDatabase={1}mdb,cn=config
changetype: modify
replace: olcAccess
olcAccess: to attrs=userPassword by anonymous auth by * none
olcAccess: to dn.subtree="ou=closed,dc=example,dc=net"
  by dn.exact="cn=reader,dc=example,dc=net" read by * none
olcAccess: to * by * read
.
people() { cat <<.
dn: ou=$1,dc=example,dc=net
objectClass: organizationalUnit
ou: $1

dn: uid=ben,ou=$1,dc=example,dc=net
objectClass: inetOrgPerson
uid: ben
cn: Ben
sn: Ben
userPassword:: $2

dn: uid=anna,ou=$1,dc=example,dc=net
objectClass: inetOrgPerson
uid: anna
cn: Anna
sn: Anna
mail: anna@example.org
userPassword:: $2

.
}
{ people open $1; people closed $1; cat <<.
dn: cn=reader,dc=example,dc=net
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword:: $2
.
} | ldapadd -x -H ldapi:/// -D cn=admin,dc=example,dc=net -w admin
sed -i 's,^SLAPD_SERVICES=.*,SLAPD_SERVICES="ldap:/// ldaps:/// ldapi:///",' /etc/default/slapd
systemctl restart slapd
"""


def start_directory(machine: Machine) -> None:
    """Start OpenLDAP with people below ou=open and ou=closed, and a reader who may see them all."""
    encoded = [base64.b64encode(password.encode()).decode() for password in (PASSWORD, READER_PASSWORD)]
    machine.run(["sh", "-euc", _DIRECTORY, "directory", *encoded])
    machine.wait_for_port(389)
    machine.write_file(READER_SECRET, f"{READER_PASSWORD}\n", 0o600)


# Argument: the password of all users.
_KDC = """
kdb5_util create -s -P master >/dev/null
printf '%s\\n%s\\n' "$1" "$1" | kadmin.local addprinc ben
kadmin.local addprinc -randkey host/mail.example.net
kadmin.local ktadd host/mail.example.net
systemctl enable krb5-kdc; systemctl start krb5-kdc
"""
PRINCIPAL = f"{BARE}@EXAMPLE.NET"


def start_kdc(machine: Machine) -> None:
    """Start the KDC of EXAMPLE.NET, and give the machine a key of its own."""
    machine.run(["sh", "-euc", _KDC, "kdc", PASSWORD])
    machine.wait_for_port(88)


def unshadow(machine: Machine) -> None:
    """Put the password hashes where getpwent finds them, and everybody else too."""
    machine.run("pwunconv")
