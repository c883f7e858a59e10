"""The servers of others that saslauthd asks, set up on a machine of the kind ``servers``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.machines.backends import PASSWORD
from tests.machines.images import Debian

if TYPE_CHECKING:
    from tests.machines.machine import Machine

BARE, FULL = "ben", "anna@example.org"  # what users type: one name without a domain, one with

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
    machine.write_file("/etc/dovecot/dovecot.conf", f"{dovecot}ssl = no\n")
    users = "".join(f"{name}:{{PLAIN}}{PASSWORD}\n" for name in (BARE, FULL))
    machine.write_file("/etc/dovecot/users", users, 0o644)
    machine.run("install -d -o nobody -g nogroup /srv/mail; systemctl enable --now dovecot")
    machine.wait_for_port(143)
