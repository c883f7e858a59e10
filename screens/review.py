"""The step that shows every change, its diff and its reason, before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll

from screens import doing, saving
from screens.answers import Intent
from screens.labels import where
from screens.rehearsing import Rehearsal
from screens.typed_passwords import named
from screens.widgets.choice_list import Listing
from screens.widgets.dialogs import Dialogue, FileName
from screens.widgets.pane import Pane
from screens.widgets.step import Step, Words
from screens.widgets.text import SIGNS, shown
from wizard.choices import Choice
from wizard.doing_words import DOING
from wizard.passwordfile import kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from screens.previewing import Preview
    from wizard.plan import Plan

_WAYS_ON = (
    "esc goes back to change the answer. s saves the answers as a policy: once what is missing is there, "
    "postfix-auth apply -p FILE does what they say."
)


class ReviewStep(Step):
    """Lists the changes; the diff and the reason of the one that the cursor is on stand below."""

    short = "Review"
    question = "Nothing has been changed yet"
    keys = "s save   esc back   F1 help"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "apply", show=False),
        Binding("r", "rehearse", show=False),
        Binding("v", "view", show=False),
        Binding("d", "view_all", show=False),
        Binding("w", "warnings", show=False),
        Binding("s", "save", show=False),
    ]

    _preview: Preview | None = None
    _saved: tuple[str, ...] = ()

    def fields(self) -> ComposeResult:
        """The sum, the list, the reason, the diff."""
        yield Words("Working out what has to be changed ...", id="sum")
        yield Words("", id="warned")
        with VerticalScroll(id="changes-box", can_focus=False):
            yield Listing((), topic="review.changes", id="changes")
        with Vertical(id="change"):
            yield Words("", id="target")
            yield Words("", id="reason")
            yield Pane(topic="review.changes", broken=True, id="diff")

    def previewed(self, preview: Preview) -> str:
        """Show what the engine has worked out."""
        self._preview = preview
        self._sum(preview)
        plan = preview.plan
        if plan is None:
            return ""
        self.keys = f"{'   '.join(self._ways_on(plan))}   {type(self).keys}"
        self.post_message(self.Framed())
        listing = self.query_one("#changes", Listing)
        entries = [
            Choice(str(at), _label(change.kind, change.target), _size(diff))
            for at, (change, diff) in enumerate(zip(plan.changes, preview.diffs, strict=True))
        ]
        listing.offer(entries, ())
        self._look_at(listing.here)
        listing.focus()
        return ""

    def _ways_on(self, plan: Plan) -> Iterator[str]:
        """Yield the keys that can do something with this ``plan``."""
        if not self._no_apply:
            otherwise = "enter make accounts" if doing.to_make(self.answers) else "enter test"
            yield "a apply" if plan.pending else otherwise
        if plan.pending:
            yield from ("r rehearse", "v view it", "d view all")

    def _sum(self, preview: Preview) -> None:
        plan = preview.plan
        if plan is None:
            problem = "\n".join(map(shown, preview.problem.splitlines()))
            lines = [f"{SIGNS.bad} {where(preview.key)}{problem}", "", _WAYS_ON]
        else:
            lines = [self._outcome(plan)]
            if self._no_apply:
                lines.append(f"{SIGNS.attention} {self._no_apply}")
        self.query_one("#sum", Words).say("\n".join((*lines, *self._saved)))
        warned = self.query_one("#warned", Words)
        warned.say(_warned(plan.warnings if plan else ()))
        warned.display = bool(plan and plan.warnings)

    def _outcome(self, plan: Plan) -> str:
        count = len(plan.changes)
        if count:
            return f"{count} change{'' if count == 1 else 's'}, {plan.interruption}"
        if not self._no_apply and (accounts := doing.to_make(self.answers)):
            names = ", ".join(shown(new.name) for new in accounts)
            return f"Nothing to change: this host is as you want it. enter makes accounts: {names}"
        test = "" if self._no_apply else "enter tests it, "
        return f"Nothing to do: this host is as you want it. {test}s saves the policy."

    @property
    def _no_apply(self) -> str:
        if self.answers.intent is Intent.LOOK:
            reason = self.situation.no_apply or "the first page offers more"
            return f"Only looking, nothing will be applied: {reason}"
        return self.situation.no_apply

    @on(Listing.Moved)
    def _moved(self, event: Listing.Moved) -> None:
        event.stop()
        self._look_at(event.value)

    def _look_at(self, value: str) -> None:
        plan = self._preview.plan if self._preview else None
        if plan is None or not value or self._preview is None:
            return
        change, diff = plan.changes[int(value)], self._preview.diffs[int(value)]
        self.query_one("#target", Words).say(shown(change.target))
        self.query_one("#reason", Words).say(f"why: {shown('; '.join(change.reason.splitlines()))}")
        self.query_one("#diff", Pane).show_lines(diff.splitlines())

    # what can be done with it

    async def action_apply(self) -> None:
        """Ask for the last yes; if there is nothing to apply, go on to the tests."""
        if self._preview and self._preview.plan and not self._no_apply:
            await self.run_action("screen.apply")
        else:
            self.app.bell()

    async def action_rehearse(self) -> None:
        """Try it in a shadow of this host first, where there is something to try."""
        plan = self._preview.plan if self._preview else None
        if plan and plan.pending:
            await self.app.push_screen(Rehearsal(plan, self.situation, self.answers))
        else:
            self.app.bell()

    async def action_view(self) -> None:
        """Show the change that the cursor is on over the whole screen."""
        at = self.query_one("#changes", Listing).here
        if self._preview and self._preview.plan and at:
            change, diff = self._preview.plan.changes[int(at)], self._preview.diffs[int(at)]
            await self.app.push_screen(
                Dialogue(f"Change {int(at) + 1}: {shown(change.target)}", _told(change.reason, diff))
            )
        else:
            self.app.bell()

    async def action_view_all(self) -> None:
        """Show every change over the whole screen, and all there is to know about them."""
        plan = self._preview.plan if self._preview else None
        if self._preview is None or plan is None:
            self.app.bell()
            return
        lines = _marked(plan.warnings)
        for change, diff in zip(plan.changes, self._preview.diffs, strict=True):
            lines += [f"# {shown(_label(change.kind, change.target))}", *_told(change.reason, diff), ""]
        await self.app.push_screen(Dialogue(self._outcome(plan), lines))

    async def action_warnings(self) -> None:
        """Show all there is to know about the plan."""
        plan = self._preview.plan if self._preview else None
        if plan and plan.warnings:
            await self.app.push_screen(Dialogue("To know before it is applied", _marked(plan.warnings)))
        else:
            self.app.bell()

    async def action_save(self) -> None:
        """Ask where the policy shall be saved."""
        if self._preview:
            await self.app.push_screen(FileName(saving.proposal()), self._save)

    def _save(self, name: str | None) -> None:
        if not self._preview or not name:
            return
        whole = self._preview.plan.whole if self._preview.plan else self.answers.policy
        lines = [saving.save(named(whole, self.answers.passwords), name)]
        lines += (
            f"It holds no password: that has to be in {kept(section)} before it is applied."
            for section in self.answers.passwords
        )
        self._saved = tuple(map(shown, lines))
        self._sum(self._preview)

    async def incomplete(self) -> bool:
        """Stay here: what goes on from here is the last yes, not a key for the next page."""
        await self.action_apply()
        return True


def _warned(warnings: tuple[str, ...]) -> str:
    """Return one line for all ``warnings``: the diff needs the room, and a key shows the whole of them."""
    count = "1 warning, w shows it" if len(warnings) == 1 else f"{len(warnings)} warnings, w shows them"
    return f"{SIGNS.attention} {count}: {shown(warnings[0].splitlines()[0])}" if warnings else ""


def _marked(warnings: tuple[str, ...]) -> list[str]:
    """Return the lines of ``warnings``; what has to be written elsewhere has lines of its own."""
    return [line for warning in warnings for line in (*f"! {warning}".splitlines(), "")]


def _told(reason: str, diff: str) -> list[str]:
    return [*(f"# why: {line}" for line in reason.splitlines()), *diff.splitlines()]


def _label(kind: str, target: str) -> str:
    """Say what is done to what, briefly: of a path its last two parts."""
    name = "/".join(target.split("/")[-2:]) if target.startswith("/") else target
    return f"{DOING.get(kind, '')} {name}".strip()


def _size(diff: str) -> str:
    lines = [line for line in diff.splitlines() if not line.startswith(("+++", "---"))]
    plus, minus = (sum(line.startswith(sign) for line in lines) for sign in "+-")
    return f"+{plus} -{minus}"
