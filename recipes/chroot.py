"""What a chrooted smtpd must be able to reach: saslauthd's socket, the secrets in sasldb.

smtpd changes its root to the queue directory when column 5 of master.cf says so (master(5)), after it has
read smtpd.conf and before it asks anybody. Where some smtpd are chrooted and some are not, one path must
mean the same to both: a symbolic link in the queue directory leads the queue's own path back to it.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from wizard.accounts import Sasldb
from wizard.changes import JoinGroup, MakeDirectory, MakeLink, ShareSecrets, StatOverride, WriteFile
from wizard.errors import HostError
from wizard.policy import ChrootChoice
from wizard.steps import Act

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.changes import Change
    from wizard.host import Host
    from wizard.steps import Step, Wanted

_MODE = 0o710  # saslauthd's socket itself lets everybody in; the directory is the door


def after(wanted: Wanted) -> frozenset[bool]:
    """Return whether the smtpd services that will offer AUTH are chrooted: {True}, {False}, both or none."""
    submission = wanted.policy.submission
    if submission is None:
        return frozenset(wanted.postfix.chrooted(s) for s in wanted.postfix.auth_services)
    keeps = submission.chroot is ChrootChoice.KEEP
    services = list(wanted.postfix.stray_auth_services)
    if submission.auth_on_smtp:
        services += wanted.postfix.smtp_services
    found = {wanted.postfix.chrooted(service) for service in services}
    for name in submission.services:
        there = wanted.postfix.services_at(name) if keeps else ()
        found |= {wanted.postfix.chrooted(s) for s in there} or {chrooted_after(wanted, name)}
    return frozenset(found)


def chrooted_after(wanted: Wanted, name: str) -> bool:
    """Return whether the submission service ``name`` will be chrooted; a new one is like port 25's."""
    choice = wanted.policy.submission.chroot if wanted.policy.submission else ChrootChoice.KEEP
    if choice is not ChrootChoice.KEEP:
        return choice is ChrootChoice.YES
    model = wanted.postfix.service(name) or wanted.postfix.smtp
    return wanted.postfix.chrooted(model) if model else False


# saslauthd


def socket_directory(wanted: Wanted) -> str:
    """Return the directory that saslauthd's ``-m`` has to name."""
    queue = wanted.host.queue_directory
    current = wanted.host.saslauthd.run_dir
    if True in after(wanted):
        return f"{queue}/var/run/saslauthd"
    inside = current.startswith(f"{queue}/")
    return current if current and not inside else wanted.host.platform.saslauthd.run_dir


def socket_path(wanted: Wanted) -> str | None:
    """Return smtpd.conf's ``saslauthd_path``, or None where the built-in one is right."""
    both = after(wanted) == {True, False}
    return f"{socket_directory(wanted)}/mux" if both else None


def socket_steps(wanted: Wanted) -> Iterator[Step]:
    """Yield group, directory and unit for saslauthd's socket."""
    host, group = wanted.host, wanted.host.platform.sasl.group
    directory = socket_directory(wanted)
    yield from _join(wanted, "smtpd runs as postfix and must reach saslauthd's socket")
    if directory.startswith(host.queue_directory):
        why = "the socket must lie in the queue directory, which chrooted smtpd can't leave"
        yield MakeDirectory(directory, owner="root", group=group, mode=_MODE, reason=why)
        yield StatOverride(directory, owner="root", group=group, mode=_MODE, reason="keeps owner and mode")
    if socket_path(wanted):
        yield from link_back(wanted)
    if host.platform.saslauthd.native_unit:
        yield from unit_steps(wanted, directory)


def _join(wanted: Wanted, why: str) -> Iterator[Step]:
    group = wanted.host.platform.sasl.group
    yield JoinGroup("postfix", group, reason=why)
    if "postfix" not in (wanted.host.members(group) or ()):
        yield Act("postfix", "reload", "new processes have the new group")


_DROP_IN = "/etc/systemd/system/saslauthd.service.d/postfix-auth.conf"


def unit_steps(wanted: Wanted, directory: str) -> Iterator[Step]:
    """Yield the unit's drop-in: its PID file moves with ``-m``, and nobody else makes the ``directory``.

    Where the directory is the usual one no drop-in is needed, and ours goes away.
    """
    current, group = wanted.host.read(_DROP_IN), wanted.host.platform.sasl.group
    wish: bytes | None = None
    if directory != wanted.host.platform.saslauthd.run_dir:
        wish = (
            "# saslauthd's socket is in Postfix's queue directory; written by postfix-auth\n"
            "[Service]\n"
            f"PIDFile={directory}/saslauthd.pid\n"
            f"ExecStartPre=/usr/bin/install -d -o root -g {group} -m 0710 {directory}\n"
        ).encode()
    if wish != current:
        why = (
            "systemd must know where saslauthd's PID file is now"
            if wish
            else "the PID file is at its usual place"
        )
        yield WriteFile(
            _DROP_IN, before=current, after=wish, owner="root", group="root", mode=0o644, reason=why
        )
        yield Act("saslauthd", "restart", "starts with its new directory")


def other_drop_ins(host: Host) -> tuple[str, ...]:
    """Return the drop-ins of saslauthd's unit that are somebody else's."""
    folder, _, ours = _DROP_IN.rpartition("/")
    found = host.root.path(folder)
    names = sorted(item.name for item in found.iterdir()) if found.is_dir() else []
    return tuple(f"{folder}/{name}" for name in names if name.endswith(".conf") and name != ours)


def link_back(wanted: Wanted) -> Iterator[Step]:
    """Yield the link that lets one path be right both inside and outside the queue directory."""
    queue = PurePosixPath(wanted.host.queue_directory)
    link = f"{queue}{queue}"
    back = "/".join([".."] * (len(queue.parts) - 2))
    why = "some smtpd are chrooted and some are not: with it the same path is right for both"
    yield MakeLink(link, back, reason=why)


# sasldb


def sasldb_steps(wanted: Wanted) -> Iterator[Step]:
    """Yield what lets every smtpd read the secrets in sasldb, and keeps a chrooted one in step."""
    host = wanted.host
    path, group = host.platform.sasl.sasldb, host.platform.sasl.group
    yield from _join(wanted, "smtpd runs as postfix and must read the secrets")
    shared = f"{host.queue_directory}{path}" if True in after(wanted) else ""
    if shared:
        _refuse_other_accounts(host, path, shared)
    why = "chrooted smtpd reads the copy in the queue directory: one file, so that it never goes stale"
    yield ShareSecrets(path, shared, group=group, reason=why if shared else "postfix must be able to read it")


def _refuse_other_accounts(host: Host, path: str, shared: str) -> None:
    """A copy in the queue directory, made by hand, must not take accounts along that only it has."""
    content = host.read(shared)
    if content is None or content == host.read(path):
        return
    copied, kept = (Sasldb(each, "", host.root).accounts() for each in (shared, path))
    if alone := [str(account) for account in copied if account not in kept]:
        raise HostError(
            f"{shared} has accounts that {path} lacks: {', '.join(alone)}; one file takes the place of both: "
            f"first cp {shared} {path} if chrooted smtpd has the right ones, or remove {shared}"
        )


# what all of this may leave behind


def everything(wanted: Wanted) -> tuple[Change, ...]:
    """Return every change that steps of this module may make, needed or not."""
    host, why = wanted.host, ""
    queue, places = host.queue_directory, host.platform.sasl
    directory = f"{queue}/var/run/saslauthd"
    return (
        JoinGroup("postfix", places.group, reason=why),
        StatOverride(directory, owner="root", group=places.group, mode=_MODE, reason=why),
        MakeDirectory(directory, owner="root", group=places.group, mode=_MODE, reason=why),
        *(step for step in link_back(wanted) if isinstance(step, MakeLink)),
        ShareSecrets(places.sasldb, f"{queue}{places.sasldb}", group=places.group, reason=why),
    )
