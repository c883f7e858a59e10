"""What stays in smtpd.conf once smtpd asks Dovecot, and the SASL library's file is read by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.formats import smtpdconf
from wizard.policy import Dovecot
from wizard.steps import Edit, Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.steps import Step, Wanted

#: Each of these may hold a secret, or tell whom to ask with one; none is of use without the others.
_PREFIXES = ("sql_", "ldapdb_")


def leave(wanted: Wanted) -> Iterator[Step]:
    """Yield what takes a database's or a directory's password out of the file, and how it was asked.

    Where Dovecot was asked already somebody else has left them there: they are named, and kept.
    """
    if not isinstance(wanted.policy.backend, Dovecot):
        return
    conf, postfix = wanted.host.smtpd_conf, wanted.postfix
    left = [key for key in conf.keys if key.startswith(_PREFIXES)]
    if any(postfix.value("smtpd_sasl_type", service) == "cyrus" for service in postfix.auth_services):
        for key in left:
            yield Edit(conf.path, smtpdconf.DropKey(key), "nobody reads it any more: Dovecot is asked")
    elif left:
        yield Note(f"{conf.path} has {', '.join(left)}, which nobody reads while Dovecot is asked; kept")
