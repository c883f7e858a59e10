"""Passwords of the host itself, from the keyboard into files only root can read, and nowhere else.

A policy names a file with the password. What was typed instead is in a file without a name while a plan is
made, which is gone with the process, however that ends; and in one of root's once the plan is applied.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from wizard.passwordfile import kept
from wizard.policy import AuxpropLdapdb, AuxpropSql, SaslauthdLdap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wizard.policy import Policy
    from wizard.secret import Secret

    #: By the section of the policy that they belong to.
    Passwords = Mapping[str, Secret]

_LONGEST = 512
_LOGS_IN = SaslauthdLdap | AuxpropSql | AuxpropLdapdb  # back ends that this host has a password for


def problem(text: str) -> str | None:
    """Say why ``text`` can't be a password; None: it can."""
    if len(text.encode()) > _LONGEST:
        return f"must not be longer than {_LONGEST} bytes"
    return None if text.isprintable() else "must not hold control characters"


@contextmanager
def with_files(policy: Policy, passwords: Passwords) -> Iterator[Policy]:
    """Give ``policy`` with the ``passwords`` in files in memory, which are gone afterwards."""
    if not passwords:
        yield policy
        return
    with ExitStack() as stack:
        files = {section: stack.enter_context(_nameless(password)) for section, password in passwords.items()}
        yield _naming(policy, files)


@contextmanager
def _nameless(password: Secret) -> Iterator[str]:
    """Give the path, within this process, of a file in memory (memfd_create(2)) with the ``password``."""
    descriptor = os.memfd_create("password")
    try:
        os.fchmod(descriptor, 0o600)
        os.write(descriptor, f"{password.reveal()}\n".encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def named(policy: Policy, passwords: Passwords) -> Policy:
    """Return ``policy`` with the names of the files in which typed ``passwords`` are kept."""
    return _naming(policy, {section: kept(section) for section in passwords})


def _naming(policy: Policy, files: Mapping[str, str]) -> Policy:
    backend, smarthost = policy.backend, policy.smarthost
    if "backend" in files and isinstance(backend, _LOGS_IN):
        backend = replace(backend, password_file=files["backend"])
    if "smarthost" in files and smarthost is not None:
        smarthost = replace(smarthost, password_file=files["smarthost"])
    return replace(policy, backend=backend, smarthost=smarthost)
