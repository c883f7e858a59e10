"""The page on which the tests stand beside the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.terminal.site import result
from tests.terminal.test_wizard import to_review
from wizard.events import Event

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
