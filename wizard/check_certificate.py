"""The test of the certificate as a client sees it: whose it is, valid when, and the right one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wizard import certificates
from wizard import check_words as words
from wizard.check_caller import Caller, Seen, Target, UnmetError, start_tls
from wizard.errors import WizardError
from wizard.smtp_wire import shown

if TYPE_CHECKING:
    from wizard.certificates import Certificate

_MOST_NAMES = 4  # shown


def certificate(caller: Caller) -> Seen:
    """The certificate is valid today, for the names the policy says, and the one in the file."""
    with caller.call() as (session, capabilities):
        if not caller.target.wrapper:
            start_tls(session, capabilities, caller.target.unfit)
        chain = session.tls.chain if session.tls else ()
    if not chain:
        raise UnmetError("no certificate", words.UNREADABLE_CERTIFICATE)
    try:
        found = certificates.presented(chain[0])
    except WizardError as error:
        raise UnmetError(str(error), words.UNREADABLE_CERTIFICATE) from None
    return judge(found, caller.target, datetime.now(UTC))


def judge(found: Certificate, target: Target, now: datetime) -> Seen:
    """Compare what was ``found`` at the time ``now`` with what the policy says of ``target``."""
    if target.fingerprint and found.fingerprint.replace(":", "").lower() != target.fingerprint:
        return Seen(False, f"{_described(found)}, not the one in the file", words.WRONG_FINGERPRINT)
    if now < found.not_before:
        return Seen(False, f"not valid before {found.not_before:%Y-%m-%d %H:%M} UTC", words.NOT_VALID_NOW)
    if now > found.not_after:
        return Seen(False, f"expired on {found.not_after:%Y-%m-%d %H:%M} UTC", words.NOT_VALID_NOW)
    strangers = tuple(name for name in target.names if not certificates.name_matches(found, name))
    if strangers:
        return Seen(False, f"{_described(found)}; not for {', '.join(strangers)}", words.WRONG_NAME)
    return Seen(True, _described(found))


def _described(found: Certificate) -> str:
    names = ", ".join(shown(name) for name in found.names[:_MOST_NAMES]) or "nobody"
    more = ", …" if len(found.names) > _MOST_NAMES else ""
    return f"for {names}{more}, valid until {found.not_after:%Y-%m-%d}"
