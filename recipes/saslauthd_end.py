"""The end of saslauthd, once smtpd asks somebody else: as it was before it was set up for Postfix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipes import chroot
from recipes.backend import asked
from wizard import processes, sasl
from wizard.formats import shellvars
from wizard.ours import Kind
from wizard.policy import Saslauthd
from wizard.steps import Act, Edit, Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.host import Host
    from wizard.steps import Step, Wanted

_VARIABLES = ("MECHANISMS", "MECH_OPTIONS", "OPTIONS", "THREADS", "START")


def leave(wanted: Wanted) -> Iterator[Step]:
    """Yield what ends saslauthd, if it was set up here, once smtpd asks somebody else."""
    if isinstance(wanted.policy.backend, Saslauthd) or asked(wanted.host) != "saslauthd":
        return
    host = wanted.host
    yield from _first_defaults(wanted)
    yield from _end(host)
    for drop_in in chroot.other_drop_ins(host):
        yield Note(f"{drop_in} is for saslauthd, which nobody asks any more: somebody else's; kept")


def _end(host: Host) -> Iterator[Step]:
    """Yield what stops saslauthd, unless it ran before, or somebody besides Postfix may ask it."""
    made, packages = host.made, host.platform.packages["saslauthd"]
    others = sorted((host.members(host.platform.sasl.group) or frozenset()) - {"postfix"})
    ours = made.has(Kind.RUNNING, "saslauthd") or made.installed(*packages)
    if ours and not others:
        yield Act("saslauthd", "stop", "no smtpd asks it any more, and it was started for that")
    elif host.root.live and processes.running("saslauthd"):
        who = f"for {', '.join(others)} may ask it" if others else "for it ran before"
        yield Note(f"saslauthd runs on, though no smtpd asks it any more, {who}; kept")
    if (made.has(Kind.AT_BOOT, "saslauthd") or made.installed(*packages)) and not others:
        yield Act("saslauthd", "disable", "nothing needs it after a reboot")


def _first_defaults(wanted: Wanted) -> Iterator[Step]:
    """Yield what gives saslauthd the settings back that it had before the first change."""
    host, path = wanted.host, wanted.host.saslauthd_defaults
    first = host.made.first.get(path)
    if first is None:
        return
    before, now = shellvars.read(path, first), shellvars.read(path, host.read(path) or b"")
    for name in _VARIABLES:
        old = before.get(name)
        if old != now.get(name):
            edit = shellvars.DropVariable(name) if old is None else shellvars.SetVariable(name, old)
            yield Edit(path, edit, "as it was before saslauthd was set up for Postfix")
            yield Act("saslauthd", "restart", "reads its defaults file anew")
    if host.platform.saslauthd.native_unit:
        yield from chroot.unit_steps(wanted, sasl.saslauthd(host.platform, first).run_dir)
