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
    from wizard.postfix import Postfix, Service

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
    what is in force, for recipes that depend on each other. ``in_force`` is the policy read back.
    ``postfix`` is the configuration before.
    """

    given: Policy
    policy: Policy
    host: Host
    in_force: Policy

    def backend(self, kind: type[B]) -> B:
        """Return the wished back end, of the ``kind`` that whoever asks was chosen for."""
        if not isinstance(self.policy.backend, kind):
            raise TypeError(f"{self.policy.backend} is no {kind.__name__}")
        return self.policy.backend

    @property
    def postfix(self) -> Postfix:
        """The Postfix configuration that the plan starts from."""
        return self.host.settled_postfix

    @property
    def serving(self) -> tuple[Service, ...]:
        """The smtpd services of today that will offer AUTH."""
        postfix, submission = self.postfix, self.given.submission
        if submission is None:
            return postfix.auth_services
        asked = [*postfix.stray_auth_services, *(postfix.smtp_services if submission.auth_on_smtp else ())]
        asked += [service for name in submission.services for service in postfix.services_at(name)]
        return tuple(service for service in postfix.smtpd_services if service in asked)

    @property
    def staying(self) -> tuple[Service, ...]:
        """Those of ``serving`` that offer AUTH today: what is in force is what they do."""
        return tuple(service for service in self.serving if service in self.postfix.auth_services)

    @property
    def opens(self) -> bool:
        """Whether a service is made, which has what main.cf says."""
        submission = self.given.submission
        return submission is not None and not all(map(self.postfix.services_at, submission.services))


def set_for(wanted: Wanted, name: str, value: str, reason: str) -> Iterator[Step]:
    """Yield what makes the main.cf parameter ``name`` be ``value`` for every smtpd that offers AUTH.

    Where ``value`` is in force already, a service that somebody gave another one by hand keeps it, and is
    named; otherwise its override is corrected.
    """
    postfix, staying = wanted.postfix, wanted.staying
    in_force = bool(staying) and _same(postfix.value(name, staying[0]), value)
    main = not _same(postfix.value(name), value) and (wanted.opens or not in_force)
    if main:
        yield Edit(MAIN_CF, maincf.SetParameter(name, value), reason)
    for service in wanted.serving:
        own = name in service.options
        if _same(postfix.value(name, service), value) or (main and not own):
            continue
        if in_force and service in staying:
            yield Note(f"{by_hand(service, name, postfix.value(name, service))}; kept")
        else:
            yield Edit(MASTER_CF, mastercf.SetOption(service.name, service.type, name, value), reason)


def by_hand(service: Service, name: str, value: str) -> str:
    """Return, in words, that ``service`` is not like the others."""
    return f"set by hand: the service {service.key} has {name} = {value}".rstrip()


def _same(one: str, other: str) -> bool:
    if other in ("yes", "no"):
        return one.lower() == other
    return one.split() == other.split()
