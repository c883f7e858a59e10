"""A certificate that the host signs itself, made when the plan is applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wizard.changes import disk, words
from wizard.changes.base import Change, Undo
from wizard.changes.restoring import RestoreFile
from wizard.errors import WizardError

if TYPE_CHECKING:
    from wizard.root import Root

_DAYS = 825  # more than this Apple's mail programs refuse (support.apple.com/103769)
_LONGEST = 3660


@dataclass(frozen=True, slots=True)
class MakeCertificate(Change):
    """A self-signed certificate for ``names``, valid for ``days``, and its key, for root only."""

    kind: ClassVar[str] = "make-certificate"
    certificate: str
    key: str
    names: tuple[str, ...]
    days: int = _DAYS

    def __post_init__(self) -> None:
        words.path(self.certificate)
        words.path(self.key)
        if not 0 < self.days <= _LONGEST:
            raise WizardError(f"a certificate can't be valid for {self.days} days")

    @property
    def target(self) -> str:
        """The certificate's path."""
        return self.certificate

    @property
    def files(self) -> tuple[str, ...]:
        """Certificate and key."""
        return (self.certificate, self.key)

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return what will be made, in words; the key does not exist yet."""
        names = ", ".join(self.names)
        return (
            f"+ {self.certificate} (root:root 0644): self-signed, for {names}, {self.days} days\n"
            f"+ {self.key} (root:root 0600): its new private key\n"
        )

    def done(self, root: Root) -> bool:  # noqa: ARG002 - a plan has it only if a new one is wanted
        """Whether it need not be made: never."""
        return False

    def check(self, root: Root) -> None:
        """Look that both can be written; HostError otherwise."""
        for path in self.files:
            disk.refuse_unwritable(disk.real(root, path))

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return both files as they are."""
        return tuple(RestoreFile.of(root, disk.real(root, path)) for path in self.files)

    def apply(self, root: Root) -> None:
        """Make both; WizardError when they can't be written."""
        # cryptography is slow to load, and planning does without it
        from wizard import selfsigned  # noqa: PLC0415

        made = selfsigned.self_signed(self.names, days=self.days)
        for path, content, mode in (
            (self.key, made.key_pem, 0o600),
            (self.certificate, made.certificate_pem, 0o644),
        ):
            found = disk.real(root, path)
            disk.make_parents(found)
            disk.replace(found, content, disk.Look(0, 0, mode))
