"""Back ends that libsasl reads itself, inside smtpd: secrets are stored, so every mechanism can be served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipes import chroot, user_names
from recipes.backend import BackendRecipe, asked
from recipes.shown import IN_SASLDB, NO_SASLDB, Shown
from wizard.policy import AuxpropSasldb, SaslauthdSasldb
from wizard.steps import Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.host import Host
    from wizard.policy import Backend
    from wizard.steps import Wanted

USUAL = ("SCRAM-SHA-256", "PLAIN", "LOGIN")


def _keys(_: Wanted) -> dict[str, str]:
    return {"pwcheck_method": "auxprop", "auxprop_plugin": "sasldb"}


def leave(wanted: Wanted) -> Iterator[Note]:
    """Name the secrets once nobody asks for them: accounts are the admin's, and stay."""
    host, conf = wanted.host, wanted.host.smtpd_conf
    asked_itself = asked(host) == "auxprop" and conf.keys.get("auxprop_plugin", "sasldb") == "sasldb"
    behind = asked(host) == "saslauthd" and host.saslauthd.mechanism == "sasldb"
    if (asked_itself or behind) and not isinstance(wanted.policy.backend, AuxpropSasldb | SaslauthdSasldb):
        path = host.platform.sasl.sasldb
        yield Note(f"{path} keeps its accounts, but lets nobody in any more; remove it if nothing asks it")


def _read(host: Host) -> Backend | None:
    conf = host.smtpd_conf
    if conf.methods[:1] != ("auxprop",):
        return None
    # no auxprop_plugin means all of them, and sasldb is the one that is always there
    return AuxpropSasldb() if conf.keys.get("auxprop_plugin", "sasldb") == "sasldb" else None


SASLDB = BackendRecipe(
    shown=(
        Shown(
            AuxpropSasldb,
            "Accounts of their own, in sasldb",
            "mail only; all mechanisms",
            IN_SASLDB,
            NO_SASLDB,
        ),
    ),
    needs=("sasldb",),
    usual=USUAL,
    owns_accounts=True,
    keys=_keys,
    steps=chroot.sasldb_steps,
    read=_read,
    names=user_names.in_sasldb,
)
