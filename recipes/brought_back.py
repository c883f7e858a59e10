"""A service that an earlier change here turned into comments: it comes back with all that others gave it.

The journal knows its text as it was then. Where the comments are still that text, they become it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipes import chroot
from wizard.formats import mastercf
from wizard.host import MAIN_CF, MASTER_CF
from wizard.postfix import SAME_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wizard.postfix import Service
    from wizard.steps import Wanted


def find(wanted: Wanted, name: str, new: Mapping[str, str]) -> tuple[mastercf.EnableService, Service] | None:
    """Return what brings the service ``name`` back, and what Postfix then reads; None: nothing would do.

    ``new``: the overrides of a new one. What the old one says of SASL must be the same, for the back end may
    be another one today, and it must be chrooted as the back end expects.

    Raises:
        ParseError: when an older master.cf can't be read.
        HostError: when Postfix can't read the file with it.

    """
    for text in _disabled(wanted, name):
        service = _read(wanted, name, text)
        if service and _fits(wanted, name, service, new):
            options = tuple(mastercf.Option(*option) for option in service.options.items())
            return mastercf.EnableService(text, service.columns, options), service
    return None


def _disabled(wanted: Wanted, name: str) -> Iterator[str]:
    """Yield the texts of such services that are comments now, the latest first."""
    now = wanted.host.read(MASTER_CF) or b""
    names = SAME_PORT[name]
    for before in reversed(wanted.host.made.before.get(MASTER_CF, ())):
        for text in reversed(mastercf.texts(MASTER_CF, before, names, "inet")):
            if mastercf.is_disabled(now, text):
                yield text


def _read(wanted: Wanted, name: str, text: str) -> Service | None:
    host = wanted.host
    if host.postconf is None:
        return None
    enabled = mastercf.edit(MASTER_CF, host.start(MASTER_CF), [mastercf.EnableService(text)])
    with host.scratch({"main.cf": host.start(MAIN_CF), "master.cf": enabled}) as scratch:
        return host.postconf.read(scratch).service(name)


def _fits(wanted: Wanted, name: str, service: Service, new: Mapping[str, str]) -> bool:
    others = {option: value for option, value in service.options.items() if option.startswith("smtpd_sasl_")}
    same = others.items() - {("smtpd_sasl_auth_enable", "yes")} <= new.items()
    return same and wanted.postfix.chrooted(service) == chroot.chrooted_after(wanted, name)
