"""Dovecot as back end: smtpd asks it at a socket, and its own auth_mechanisms decide what is offered.

Source: SASL_README, "Configuring Dovecot SASL"; mechanisms and databases as measured with 2.3 and 2.4.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from recipes import chroot, dovecot_facts, dovecot_side, user_names
from recipes.backend import BackendRecipe
from recipes.dovecot_facts import INET, below_queue
from recipes.shown import Shown
from recipes.user_names import Called
from wizard import check_dovecot, syntax
from wizard.errors import PolicyError
from wizard.policy import Dovecot
from wizard.steps import Note, set_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recipes.user_names import Names
    from wizard.host import Host
    from wizard.policy import Backend, Policy
    from wizard.steps import Step, Wanted


def _steps(wanted: Wanted) -> Iterator[Step]:
    """Yield Postfix's side."""
    address = below_queue(wanted.backend(Dovecot).address, wanted.host)
    if address.startswith("/") and True in chroot.after(wanted):
        raise PolicyError(
            "backend.address",
            f"must be a path below {wanted.host.queue_directory}, such as private/auth: chrooted smtpd can't "
            f"reach {address}",
        )
    if address.startswith(INET):
        yield _over_tcp(wanted.host, address)
    why = "where smtpd finds Dovecot; below the queue directory it is right for chrooted smtpd as well"
    yield from set_for(wanted, "smtpd_sasl_path", address, why)


def _over_tcp(host: Host, address: str) -> Note:
    if check_dovecot.on_loopback(address):
        who, instead = "every user of this host can", "private/auth is for Postfix only"
    elif dovecot_facts.elsewhere(address, host):
        who, instead = (
            "passwords cross the network unencrypted, and whoever reaches that port can",
            "use a network that nobody else is in",
        )
    else:
        who, instead = "whoever reaches that port can", "use 127.0.0.1 or private/auth"
    return Note(f"backend.address: {address}: {who} try passwords there; {instead}")


def offer(wanted: Wanted, offered: tuple[str, ...]) -> Iterator[Step]:
    """Yield what makes Dovecot offer ``offered``, or tell the admin how to.

    Raises:
        PolicyError: when Dovecot can't offer that.
        HostError: when it could not read its configuration afterwards.

    """
    backend = wanted.backend(Dovecot)
    if backend.configure:
        yield from dovecot_side.configured(wanted, backend, offered)
    else:
        yield from dovecot_side.withdraw(wanted)
        yield from dovecot_side.told(wanted, backend, offered)


def packages(policy: Policy, host: Host) -> tuple[str, ...]:
    """Return the packages that Dovecot needs for ``policy``; none if Dovecot is the admin's to set up."""
    if not isinstance(policy.backend, Dovecot) or not policy.backend.configure:
        return ()
    wanted = policy.mechanisms.offer if policy.mechanisms else ()
    brings = host.platform.dovecot.mechanisms
    extra = (package for package, served in brings.items() if set(served).intersection(wanted))
    every = (*host.platform.packages["dovecot"], *extra)
    return tuple(dict.fromkeys(package for package in every if package not in host.packages))


def _read(host: Host) -> Backend | None:
    address = below_queue(host.settled_postfix.auth_values("smtpd_sasl_path")[0], host)
    if syntax.dovecot_address(address):
        return None
    return Dovecot(address, configure=host.exists(host.platform.dovecot.drop_in))


def _names(host: Host) -> Names:
    """Return the names; Postfix tells Dovecot nothing of its realm (smtpd_sasl_local_domain)."""
    names = user_names.found(host, "just as in Dovecot, for IMAP", Called.EITHER)
    return replace(names, appended="")


DOVECOT = BackendRecipe(
    shown=(
        Shown(
            Dovecot,
            "Dovecot",
            "the accounts that Dovecot knows",
            "the accounts are Dovecot's: its passdb, which doveconf -n shows, says where they are made",
            "Dovecot, asked at {0.address}, can't ask its own passdb: journalctl -u dovecot has the reason.",
            domains=False,  # it has realms of its own, and is not told Postfix's
        ),
    ),
    needs=("dovecot",),
    usual=("PLAIN", "LOGIN"),
    owns_accounts=False,
    keys=lambda _: {},
    steps=_steps,
    read=_read,
    names=_names,
    sasl_type="dovecot",
)
