"""What every change is, and what every way back is.

A change is a small value: it describes itself, shows its diff, says whether it is in force already, and can
be applied. Before it is applied it gives its way back: values of their own, kept in the journal, so that they
can be followed by another process after a crash, without the change.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from wizard.root import Root


@dataclass(frozen=True, slots=True)
class Change(ABC):
    """One thing that apply does to the host. ``reason`` says to the admin what it is good for."""

    kind: ClassVar[str]
    reason: str = field(kw_only=True)

    @property
    @abstractmethod
    def target(self) -> str:
        """What is changed, as the admin sees it: a path, ``group sasl``, ``restart postfix``."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files whose content this change decides; no rollback if somebody has edited them since."""
        return ()

    @abstractmethod
    def diff(self, root: Root) -> str:
        """Return what will happen: a unified diff, or command lines, each after a ``+``. Never a secret."""

    @abstractmethod
    def done(self, root: Root) -> bool:
        """Whether the host is that way already."""

    def check(self, root: Root) -> None:  # noqa: B027 - most changes have nothing to object
        """Look, before anything is changed, whether this change can be applied.

        Raises:
            HostError: when it can't, and so nothing of the plan should be.

        """

    @abstractmethod
    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return what leads back from this change, to be kept durably before it is applied."""

    @abstractmethod
    def apply(self, root: Root) -> str | None:
        """Do it; return how long a service was away, if one was.

        Raises:
            ChangedSinceReviewError: when the host is not as it was reviewed.
            WizardError: when it fails; nothing is then left half-written.

        """


@dataclass(frozen=True, slots=True)
class Undo(ABC):
    """One step back. It can be taken any number of times, and also when the change was never made."""

    kind: ClassVar[str]

    @abstractmethod
    def undo(self, root: Root) -> str | None:
        """Make it as it was. Return in words what the admin should know of it; mostly nothing.

        Raises:
            WizardError: when that fails.

        """

    def conflicts(self, root: Root) -> tuple[str, ...]:  # noqa: ARG002 - those who care look
        """Return in words what others have built on this change since, and would lose."""
        return ()
