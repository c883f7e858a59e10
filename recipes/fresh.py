"""A Postfix that has no main.cf yet: it begins with the platform's, complete and ready to run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.changes import BuildTable, WriteFile
from wizard.formats import maincf
from wizard.host import MAIN_CF
from wizard.steps import Act, Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.steps import Step, Wanted

_ALIASES = "/etc/aliases"


def steps(wanted: Wanted) -> Iterator[Step]:
    """Yield main.cf with this host's name, the alias table that it names, and the service at boot."""
    host = wanted.host
    if host.read(MAIN_CF) is not None:
        return
    tls = wanted.given.tls
    names = tuple(name for name in tls.names if "*" not in name) if tls else ()
    name = names[0] if names else host.fqdn
    yield Edit(MAIN_CF, maincf.SetParameter("myhostname", name), "Postfix has no main.cf yet")
    if host.platform.aliases and not host.exists(_ALIASES):
        text = host.platform.aliases.encode()
        why = "who gets mail for postmaster (RFC 5321, section 4.5.1)"
        yield WriteFile(_ALIASES, before=None, after=text, owner="root", group="root", mode=0o644, reason=why)
    yield BuildTable("hash", _ALIASES, program="postalias", reason="main.cf names this alias table")
    yield Act("postfix", "enable", "runs again after a reboot")
