"""A small host to show, a plan for it, and a pilot at the wizard's keys."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from screens import doing, previewing
from screens.app import WizardApp
from screens.wizard_screen import WizardScreen
from wizard import check_probes as probes
from wizard.changes import WriteFile
from wizard.check_caller import Target
from wizard.checks import Check, Result, Stage
from wizard.errors import HostError
from wizard.events import Event
from wizard.journal import Checkpoint, State
from wizard.plan import Plan
from wizard.root import Root

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest
    from textual.pilot import Pilot

    from screens.answers import Answers, Situation
    from wizard.policy import Policy

_PATIENCE = 10.0  # seconds
_OS_RELEASE = 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n'


def tree(path: Path) -> Root:
    """Make a Debian 13 without Postfix below ``path``."""
    (path / "etc").mkdir()
    (path / "etc/os-release").write_text(_OS_RELEASE)
    (path / "etc/hostname").write_text("mail.example.net\n")
    (path / "var/lib/dpkg").mkdir(parents=True)
    (path / "var/lib/dpkg/status").write_text("")
    return Root(path)


def plan_of(policy: Policy) -> Plan:
    """Return a plan of one file that says what the policy says."""
    text = f"{policy}\n".encode()
    change = WriteFile("/etc/example.conf", before=b"old\n", after=text, reason="because of the policy")
    return Plan(policy, policy, (change,), ("something to know",))


STARTED = 1000.0
CHECKPOINT = Checkpoint("1", "2026-11-21T14:02:11+00:00", "all of it", "", State.KEPT, Path("/nowhere"))


@dataclass
class Handle:
    """Follows a process that is none: it has ``events`` to tell, and then has ended and left ``standing``."""

    events: list[Event]
    exit_code: int = 0
    checkpoint: Checkpoint = CHECKPOINT
    standing: Checkpoint = CHECKPOINT
    release: threading.Event = field(default_factory=threading.Event)
    back: Handle | None = None

    @property
    def finished(self) -> bool:
        return self.release.is_set()

    @property
    def succeeded(self) -> bool:
        return self.exit_code == 0

    def poll(self) -> tuple[Event, ...]:
        told, self.events = tuple(self.events), []
        return told

    def others(self) -> Handle:
        assert self.back
        return self.back

    def waits(self, seconds: float) -> None:
        """Wait so long for a yes from now on."""
        self.standing = replace(self.standing, state=State.APPLIED, deadline=time.time() + seconds)

    def becomes(self, state: State) -> None:
        """Be decided about."""
        self.standing = replace(self.standing, state=state, deadline=0.0)


def result(name: str = "greeting", *, ok: bool = True, why: str = "", source: str = "") -> Result:
    """Return how a test of the submission service went, that called from the address ``source``."""
    target = Target("submission", "127.0.0.1", 587)
    check = Check(target, name, Stage.LOGINS, f"the {name}", "220", probes.greeting)
    return Result(
        check,
        ok=ok,
        observed="220 hello" if ok else "nothing",
        explanation=why,
        skipped="",
        broken=False,
        dialogue=(),
        started=STARTED,
        ended=STARTED + 1,
        source_address=source,
    )


class Site:
    """A wizard with a stand-in for what plans and what applies."""

    def __init__(self, root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.planned: list[Policy] = []
        self.started: list[Answers] = []
        self.handle = Handle([])
        self.undone: list[Handle] = []
        monkeypatch.setattr(previewing, "planned", self._plan)
        monkeypatch.setattr(doing, "start", self._start)
        monkeypatch.setattr(doing, "resume", lambda _: self.handle)
        monkeypatch.setattr(doing, "undo", self._undo)
        monkeypatch.setattr(doing, "keep", self._keep)

    def _plan(self, _: Situation, policy: Policy, __: Answers) -> Plan:
        self.planned.append(policy)
        return plan_of(policy)

    def _start(self, _: Situation, answers: Answers) -> Handle:
        self.started.append(answers)
        return self.handle

    def _undo(self, _: Situation, handle: Handle) -> Handle:
        self.undone.append(handle)
        handle.becomes(State.ROLLED_BACK)
        return replace(handle, events=[Event("rolled-back", "everything is as it was before")])

    def _keep(self, _: Situation) -> None:
        if not self.handle.standing.waits:
            raise HostError("the time is over")
        self.handle.becomes(State.KEPT)

    def drive(
        self, script: Callable[[Driver], Awaitable[None]], size: tuple[int, int] = (80, 24)
    ) -> int | None:
        """Run the wizard with ``script`` at its keys; return what it was left with."""

        async def run() -> int | None:
            app = WizardApp(self.root)
            async with app.run_test(size=size) as pilot:
                await script(Driver(app, pilot))
            return app.return_value

        return asyncio.run(run())


class Driver:
    """Keys in, screen out."""

    def __init__(self, app: WizardApp, pilot: Pilot[int]) -> None:
        self.app = app
        self._pilot = pilot

    @property
    def answers(self) -> Answers:
        """What the wizard has been told so far."""
        screen = self.app.screen_stack[0]
        assert isinstance(screen, WizardScreen)
        assert screen._answers is not None
        return screen._answers

    @property
    def text(self) -> str:
        """What is on the screen."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    async def press(self, *keys: str) -> None:
        """Press keys by their names."""
        await self._pilot.press(*keys)
        await self._pilot.pause()

    async def type(self, text: str) -> None:
        """Type a text."""
        names = {" ": "space", ".": "full_stop", "-": "minus", "/": "slash", "@": "at", "_": "underscore"}
        await self.press(*(names.get(char, char) for char in text))

    async def see(self, *texts: str) -> str:
        """Wait until every one of ``texts`` is on the screen; return the screen."""
        deadline = time.monotonic() + _PATIENCE
        while not all(text in self.text for text in texts):
            assert time.monotonic() < deadline, f"no {texts} in\n{self.text}"
            await asyncio.sleep(0.02)
        return self.text
