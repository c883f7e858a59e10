"""What recipes are given and what they yield: the wish and the host in, edits, changes and notes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from wizard.changes import Change
from wizard.formats import maincf, mastercf, pamd, shellvars, smtpdconf
from wizard.host import MAIN_CF, MASTER_CF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.host import Host
    from wizard.policy import Backend, Policy, Saslauthd
    from wizard.postfix import Postfix

B = TypeVar("B", bound="Backend | Saslauthd")
TextEdit = maincf.Edit | mastercf.Edit | smtpdconf.Edit | shellvars.Edit | pamd.Edit


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit inside a file, and why. Edits of one file become one change when the plan is made."""

    path: str
    edit: TextEdit
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something the admin should know about the plan: what was kept, what is weak, what is obsolete."""

    text: str


@dataclass(frozen=True, slots=True)
class Act:
    """Something a service must do once the files are written: ``reload``, ``restart`` or ``enable``.

    ``stop`` and ``disable`` are for one that Postfix does not ask any more, and come after all the others.
    """

    service: str
    action: str
    reason: str


Step = Edit | Change | Act | Note


@dataclass(frozen=True, slots=True)
class Wanted:
    """What recipes work on.

    ``given`` is the policy as asked for; ``policy`` is the same with every left-out section filled in from
    what is in force, for recipes that depend on each other. ``postfix`` is the configuration before.
    """

    given: Policy
    policy: Policy
    host: Host

    def backend(self, kind: type[B]) -> B:
        """Return the wished back end, of the ``kind`` that whoever asks was chosen for."""
        if not isinstance(self.policy.backend, kind):
            raise TypeError(f"{self.policy.backend} is no {kind.__name__}")
        return self.policy.backend

    @property
    def postfix(self) -> Postfix:
        """The Postfix configuration that the plan starts from."""
        return self.host.settled_postfix


def set_for(wanted: Wanted, name: str, value: str, reason: str) -> Iterator[Step]:
    """Yield what makes the main.cf parameter ``name`` be ``value`` for every smtpd that offers AUTH.

    A service that overrides it with an ``-o`` of its own gets that override corrected.
    """
    postfix = wanted.postfix
    if postfix.value(name) != value:
        yield Edit(MAIN_CF, maincf.SetParameter(name, value), reason)
    for service in postfix.auth_services:
        if name in service.options and service.options[name] != value:
            yield Edit(MASTER_CF, mastercf.SetOption(service.name, service.type, name, value), reason)
