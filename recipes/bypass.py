"""The trap of many guides: mechanisms that are offered beside saslauthd, and answered without it.

libsasl looks the password for them up in /etc/sasldb2 itself (docs/mechanisms.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipes import measured
from recipes.measured import Verdict
from wizard.accounts import Sasldb
from wizard.errors import WizardError
from wizard.policy import SaslauthdPam
from wizard.sasl import PREFERENCE

if TYPE_CHECKING:
    from wizard.host import Host

_MANY = 3  # mechanisms to name one by one


def found(host: Host) -> str:
    """Return, as the beginning of a sentence, what goes past saslauthd on ``host``; empty: nothing does.

    Raises:
        ParseError: when smtpd.conf can't be read.

    """
    postfix = host.postfix
    if postfix is None or not postfix.auth_services or "cyrus" not in postfix.auth_values("smtpd_sasl_type"):
        return ""
    conf = host.smtpd_conf
    names = _past(host) if conf.methods[:1] == ("saslauthd",) else ()
    if not names:
        return ""
    told = " and ".join(names) if len(names) <= _MANY else f"{', '.join(names[:_MANY])} and others"
    why = "" if conf.mech_list else " are offered, for there is no mech_list, and"
    return (
        f"{conf.path}: {told}{why} never ask saslauthd: the SASL library looks the password up in "
        f"{host.platform.sasl.sasldb}, {_who_is_there(host)}"
    )


def _past(host: Host) -> tuple[str, ...]:
    """Return the mechanisms that are offered, as far as smtpd.conf decides, and go past saslauthd."""
    listed = " ".join(host.smtpd_conf.mech_list).replace(",", " ").split() or PREFERENCE
    past = {Verdict.PAST}  # the same with each back end behind saslauthd
    return tuple(
        name
        for name in listed
        if name in host.mechanisms and measured.verdicts(SaslauthdPam.type, name) == past
    )


def _who_is_there(host: Host) -> str:
    """Say whom that lets in: each smtpd looks where its chroot lets it."""
    postfix, sasldb = host.settled_postfix, host.platform.sasl.sasldb
    chroots = {postfix.chrooted(service) for service in postfix.auth_services}
    paths = {f"{host.queue_directory}{sasldb}" if chrooted else sasldb for chrooted in chroots}
    try:
        accounts = {account for path in paths for account in Sasldb(path, "", host.root).accounts()}
    except WizardError:
        return "and lets in whoever has an account there"
    if not accounts:
        return "where nobody has an account: a mail program that picks one of them is refused"
    count = "1 account" if len(accounts) == 1 else f"{len(accounts)} accounts"
    return f"which has {count}: the passwords there are let in, and saslauthd's are not"
