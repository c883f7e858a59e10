"""What stays in smtpd.conf once smtpd asks Dovecot, and the SASL library's file is read by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipes.backend import OWN_KEYS, OWN_PREFIXES, asked
from wizard.changes import WriteLast
from wizard.formats import smtpdconf
from wizard.ours import Kind
from wizard.policy import Dovecot
from wizard.steps import Edit, Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.steps import Step, Wanted


def leave(wanted: Wanted) -> Iterator[Step]:
    """Yield what takes the file away, if it was made here, or else a database's or a directory's password.

    Where Dovecot was asked already somebody else has left them there: they are named, and kept.
    """
    if not isinstance(wanted.policy.backend, Dovecot):
        return
    host, conf = wanted.host, wanted.host.smtpd_conf
    left = [key for key in conf.keys if key.startswith(OWN_PREFIXES)]
    if asked(host) in ("", "dovecot"):
        if left:
            yield Note(f"{conf.path} has {', '.join(left)}, which nobody reads while Dovecot is asked; kept")
    elif host.made.has(Kind.PATH, conf.path) and {*conf.keys} <= {*left, *OWN_KEYS, "mech_list"}:
        yield WriteLast(conf.path, before=host.read(conf.path), after=None, reason=_WHY)
    elif conf.exists:
        for key in left:
            yield Edit(conf.path, smtpdconf.DropKey(key), _WHY)
        yield Note(f"{conf.path} is not read while Dovecot is asked; kept")


_WHY = "nobody reads it any more: Dovecot is asked"
