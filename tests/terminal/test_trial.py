"""The page on which the tests stand beside the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from screens import doing
from tests.terminal.site import STARTED, result
from tests.terminal.test_wizard import to_review
from wizard.events import Event
from wizard.loglines import Line
from wizard.logtail import Follower, Source

if TYPE_CHECKING:
    from tests.terminal.site import Driver, Site

_WHY = " ".join(f"reason{number}" for number in range(60))


@pytest.fixture
def failed(site: Site) -> Site:
    """Return a site at which of two tests the first fails, for reasons that take more room than there is."""
    results = (result("login", ok=False, why=_WHY, source="127.0.77.1"), result("relay", source="127.0.77.2"))
    site.handle.events = [Event("test", result=each) for each in results]
    site.handle.events.append(Event("failed", "1 of 2 tests failed"))
    site.handle.exit_code = 1
    site.handle.release.set()
    return site


async def _tested(at: Driver) -> None:
    await to_review(at)
    await at.press("a", "y")
    await at.see("1 of 2 tests failed", "Esc: back")


def test_why_a_test_failed_can_be_read_to_its_end(failed: Site) -> None:
    async def script(at: Driver) -> None:
        await _tested(at)
        await at.see("why      reason0 reason1", " ... d: more")
        assert "reason59" not in at.text
        await at.press("d")
        await at.see("expected 220", "why      reason0 reason1", "reason59")
        await at.press("escape", "down")
        await at.see("got      220 hello")
        assert "d: more" not in at.text

    failed.drive(script)


class _Log(Follower):
    """Has so many seconds after the tests began been told ``lines``."""

    def __init__(self, site: Site, lines: tuple[Line, ...]) -> None:
        super().__init__(Source(), site.root)
        self._lines = lines

    def poll(self) -> tuple[Line, ...]:
        told, self._lines = self._lines, ()
        return told


def _line(text: str, after: float = 0.5, program: str = "postfix/smtpd") -> Line:
    return Line(STARTED + after, program, 7, text)


def test_the_lines_of_the_log_that_a_test_caused_are_marked(
    failed: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (
        _line("connect from x[127.0.77.1]", -9),
        _line("warning: it was another run", -9),
        _line("disconnect from x[127.0.77.1]", -9),
        *(_line(f"other {number}") for number in range(30)),
        _line("connect from x[127.0.77.1]"),
        _line("warning: out of salt"),
        _line("disconnect from x[127.0.77.1]"),
        _line("auth failure", program="saslauthd"),
        _line("auth failure of the next", 1.5, program="saslauthd"),
        *(_line(f"more {number}") for number in range(30)),
        _line("connect from x[127.0.77.2]"),
    )
    monkeypatch.setattr(doing, "log", lambda _: _Log(failed, lines))

    async def script(at: Driver) -> None:
        await _tested(at)
        shown = await at.see("!▌smtpd[7]: warning: out of salt")
        assert " ▌saslauthd[7]: auth failure" in shown
        assert "▌saslauthd[7]: auth failure of" not in shown
        await at.press("d")
        await at.see("why      reason0")
        await at.press("end")
        shown = await at.see("out of salt")
        assert "another run" not in shown
        await at.press("escape", "down")
        await at.see("▌  x[127.0.77.2]")
        assert "out of salt" not in at.text

    failed.drive(script)
