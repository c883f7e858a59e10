"""The engine as its two faces see it: observe, read back, plan. Neither face calls anything deeper."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING

import recipes
from recipes import bypass, pam, typed_password
from wizard import accountplaces, journal, packages, policyfile, policyrules, remembered, unsettled
from wizard.changes import InstallPackages
from wizard.drift import Drift, drift
from wizard.errors import HostError
from wizard.host import Host
from wizard.plan import Plan, assemble
from wizard.policy import Dovecot, Mechanisms, Policy
from wizard.steps import Note, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wizard.accountplaces import Place
    from wizard.policy import Backend
    from wizard.root import Root
    from wizard.secret import Secret
    from wizard.steps import Step

__all__ = ["Drift", "InForce", "accounts", "completed", "drift", "in_force", "observe", "plan"]


@dataclass(frozen=True, slots=True)
class InForce:
    """The policy read back from a host's live files. ``by_hand``: what no section can express; it is kept.

    ``past``: what is offered, and goes past the back end. ``misread``: what PAM makes of the list of groups.
    """

    policy: Policy
    by_hand: tuple[str, ...]
    past: str = ""
    misread: str = ""

    @property
    def file(self) -> Policy:
        """The policy without the sections that would be refused in a file."""
        return policyfile.expressible(self.policy)[0]


def observe(root: Root) -> Host:
    """Return the host below ``root``, to be asked for facts.

    Raises:
        HostError: when its platform is not supported.

    """
    host = Host(root)
    _ = host.platform
    return host


def in_force(host: Host) -> InForce:
    """Read the policy back from the live files, in the words of the last policy where the two agree.

    Raises:
        ParseError: when a file that says something about it can't be read.

    """
    read = recipes.read(host)
    last = journal.last_policy(host.root)
    policy = remembered.reword(read, policyfile.parse(last) if last else Policy(), _usual(read))
    _, refused = policyfile.expressible(policy)
    by_hand = (*recipes.notes(host), *recipes.differences(host), *(f"set by hand: {why}" for why in refused))
    return InForce(policy, by_hand, bypass.found(host), pam.misread(host))


def _usual(read: Policy) -> tuple[str, ...]:
    """Return the mechanisms that an empty list means with the back end in force."""
    if isinstance(read.backend, Dovecot) and not read.backend.configure and read.mechanisms:
        return read.mechanisms.offer  # whatever Dovecot offers
    return recipes.recipe_of(type(read.backend)).usual if read.backend else ()


def completed(policy: Policy, read: Policy) -> Policy:
    """Return ``policy`` with every section it leaves out as it was ``read`` back."""
    whole = Policy(
        backend=policy.backend or read.backend,
        mechanisms=policy.mechanisms or read.mechanisms,
        tls=policy.tls or read.tls,
        submission=policy.submission or read.submission,
        authorization=policy.authorization or read.authorization,
        smarthost=policy.smarthost or read.smarthost,
    )
    if whole.backend and not whole.mechanisms:
        return replace(whole, mechanisms=Mechanisms())
    return whole if policy.mechanisms else _served(whole, read.backend)


def _served(whole: Policy, before: Backend | None) -> Policy:
    """Return ``whole`` without the mechanisms in force that its back end, a new one perhaps, can't serve."""
    if isinstance(whole.backend, Dovecot) and not isinstance(before, Dovecot) and whole.mechanisms:
        # what another one could verify says nothing of the passwords that Dovecot has
        return replace(whole, mechanisms=replace(whole.mechanisms, offer=()))
    if whole.backend is None or whole.mechanisms is None:
        return whole
    serves = recipes.recipe_of(type(whole.backend)).serves
    left = tuple(name for name in whole.mechanisms.offer if name in serves)
    return replace(whole, mechanisms=replace(whole.mechanisms, offer=left))


def plan(policy: Policy, host: Host, typed: Mapping[str, Secret] = MappingProxyType({})) -> Plan:
    """Work out everything that has to change for ``policy``. Nothing on the host is touched.

    ``typed``: passwords to be kept, by the section of the policy that they belong to.

    Raises:
        PolicyError: when the policy can't be had on this host.
        HostError: when the host can't be handled as it is.

    """
    read = in_force(host).policy
    whole = completed(policy, read)
    # what was set up by hand before is nothing to install for, or to refuse
    needed = recipes.needed_packages(whole if policy.backend or policy.mechanisms else policy, host)
    if needed and not host.root.live:
        raise HostError(
            f"not installed below {host.root.prefix}: {', '.join(needed)}; --root installs nothing"
        )
    if not needed:
        return assemble(policy, whole, host, _steps(Wanted(policy, whole, host, read), typed))
    coming = packages.arriving(needed)
    host = Host(host.root, arriving=coming.tree)
    wanted = Wanted(policy, whole, host, read)
    return assemble(policy, whole, host, chain(_installing(wanted, needed, coming), _steps(wanted, typed)))


def accounts(host: Host) -> Place:
    """Return the accounts of the back end in force.

    Raises:
        HostError: when they are made elsewhere; it says where.

    """
    return accountplaces.of(host)


def _installing(wanted: Wanted, needed: tuple[str, ...], coming: packages.Arriving) -> Iterator[Step]:
    preseed = wanted.host.platform.preseed
    answers = tuple(line for package in needed for line in preseed.get(package, ()))
    yield InstallPackages(needed, answers, coming.removes, coming.brings, reason="the policy needs them")
    if coming.removes:
        names = ", ".join(release.partition("=")[0] for release in coming.removes)
        yield Note(
            f"apt removes {names}, which can't be beside what has to be installed: what they do on this host "
            "ends. A rollback installs them again, in a newer version if the archive has this one no more"
        )


def _steps(wanted: Wanted, typed: Mapping[str, Secret]) -> Iterator[Step]:
    if told := unsettled.found(wanted.host.root):
        yield Note(told)
    yield from (Note(text) for text in policyrules.warnings(wanted.given))
    yield from recipes.steps(wanted)
    yield from typed_password.keep(wanted, typed)
    if wanted.host.postfix:
        yield from (Note(f"{text}; kept") for text in recipes.notes(wanted.host))
