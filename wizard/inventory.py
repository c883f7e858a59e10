"""What of Postfix and Cyrus SASL this host has: versions, what is built in, plugins, which files count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard import sasl
from wizard.commands import run
from wizard.errors import HostError, ParseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wizard.host import Host
    from wizard.postfix import Postfix

_DIRECTORIES = ("config", "queue", "daemon", "command", "data")
_BACKENDS = "authentication mechanisms:"


@dataclass(frozen=True, slots=True)
class PostfixParts:
    """An installed Postfix. ``directories``: config, queue, daemon, command and data, with their paths.

    ``tls`` is the version of its TLS library, empty without TLS; ``sasl_server`` and ``sasl_client`` are the
    types of SASL it can use, ``table_types`` the lookup tables (``postconf -T``, ``-a``, ``-A``, ``-m``).
    ``instances``: the directories of further instances (MULTI_INSTANCE_README), which are left alone.
    """

    version: str
    directories: Mapping[str, str]
    tls: str
    sasl_server: tuple[str, ...]
    sasl_client: tuple[str, ...]
    table_types: tuple[str, ...]
    instances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SmtpdConfParts:
    """The ``smtpd.conf`` that counts.

    ``problem``: why libsasl can't read it; ``shadowed``: further ones, which nobody reads.
    ``read``: whether any smtpd reads it; where Dovecot is asked none does.
    """

    path: str
    exists: bool
    methods: tuple[str, ...]
    mech_list: tuple[str, ...]
    shadowed: tuple[str, ...]
    problem: str = ""
    read: bool = True


@dataclass(frozen=True, slots=True)
class SaslParts:
    """The host's Cyrus SASL.

    ``backends`` are those of the installed saslauthd (empty below ``--root``, where nothing is run);
    ``backend`` is the one it is set up for. ``members`` are those of ``group``; None: there is no such group.
    """

    plugins: tuple[str, ...]
    mechanisms: tuple[str, ...]
    backends: tuple[str, ...]
    backend: str
    smtpd_conf: SmtpdConfParts | None
    group: str
    members: tuple[str, ...] | None


def postfix_parts(host: Host) -> PostfixParts | None:
    """Return what the installed Postfix is; None if there is none.

    Raises:
        HostError: when Postfix itself can't read its configuration.

    """
    postfix = host.postfix
    if postfix is None:
        return None
    return PostfixParts(
        version=postfix.parameters["mail_version"],
        directories={name: postfix.value(f"{name}_directory") for name in _DIRECTORIES},
        tls=_built_in(host, "-T", "run-version"),
        sasl_server=tuple(_built_in(host, "-a").split()),
        sasl_client=tuple(_built_in(host, "-A").split()),
        table_types=tuple(_built_in(host, "-m").split()),
        instances=_instances(postfix),
    )


def _instances(postfix: Postfix) -> tuple[str, ...]:
    listed = postfix.value("multi_instance_directories").replace(",", " ").split()
    return tuple(listed) if postfix.yes("multi_instance_enable") else ()


def _built_in(host: Host, *options: str) -> str:
    """Return what postconf says to ``options``; nothing if it does not know them (``-T`` is of 3.1)."""
    if host.postconf is None:
        return ""
    with host.scratch({"main.cf": b"", "master.cf": b""}) as scratch:
        try:
            return host.postconf.ask(scratch, options).stdout.strip()
        except HostError:
            return ""


def sasl_parts(host: Host) -> SaslParts:
    """Return what the host's Cyrus SASL is, whether or not Postfix is there."""
    members = host.members(host.platform.sasl.group)
    return SaslParts(
        plugins=tuple(sorted(sasl.plugins(host.root, host.platform))),
        mechanisms=tuple(name for name in sasl.PREFERENCE if name in host.mechanisms),
        backends=_backends(host),
        backend=_backend(host),
        smtpd_conf=_smtpd_conf(host) if host.postfix else None,
        group=host.platform.sasl.group,
        members=None if members is None else tuple(sorted(members)),
    )


def _backend(host: Host) -> str:
    try:
        return host.saslauthd.mechanism
    except ParseError:
        return ""


def _backends(host: Host) -> tuple[str, ...]:
    """Return what ``saslauthd -v`` lists."""
    if not host.root.live:
        return ()
    asked = run([host.platform.saslauthd.program, "-v"], timeout=5)
    lines = (asked.stdout + asked.stderr).splitlines()
    return next(
        (tuple(line.removeprefix(_BACKENDS).split()) for line in lines if line.startswith(_BACKENDS)), ()
    )


def _smtpd_conf(host: Host) -> SmtpdConfParts:
    read = _is_read(host)
    try:
        found = host.smtpd_conf
    except ParseError as error:
        return SmtpdConfParts(error.path, True, (), (), (), str(error), read)
    return SmtpdConfParts(found.path, found.exists, found.methods, found.mech_list, found.shadowed, "", read)


def _is_read(host: Host) -> bool:
    """Whether smtpd.conf counts: not where every smtpd that offers AUTH asks Dovecot."""
    postfix = host.settled_postfix
    asked = {postfix.value("smtpd_sasl_type", service) for service in postfix.auth_services}
    return asked != {"dovecot"}
