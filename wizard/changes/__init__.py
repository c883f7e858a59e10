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
from wizard.changes.files import MakeLink, WriteFile, WriteLast
from wizard.changes.groups import (
    CreateGroup,
    DeleteGroup,
    JoinGroup,
    LeaveGroup,
    QuitGroup,
    RejoinGroup,
    RemakeGroup,
    RemoveGroup,
)
from wizard.changes.ldapvalues import RestoreValues, SetValues
from wizard.changes.packages import ForgetAnswers, InstallPackages, ReinstallPackages, RemovePackages
from wizard.changes.removals import (
    DropDirectory,
    DropLink,
    DropOverride,
    RemakeDirectory,
)
from wizard.changes.restoring import RestoreFile, RestoreText
from wizard.changes.serving import (
    Disable,
    DisableService,
    Enable,
    EnableService,
    ReloadService,
    RestartService,
    Resume,
    Revive,
    StartService,
    StopService,
    service_state,
)
from wizard.changes.sharing import MoveSecrets, RestoreSecrets, ReturnSecrets, ShareSecrets
from wizard.changes.tables import BuildTable, RestoreTable, Sweep

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
        StopService,
        DisableService,
        WriteLast,
        QuitGroup,
        DeleteGroup,
        ReturnSecrets,
        DropLink,
        DropOverride,
        DropDirectory,
    )
}
#: What takes something away that a service with its old files may need: made when all of them have new ones.
REMOVALS = (WriteLast, QuitGroup, DeleteGroup, ReturnSecrets, DropLink, DropOverride, DropDirectory)

UNDO_KINDS: Mapping[str, type[Undo]] = {
    kind.kind: kind
    for kind in (
        ReinstallPackages,
        RemovePackages,
        ForgetAnswers,
        RemoveGroup,
        LeaveGroup,
        RestoreOverride,
        RestoreDirectory,
        RemoveDirectories,
        RestoreSecrets,
        RestoreValues,
        RestoreFile,
        RestoreText,
        RestoreTable,
        Sweep,
        Revive,
        Disable,
        RejoinGroup,
        RemakeGroup,
        RemakeDirectory,
        MoveSecrets,
        Resume,
        Enable,
    )
}

__all__ = [
    "KINDS",
    "REMOVALS",
    "UNDO_KINDS",
    "BuildTable",
    "Change",
    "CreateGroup",
    "DeleteGroup",
    "Disable",
    "DisableService",
    "DropDirectory",
    "DropLink",
    "DropOverride",
    "Enable",
    "EnableService",
    "ForgetAnswers",
    "InstallPackages",
    "JoinGroup",
    "LeaveGroup",
    "MakeCertificate",
    "MakeDirectory",
    "MakeLink",
    "MoveSecrets",
    "QuitGroup",
    "ReinstallPackages",
    "RejoinGroup",
    "ReloadService",
    "RemakeDirectory",
    "RemakeGroup",
    "RemoveDirectories",
    "RemoveGroup",
    "RemovePackages",
    "RestartService",
    "RestoreDirectory",
    "RestoreFile",
    "RestoreOverride",
    "RestoreSecrets",
    "RestoreTable",
    "RestoreText",
    "RestoreValues",
    "Resume",
    "ReturnSecrets",
    "Revive",
    "SetValues",
    "ShareSecrets",
    "StartService",
    "StatOverride",
    "StopService",
    "Sweep",
    "Undo",
    "WriteFile",
    "WriteLast",
    "service_state",
]
