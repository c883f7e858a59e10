"""Whether the database answers and takes the query, found out as smtpd will do it (``wizard.lookup``)."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from recipes import sql_words
from recipes.chroot import after
from recipes.sql_reach import unprotected
from wizard import lookup
from wizard.errors import PolicyError
from wizard.policy import SqlEngine
from wizard.steps import Note

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wizard.policy import AuxpropSql
    from wizard.steps import Step, Wanted

_TIMEOUT = 8.0  # seconds for one host
#: Nobody's name, which is SQL where the plugin and the server do not agree on what protects a quote.
_QUOTING = "postfix-auth-test\\'x"
#: What may be wrong at one of several hosts.
_OF_ONE_HOST = ("backend.hosts", "backend.password_file")


def tried(wanted: Wanted, backend: AuxpropSql, keys: Mapping[str, str]) -> Iterator[Step]:
    """Try every host with a query for nobody, and yield a note on each that does not answer.

    Raises:
        PolicyError: when none does, or one does not take the query.

    """
    if not wanted.host.root.live or os.geteuid() != 0:
        return
    failures = []
    hosts = backend.hosts or ("",)
    for host in hosts:
        for chrooted in sorted(after(wanted)) or [False]:
            failure = _failure(wanted, backend, keys, host, chrooted=chrooted)
            if failure and failure.key not in _OF_ONE_HOST:
                raise failure
            if failure:
                failures.append(failure)
                break
        yield from unprotected(host, wanted.host)
    if len(failures) == len(hosts):
        raise PolicyError(failures[0].key, "; ".join(failure.message for failure in failures))
    for failure in failures:
        yield Note(f"{failure}; the other hosts are asked instead")


def _failure(
    wanted: Wanted, backend: AuxpropSql, keys: Mapping[str, str], host: str, *, chrooted: bool
) -> PolicyError | None:
    """Return why ``host`` can't be asked, or does not take the query; None: it works."""
    if unknown := _unknown_name(host):
        return unknown
    realm = wanted.policy.authorization.local_domain if wanted.policy.authorization else ""
    smtpd = lookup.Smtpd.of(wanted.host, chrooted=chrooted, realm=realm)
    options = dict(keys) | {"sql_hostnames": host}
    for key in ("sql_hostnames", "sql_database"):
        if smtpd.chroot and options[key].startswith(f"{smtpd.chroot}/"):
            options[key] = options[key].removeprefix(smtpd.chroot)
    failure = sql_words.judged(
        lookup.check(options, smtpd, timeout=_TIMEOUT), backend, host, options, chrooted=chrooted
    )
    if backend.engine is SqlEngine.SQLITE:
        return failure
    if failure:
        refused = backend.engine is SqlEngine.MYSQL and failure.key == "backend.password_file"
        return _database_missing(options, smtpd, backend, host) or failure if refused else failure
    quoting = lookup.check(options, smtpd, timeout=_TIMEOUT, user=_QUOTING)
    return None if quoting.unknown and not sql_words.complaint(quoting) else sql_words.broken_out(host)


def _unknown_name(host: str) -> PolicyError | None:
    name = host.partition(":")[0]
    if not name or name.startswith("/"):
        return None
    try:
        socket.getaddrinfo(name, None)
    except OSError as error:
        return PolicyError("backend.hosts", f"{name} has no address that is known here: {error.strerror}")
    return None


def _database_missing(
    options: Mapping[str, str], smtpd: lookup.Smtpd, backend: AuxpropSql, host: str
) -> PolicyError | None:
    """Return that the database is what is wrong, if the server lets us in without; the plugin won't tell."""
    without = {key: value for key, value in options.items() if key != "sql_database"}
    if not lookup.check(without, smtpd, timeout=_TIMEOUT).unknown:
        return None
    who = backend.user or "nobody in particular"
    return PolicyError("backend.database", f"{host or 'the server'} has no {backend.database} to show {who}")
