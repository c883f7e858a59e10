"""The kinds of change: small values that describe, show, apply and undo themselves.

``KINDS`` and ``UNDO_KINDS`` name them all, for those who read them from a pipe or from the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.changes.base import Change, Undo
from wizard.changes.certificate import MakeCertificate
from wizard.changes.directories import (
    MakeDirectory,
    RemoveDirectories,
    RestoreDirectory,
    RestoreOverride,
    StatOverride,
)
from wizard.changes.files import MakeLink, RestoreFile, WriteFile
from wizard.changes.groups import CreateGroup, JoinGroup, LeaveGroup, RemoveGroup
from wizard.changes.ldapvalues import RestoreValues, SetValues
from wizard.changes.packages import InstallPackages, RemovePackages
from wizard.changes.serving import (
    Disable,
    EnableService,
    ReloadService,
    RestartService,
    Revive,
    StartService,
    service_state,
)
from wizard.changes.sharing import RestoreSecrets, ShareSecrets
from wizard.changes.tables import BuildTable, Sweep

if TYPE_CHECKING:
    from collections.abc import Mapping

#: In the order in which they are safe to apply: what others need comes first, what opens the door comes last.
KINDS: Mapping[str, type[Change]] = {
    kind.kind: kind
    for kind in (
        InstallPackages,
        CreateGroup,
        JoinGroup,
        StatOverride,
        MakeDirectory,
        MakeLink,
        ShareSecrets,
        MakeCertificate,
        SetValues,
        WriteFile,
        BuildTable,
        EnableService,
        StartService,
        RestartService,
        ReloadService,
    )
}

UNDO_KINDS: Mapping[str, type[Undo]] = {
    kind.kind: kind
    for kind in (
        RemovePackages,
        RemoveGroup,
        LeaveGroup,
        RestoreOverride,
        RestoreDirectory,
        RemoveDirectories,
        RestoreSecrets,
        RestoreValues,
        RestoreFile,
        Sweep,
        Revive,
        Disable,
    )
}

__all__ = [
    "KINDS",
    "UNDO_KINDS",
    "BuildTable",
    "Change",
    "CreateGroup",
    "EnableService",
    "InstallPackages",
    "JoinGroup",
    "MakeCertificate",
    "MakeDirectory",
    "MakeLink",
    "ReloadService",
    "RemoveDirectories",
    "RestartService",
    "RestoreValues",
    "Revive",
    "SetValues",
    "ShareSecrets",
    "StartService",
    "StatOverride",
    "Undo",
    "WriteFile",
    "service_state",
]
