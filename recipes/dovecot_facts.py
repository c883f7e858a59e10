"""What is known of the Dovecot on this host: what it offers, what it can't, where its socket lies."""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from recipes import measured
from wizard import check_dovecot
from wizard.policy import Dovecot

if TYPE_CHECKING:
    from wizard.host import Host

INET = "inet:"
_COUNTS_FOR = 10.0  # seconds; the same is asked several times for one plan
#: What needs the password in clear, or stored in a scheme of its own.
NEEDS_STORED = frozenset({"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "DIGEST-MD5"})
_TOKENS = frozenset({"XOAUTH2", "OAUTHBEARER"})
#: Databases that can only say whether a password is right; for more Dovecot's auth process does not start.
_ONLY_VERIFY = frozenset({"pam", "bsdauth", "imap", "oauth2"})
_LISTED = re.compile(r"^auth_mechanisms = (.*)$", re.MULTILINE)


def below_queue(address: str, host: Host) -> str:
    """Return ``address`` as Postfix should have it: counted from the queue directory where it lies there."""
    return address.removeprefix("unix:").removeprefix(f"{host.queue_directory}/")


def host_of(address: str) -> str:
    """Return the host of ``inet:HOST:PORT``."""
    return address.removeprefix(INET).rpartition(":")[0].strip("[]")


def elsewhere(address: str, host: Host) -> bool:
    """Whether ``address`` leads to another host."""
    return address.startswith(INET) and not host.is_here(host_of(address))


def refusal(host: Host, mechanism: str) -> str:
    """Return why this host's Dovecot can't offer ``mechanism``, as far as that is known; empty: it can."""
    found = host.dovecot
    if found is None or not found.passdbs:
        return f"{mechanism} needs a passdb oauth2 in Dovecot" if mechanism in _TOKENS else ""
    names = " and ".join(found.passdbs)
    if mechanism in NEEDS_STORED and _ONLY_VERIFY.issuperset(found.passdbs):
        return (
            f"{mechanism} needs stored passwords, and Dovecot's passdb is {names}, which only tells whether "
            "one is right; Dovecot's authentication would not start"
        )
    if mechanism in _TOKENS and "oauth2" not in found.passdbs:
        return f"{mechanism} needs a passdb oauth2 in Dovecot, and there is {names} only"
    return ""


def answer(address: str, host: Host) -> tuple[str, ...]:
    """Return what Dovecot offers at ``address``, asked as Postfix does; nothing if nobody answers."""
    return _answer(address, host).offered


def silence(address: str, host: Host) -> str:
    """Return why Postfix gets no answer at ``address``; empty: it does."""
    return _answer(address, host).why_not


def _answer(address: str, host: Host) -> check_dovecot.Answer:
    if not host.root.live:
        return check_dovecot.Answer(why_not="below --root nobody is asked")
    owner = host.settled_postfix.value("mail_owner")
    return _remembered(address, host.queue_directory, owner, int(time.monotonic() / _COUNTS_FOR))


@lru_cache(maxsize=8)
def _remembered(address: str, queue: str, owner: str, _: int) -> check_dovecot.Answer:
    return check_dovecot.ask(address, queue, owner)


def is_dead(host: Host) -> bool:
    """Whether smtpd asks Dovecot, and nobody answers: it ends at every connection."""
    postfix = host.settled_postfix
    paths = {
        postfix.value("smtpd_sasl_path", service)
        for service in postfix.auth_services
        if postfix.value("smtpd_sasl_type", service) == "dovecot"
    }
    return any(not answer(path, host) for path in paths)


def offered_now(host: Host) -> tuple[str, ...]:
    """Return what Dovecot offers to Postfix: as it says itself, or else as it is configured."""
    found = answer(host.settled_postfix.auth_values("smtpd_sasl_path")[0], host)
    if not found and (configured := host.dovecot):
        found = configured.mechanisms
    if not found:
        ours = _LISTED.search((host.read(host.platform.dovecot.drop_in) or b"").decode(errors="replace"))
        found = tuple(ours[1].upper().split()) if ours else ()
    return tuple(name for name in found if name in measured.serves(Dovecot.type))
