"""What live files can't tell: how the admin put it the last time.

A policy says ``keep``, or names a password file; the files it leads to don't. Where what was applied last
still agrees with what is read back, its wording is used.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.policy import AuxpropLdapdb, AuxpropSql, ChrootChoice, SaslauthdLdap, TlsSource

if TYPE_CHECKING:
    from wizard.policy import Backend, Mechanisms, Policy, Smarthost, Submission, Tls


def reword(read: Policy, last: Policy, usual: tuple[str, ...]) -> Policy:
    """Return ``read`` in the words of ``last``, section by section, where the two agree.

    ``usual`` are the mechanisms that the back end in force offers unless told otherwise.
    """
    return replace(
        read,
        backend=_backend(read.backend, last.backend),
        mechanisms=_mechanisms(read.mechanisms, last.mechanisms, usual),
        submission=_submission(read.submission, last.submission),
        tls=_tls(read.tls, last.tls),
        smarthost=_smarthost(read.smarthost, last.smarthost),
    )


def _backend(read: Backend | None, last: Backend | None) -> Backend | None:
    if isinstance(read, AuxpropLdapdb) and isinstance(last, AuxpropLdapdb):
        # what slapd was told may as well have been told by hand
        read = replace(read, configure=last.configure)
    # the file that the password came from, if it is still there
    if not isinstance(last, AuxpropSql | AuxpropLdapdb | SaslauthdLdap) or not last.password_file:
        return read
    there = read == replace(last, password_file="") and Path(last.password_file).is_file()
    return last if there else read


def _mechanisms(
    read: Mechanisms | None, last: Mechanisms | None, usual: tuple[str, ...]
) -> Mechanisms | None:
    # the choice was left to the back end
    unsaid = read is not None and last is not None and not last.offer and read.offer == usual
    return replace(read, offer=()) if read and unsaid else read


def _submission(read: Submission | None, last: Submission | None) -> Submission | None:
    if read is None:
        return None
    same = last is not None and last.chroot is read.chroot
    return read if same else replace(read, chroot=ChrootChoice.KEEP)


def _tls(read: Tls | None, last: Tls | None) -> Tls | None:
    if read is None or last is None:
        return read
    if last.source is TlsSource.KEEP:
        return replace(last, level=read.level)
    same_files = (read.certificate, read.key) == (last.certificate, last.key)
    if read.source is TlsSource.FILES and last.source is TlsSource.FILES and same_files:
        return replace(read, names=last.names)
    return read


def _smarthost(read: Smarthost | None, last: Smarthost | None) -> Smarthost | None:
    if read is None or last is None or (read.host, read.port, read.user) != (last.host, last.port, last.user):
        return read
    there = bool(last.password_file) and Path(last.password_file).is_file()
    return replace(read, password_file=last.password_file if there else "", ca_file=last.ca_file)
