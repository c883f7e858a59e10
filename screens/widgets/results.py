"""The tests and how they went: a list, what stands beside it, and the explanation of one of them."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from textual import on
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message

from screens.widgets.choice_list import Listing
from screens.widgets.dialogs import Dialogue
from screens.widgets.step import Words
from screens.widgets.text import SIGNS, shown
from wizard.choices import Choice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from textual.app import ComposeResult
    from textual.widget import Widget

    from wizard.checks import Check, Result

_MORE = " ... d: more"


class Results(Vertical):
    """Lists tests below the names of their services; the one that the cursor is on is explained."""

    class Pointed(Message):
        """The cursor is on another test, or more is known of the one that it is on."""

    def __init__(self, *beside: Widget) -> None:
        super().__init__(id="results")
        self._beside = beside
        self._results: dict[str, Result] = {}
        self._listed: dict[str, Choice] = {}

    def compose(self) -> ComposeResult:
        """The list and what stands beside it, and below them the explanation."""
        with Horizontal(id="trial"):
            with VerticalScroll(id="tests-box", can_focus=False):
                yield Listing((), topic="trial.tests", id="tests")
            yield from self._beside
        yield _Explained()

    @property
    def all(self) -> tuple[Result, ...]:
        """The results so far."""
        return tuple(self._results.values())

    @property
    def here(self) -> Result | None:
        """The result that the cursor is on, None if there is none yet."""
        return self._results.get(self._listing.here)

    @property
    def failed(self) -> int:
        """How many tests have failed."""
        return sum(not result.ok for result in self.all)

    @property
    def tally(self) -> str:
        """How the tests went, in a sentence."""
        count, skipped = len(self.all), sum(bool(result.skipped) for result in self.all)
        if self.failed:
            return f"{self.failed} of {count} tests failed: the arrows lead from one to the other."
        if skipped:
            return f"{count - skipped} tests passed, {skipped} skipped."
        return f"All {count} tests passed." if count else "There was nothing to test."

    def expect(self, checks: Iterable[Check]) -> None:
        """List tests that will be run; how they went before counts no more."""
        self._results.clear()
        for check in checks:
            self._list(Choice(check.id, f"{SIGNS.waiting} {check.title}", ""), check.service)
        self._explain("")

    def add(self, result: Result) -> None:
        """Show how a test went."""
        self._results[result.id] = result
        sign = SIGNS.dash if result.skipped else SIGNS.good if result.ok else SIGNS.bad
        tail = " (skipped)" if result.skipped else "" if result.ok else " FAILED"
        self._list(Choice(result.id, f"{sign} {result.check.title}{tail}", ""), result.service)
        self._explain(self._listing.here)

    def clear(self) -> None:
        """Forget all tests."""
        self._results.clear()
        self._listed.clear()
        self._listing.offer((), ())
        self._explain("")

    def take_focus(self) -> None:
        """Put the cursor into the list, on the first test that failed if one did."""
        self._listing.focus()
        if failed := [result.id for result in self.all if not result.ok]:
            # what is said above may take more lines now, and leave the list fewer
            self.call_after_refresh(self._listing.point_at, failed[0])

    @property
    def _listing(self) -> Listing:
        return self.query_one("#tests", Listing)

    def _list(self, entry: Choice, service: str) -> None:
        known = entry.value in self._listed
        self._listed.setdefault(service, Choice(service, service, ""))
        self._listed[entry.value] = entry
        if known:
            self._listing.relabel(entry)
            return
        services = dict.fromkeys(value.partition(".")[0] for value in self._listed)
        order = list(services)
        ordered = sorted(self._listed.values(), key=lambda each: order.index(each.value.partition(".")[0]))
        self._listing.offer(ordered, (), keep=True)

    @on(Listing.Moved)
    def _moved(self, event: Listing.Moved) -> None:
        event.stop()
        self._explain(event.value)

    def _explain(self, identity: str) -> None:
        result = self._results.get(identity)
        self.query_one(_Explained).explain(_explanation(result) if result else ())
        self.post_message(self.Pointed())


class _Explained(Words):
    """What there is to say about a test; where there is no room for it, the key that shows the rest."""

    def __init__(self) -> None:
        super().__init__("", id="explained", fixed=True)
        self._lines: tuple[str, ...] = ()

    def explain(self, lines: Iterable[str]) -> None:
        """Show these lines."""
        self._lines = tuple(lines)
        self._lay()

    def on_resize(self) -> None:
        """Break the lines anew."""
        self._lay()

    def _lay(self) -> None:
        width, height = self.size
        if not width or not height:
            return
        laid = [part for line in self._lines for part in wrap(line, width)]
        if len(laid) > height:
            room = width - len(_MORE)
            last = next(iter(wrap(laid[height - 1], room)), "")
            laid = [*laid[: height - 1], f"{last}{_MORE}"]
        self.say("\n".join(laid))


def dialogue(result: Result, *logged: str) -> Dialogue:
    """Return a page with all that is known of a test: why it failed, what was said and ``logged``."""
    said = [f"{way} {text}" for way, text in result.dialogue]
    log = ["", "# log", *logged] if logged else []
    return Dialogue(result.check.title, [*_explanation(result), "", "# dialogue", *said, *log])


def _explanation(result: Result) -> Iterator[str]:
    if result.skipped:
        yield f"skipped: {shown(result.skipped)}"
        return
    yield f"expected {shown(result.expected)}"
    yield f"got      {shown(result.observed)}"
    if result.why:
        yield f"why      {shown(result.why)}"
