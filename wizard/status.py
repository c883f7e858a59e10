"""This host as data: what ``status --json`` prints (docs/command-line.md)."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from typing import TYPE_CHECKING

import recipes.tls
from wizard import drift, engine, inventory, obsolete, overview, policyfile, processes, unsettled
from wizard.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wizard.certificates import Certificate
    from wizard.host import Host

_SERVICES = ("postfix", "saslauthd")
_PORTS = (25, 465, 587)


def as_json(host: Host) -> dict[str, object]:
    """Return what ``host`` is, in what JSON has; null for what is not installed or can't be known.

    Raises:
        HostError: when Postfix itself can't read its configuration.

    """
    postfix = inventory.postfix_parts(host)
    certificate = recipes.tls.certificate_in_use(host)
    platform = host.platform
    return {
        "platform": {"id": platform.id, "version": platform.version, "name": platform.name},
        "postfix": asdict(postfix) if postfix else {"version": None},
        "sasl": asdict(inventory.sasl_parts(host)),
        "services": {name: service(host, name) for name in (*_SERVICES, *_dovecot(host))},
        "listeners": {str(port): _addresses(host, port) for port in _PORTS},
        "certificate": _certificate(certificate) if certificate else None,
        "log": overview.log_place(host),
        "policy": _policy(host),
        "names": _names(host),
        "obsolete": [asdict(found) for found in obsolete.found(host.postfix)] if host.postfix else [],
        "drift": [{"path": each.path, "since": each.since} for each in drift.drift(host.root)],
        "attention": (*_unsettled(host), *overview.attention(host)),
    }


def _unsettled(host: Host) -> tuple[str, ...]:
    told = unsettled.found(host.root)
    return (told,) if told else ()


def _addresses(host: Host, port: int) -> list[str]:
    return sorted({listener.address for listener in host.listeners.get(port, ())})


def _dovecot(host: Host) -> tuple[str, ...]:
    """Return Dovecot, if it is here: many hosts have none, and nobody misses it there."""
    return ("dovecot",) if host.packages.intersection(host.platform.packages["dovecot"]) else ()


def service(host: Host, name: str) -> Mapping[str, bool | None]:
    """Return whether the service runs (below ``--root`` none does), and starts at boot (null: no init)."""
    return {
        "running": host.root.live and processes.running(name),
        "enabled": processes.enabled(name, host.root),
    }


def _certificate(found: Certificate) -> Mapping[str, object]:
    return asdict(found) | {
        "not_before": found.not_before.isoformat(),
        "not_after": found.not_after.isoformat(),
    }


def _names(host: Host) -> Mapping[str, object] | None:
    """Return how the back end in force looks up user names; null if that is not known."""
    try:
        found = recipes.names(host)
    except ParseError:
        return None
    return asdict(found) if found else None


def _policy(host: Host) -> Mapping[str, object] | None:
    """Return the policy in force as its file has it, and ``by_hand``: what no section of it can express."""
    try:
        found = engine.in_force(host)
    except ParseError:
        return None  # "attention" says why
    return {**tomllib.loads(policyfile.render(found.file)), "by_hand": found.by_hand}
