"""What earlier runs have left on this host: a change half-way, and files that were edited by hand since."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.terminal.site import plan_of
from wizard import applying, journal
from wizard.changes import WriteFile
from wizard.journal import State
from wizard.policy import Policy, Submission

if TYPE_CHECKING:
    from tests.terminal.site import Driver, Site
    from wizard.root import Root

_FILE = "/etc/example.conf"


def _half_way(root: Root) -> None:
    """Leave the file changed, as a process does that is killed in the middle."""
    root.path(_FILE).write_text("before\n")
    change = WriteFile(_FILE, before=b"before\n", after=b"after\n", reason="because")
    checkpoint = journal.create(root, "a change", "").at(State.APPLYING)
    checkpoint.record(change.capture(root))
    change.apply(root)


def test_a_change_left_half_way_is_taken_back_first(site: Site) -> None:
    _half_way(site.root)

    async def script(at: Driver) -> None:
        await at.see("A change was interrupted half-way", "y take it back", "n only look")
        assert "Set up authenticated submission" not in at.text
        assert site.root.path(_FILE).read_text() == "after\n"
        await at.press("y")
        await at.see("Everything is as it was before.", "enter go on")
        assert site.root.path(_FILE).read_text() == "before\n"
        await at.press("enter")
        await at.see("(•) Set up authenticated submission")

    site.drive(script)
    assert [one.state for one in journal.checkpoints(site.root)] == [State.ROLLED_BACK]


def test_it_is_taken_back_on_a_host_that_can_not_be_read(site: Site) -> None:
    _half_way(site.root)
    site.root.path("/etc/os-release").unlink()

    async def script(at: Driver) -> None:
        await at.see("A change was interrupted half-way")
        await at.press("y")
        await at.see("Everything is as it was before.")

    site.drive(script)


def test_without_taking_it_back_nothing_can_be_applied(site: Site) -> None:
    _half_way(site.root)

    async def script(at: Driver) -> None:
        await at.see("A change was interrupted half-way")
        await at.press("n")
        await at.see("(•) Only look", "half-way: start again to take it back")

    site.drive(script)
    assert site.root.path(_FILE).read_text() == "after\n"


def test_what_can_not_be_taken_back_says_so(site: Site) -> None:
    _half_way(site.root)

    async def script(at: Driver) -> None:
        await at.see("A change was interrupted half-way")
        [checkpoint] = journal.checkpoints(site.root)
        (checkpoint.directory / "undo.jsonl").write_text('[{"kind": "restore-nothing"}]\n')
        await at.press("y")
        await at.see("enter go on")
        assert "Everything is as it was before" not in at.text
        await at.press("enter")
        await at.see("y take it back")

    site.drive(script)


def _apply(root: Root) -> None:
    root.path(_FILE).write_text("old\n")
    handle = applying.start(plan_of(Policy(submission=Submission())), root)
    while not handle.finished:
        time.sleep(0.05)
    handle.poll()
    assert handle.succeeded


def test_what_was_edited_by_hand_is_said_with_its_diff(site: Site) -> None:
    _apply(site.root)

    async def unedited(at: Driver) -> None:
        await at.see("Set up authenticated submission")
        assert "edited by hand" not in at.text

    site.drive(unedited)
    with site.root.path(_FILE).open("a") as file:
        file.write("by hand = \x1b[31m yes\n")

    async def script(at: Driver) -> None:
        await at.see("▲ /etc/example.conf was edited by hand since 20", "d details")
        await at.press("d")
        await at.see("+by hand = \\x1b[31m yes")
        await at.press("escape")
        await at.see("Set up authenticated submission")
        await at.press("enter")
        await at.see("of 10 Back end")

    site.drive(script)
