"""Values in this host's own LDAP directory and its configuration, by ldapmodify(1)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wizard import services, slapd
from wizard.changes.base import Change, Undo
from wizard.errors import ChangedSinceReviewError, HostError, WizardError
from wizard.formats import ldif

if TYPE_CHECKING:
    from wizard.root import Root

#: What may be changed: nothing of it is secret.
_ATTRIBUTES = ("olcAccess", "olcAuthzPolicy", "olcAuthzRegexp", "authzTo")
_PATIENCE = 15.0  # seconds; after a crash slapd may still be starting


def _checked(attribute: str) -> None:
    if attribute not in _ATTRIBUTES:
        raise WizardError(f"{attribute!r} is not an attribute that is managed here")


@dataclass(frozen=True, slots=True)
class SetValues(Change):
    """The values of the ``entry``'s ``attribute``, all of them and in order, ``before`` and ``after``."""

    kind: ClassVar[str] = "set-ldap-values"
    entry: str
    attribute: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    def __post_init__(self) -> None:
        _checked(self.attribute)

    @property
    def target(self) -> str:
        """The attribute and its entry."""
        return f"{self.attribute} of {self.entry}"

    @property
    def ldif(self) -> str:
        """What ldapmodify is given."""
        return ldif.modify(self.entry, self.attribute, self.before, self.after)

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command and the LDIF that it reads."""
        lines = ("ldapmodify -Y EXTERNAL -H ldapi:/// <<'END'", *self.ldif.splitlines(), "END")
        return "".join(f"+ {line}\n" for line in lines)

    def done(self, root: Root) -> bool:
        """Whether these are the values; HostError when slapd can't be asked."""
        return root.live and slapd.values(self.entry, self.attribute) == self.after

    def check(self, root: Root) -> None:
        """Look that slapd runs and has the values that were reviewed; HostError otherwise."""
        if not root.live:
            raise HostError("below --root no directory can be changed")
        if not services.installed("ldapmodify"):
            raise HostError("there is no ldapmodify on this host: apt install ldap-utils")
        if slapd.values(self.entry, self.attribute) not in (self.before, self.after):
            raise ChangedSinceReviewError(f"{self.target} was changed since it was reviewed; look again")

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return the way back to the values that are there, unless they are right already."""
        if self.done(root):
            return ()
        return (RestoreValues(self.entry, self.attribute, self.before, self.after),)

    def apply(self, root: Root) -> None:
        """Make them so; WizardError with what ldapmodify said when it can't."""
        self.check(root)
        if not self.done(root):
            slapd.modify(self.ldif).expect(f"changing {self.target}")


@dataclass(frozen=True, slots=True)
class RestoreValues(Undo):
    """Gives back the values that were there ``before``, as long as they are what was left ``after``."""

    kind: ClassVar[str] = "restore-ldap-values"
    entry: str
    attribute: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    def __post_init__(self) -> None:
        _checked(self.attribute)

    def undo(self, root: Root) -> None:
        """Give them back, if slapd is still there; WizardError when others have changed them since."""
        if not root.live or not slapd.installed():
            return
        now = self._now()
        if now == self.before:
            return
        if now != self.after:
            raise WizardError(f"{self._changed()}; they are left as they are now")
        record = ldif.modify(self.entry, self.attribute, self.after, self.before)
        slapd.modify(record).expect(f"giving back {self.attribute} of {self.entry}")

    def conflicts(self, root: Root) -> tuple[str, ...]:
        """Return that others have changed them since."""
        if not root.live or not slapd.installed():
            return ()
        now = slapd.values(self.entry, self.attribute)
        return () if now in (self.before, self.after) else (self._changed(),)

    def _changed(self) -> str:
        return f"the values of {self.attribute} of {self.entry} were changed by somebody else since"

    def _now(self) -> tuple[str, ...]:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                return slapd.values(self.entry, self.attribute)
            except HostError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
