"""What services do once their files are written: start, reload, restart, start at boot.

On the way back it is the same the other way round: whatever ran before runs again, with the old files.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wizard import dovecot, processes, services
from wizard.changes.base import Change, Undo
from wizard.errors import WizardError

if TYPE_CHECKING:
    from wizard.root import Root

_SERVICES = ("postfix", "saslauthd", "dovecot")


@dataclass(frozen=True, slots=True)
class State:
    """Whether a service runs, and whether it starts at boot (None: nothing boots here)."""

    running: bool
    enabled: bool | None


def service_state(service: str, root: Root) -> State:
    """Ask for the state of ``service`` on this host."""
    return State(processes.running(service), processes.enabled(service, root))


@dataclass(frozen=True, slots=True)
class ServiceChange(Change):
    """What all changes to a service have in common: its name and a verb."""

    verb: ClassVar[str]
    service: str

    def __post_init__(self) -> None:
        if self.service not in _SERVICES:
            raise WizardError(f"{self.service!r} is not a service that is managed here")

    @property
    def target(self) -> str:
        """What is done, in words."""
        return f"{self.verb} {self.service}"

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the command."""
        if services.systemd():
            return f"+ systemctl {self.verb} {self.service}\n"
        return f"+ {' '.join(services.by_hand(self.service, self.verb))}\n"

    def done(self, root: Root) -> bool:  # noqa: ARG002 - a plan has it only if it is needed
        """Whether it need not be done: never."""
        return False

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return that the service has to be as it was: running with its old files, or not at all."""
        return (Revive(self.service, service_state(self.service, root).running),)


@dataclass(frozen=True, slots=True)
class StartService(ServiceChange):
    """Start a service that does not run."""

    kind: ClassVar[str] = "start-service"
    verb: ClassVar[str] = "start"

    def apply(self, root: Root) -> None:  # noqa: ARG002 - there is but one live host
        """Start it; WizardError when it does not run afterwards."""
        services.start(self.service)


@dataclass(frozen=True, slots=True)
class RestartService(ServiceChange):
    """Stop and start a service: for a moment nobody is served."""

    kind: ClassVar[str] = "restart-service"
    verb: ClassVar[str] = "restart"

    def apply(self, root: Root) -> str:  # noqa: ARG002 - there is but one live host
        """Restart it; WizardError when it does not run afterwards."""
        return _restarted(self.service)


@dataclass(frozen=True, slots=True)
class ReloadService(ServiceChange):
    """Let a service read its files anew; who is connected stays so.

    An smtpd that kept failing is not tried for a minute, and Debian 13's master may do nothing but wait for a
    port that was closed just now: only a stop ends either.
    """

    kind: ClassVar[str] = "reload-service"
    verb: ClassVar[str] = "reload"

    def apply(self, root: Root) -> str | None:
        """Reload it, restart Postfix if a port of it then greets nobody; WizardError when that can't be."""
        services.reload(self.service)
        if self.service == "postfix" and not _greets(root):
            return f"{_restarted(self.service)}: a reload did not bring it back"
        if self.service == "dovecot":
            # an smtpd that finds nobody there is not tried again for a minute
            dovecot.wait_for_answer()
        return None


def _greets(root: Root) -> bool:
    """Whether Postfix greets on each of its ports."""
    # it knows the kinds of change
    from wizard import greeting  # noqa: PLC0415

    return greeting.everywhere(root)


def _restarted(service: str) -> str:
    """Restart ``service``, and return how long it was away."""
    began = time.monotonic()
    services.restart(service)
    return f"{service} was away for {time.monotonic() - began:.2f} s"


@dataclass(frozen=True, slots=True)
class EnableService(ServiceChange):
    """Let a service start at boot."""

    kind: ClassVar[str] = "enable-service"
    verb: ClassVar[str] = "enable"

    def done(self, root: Root) -> bool:
        """Whether it does; also where nothing boots."""
        return processes.enabled(self.service, root) is not False

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return that it does not, as before."""
        return () if self.done(root) else (Disable(self.service),)

    def apply(self, root: Root) -> None:  # noqa: ARG002 - there is but one live host
        """Enable it; WizardError when systemctl can't."""
        services.enable(self.service, at_boot=True)


@dataclass(frozen=True, slots=True)
class StopService(ServiceChange):
    """Stop a service that was set up here and that nothing asks any more."""

    kind: ClassVar[str] = "stop-service"
    verb: ClassVar[str] = "stop"

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return that it runs again, if it does."""
        return (Resume(self.service, service_state(self.service, root).running),)

    def apply(self, root: Root) -> None:  # noqa: ARG002 - there is but one live host
        """Stop it; WizardError when a process of it is left."""
        services.stop(self.service)


#: The changes to what runs now; a boot does the same to a service, as soon as its files are written.
RUNNING = (StartService, RestartService, ReloadService, StopService)


@dataclass(frozen=True, slots=True)
class DisableService(ServiceChange):
    """Let a service no longer start at boot."""

    kind: ClassVar[str] = "disable-service"
    verb: ClassVar[str] = "disable"

    def capture(self, root: Root) -> tuple[Undo, ...]:  # noqa: ARG002 - a plan has it only if it is needed
        """Return that it does, as when this was planned: its defaults file may say otherwise by now."""
        return (Enable(self.service),)

    def apply(self, root: Root) -> None:  # noqa: ARG002 - there is but one live host
        """Disable it; WizardError when systemctl can't."""
        services.enable(self.service, at_boot=False)


@dataclass(frozen=True, slots=True)
class Revive(Undo):
    """Lets a service run with its old files again, or stops it if it did not run.

    Postfix is restarted only if somebody who connects is not greeted after a reload: an smtpd that kept
    failing is not tried for a minute, and only a stop ends that.
    """

    kind: ClassVar[str] = "revive-service"
    service: str
    running: bool

    def undo(self, root: Root) -> str | None:
        """Reload, restart or stop it; what has gone with its package can't be started, but may still run."""
        if not root.live:
            return None
        runs = processes.running(self.service)
        if not self.running:
            if runs:
                services.stop(self.service)
        elif self.service == "dovecot" and runs:
            services.reload(self.service)  # whoever reads mail stays connected
        elif services.installed(self.service) and not (runs and self._reloaded(root)):
            gap = _restarted(self.service)
            return gap if runs else None
        return None

    def _reloaded(self, root: Root) -> bool:
        if self.service != "postfix":
            return False
        with suppress(WizardError):
            services.reload(self.service)
            return _greets(root)
        return False


@dataclass(frozen=True, slots=True)
class Resume(Revive):
    """Lets a service that was stopped here run again."""

    kind: ClassVar[str] = "resume-service"


@dataclass(frozen=True, slots=True)
class Enable(Undo):
    """Lets a service start at boot again."""

    kind: ClassVar[str] = "enable-again"
    service: str

    def undo(self, root: Root) -> None:
        """Enable it, if it is not."""
        if root.live and processes.enabled(self.service, root) is False:
            services.enable(self.service, at_boot=True)


@dataclass(frozen=True, slots=True)
class Disable(Undo):
    """Takes a service out of those that start at boot."""

    kind: ClassVar[str] = "disable-service"
    service: str

    def undo(self, root: Root) -> None:
        """Disable it, if it is enabled."""
        if root.live and processes.enabled(self.service, root):
            services.enable(self.service, at_boot=False)
