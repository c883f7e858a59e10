"""The step that shows every change, its diff and its reason, before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding
from textual.containers import VerticalScroll

from screens import doing, saving
from screens.answers import Intent
from screens.labels import where
from screens.rehearsing import Rehearsal
from screens.typed_passwords import named
from screens.widgets.choice_list import Listing
from screens.widgets.dialogs import FileName
from screens.widgets.pane import Pane
from screens.widgets.step import Step, Words
from screens.widgets.text import SIGNS, shown
from wizard.choices import Choice
from wizard.doing_words import DOING
from wizard.passwordfile import kept

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from screens.previewing import Preview

_MOST_WARNINGS = 3
_WAYS_ON = (
    "esc goes back to change the answer. s saves the answers as a policy: once what is missing is there, "
    "postfix-auth apply -p FILE does what they say."
)


class ReviewStep(Step):
    """Lists the changes; the diff and the reason of the one that the cursor is on stand below."""

    short = "Review"
    question = "Nothing has been changed yet"
    keys = "a apply   r rehearse   d print the diff   s save policy   esc back   F1 help"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "apply", show=False),
        Binding("r", "rehearse", show=False),
        Binding("d", "print", show=False),
        Binding("s", "save", show=False),
    ]

    _preview: Preview | None = None

    def fields(self) -> ComposeResult:
        """The sum, the list, the reason, the diff."""
        yield Words("Working out what has to be changed ...", id="sum")
        with VerticalScroll(id="changes-box", can_focus=False):
            yield Listing((), topic="review.changes", id="changes")
        yield Words("", id="reason")
        yield Pane(topic="review.changes", id="diff")

    def previewed(self, preview: Preview) -> str:
        """Show what the engine has worked out."""
        self._preview = preview
        self._sum(preview)
        plan = preview.plan
        if plan is None:
            return ""
        listing = self.query_one("#changes", Listing)
        entries = [
            Choice(str(at), _label(change.kind, change.target), _size(diff))
            for at, (change, diff) in enumerate(zip(plan.changes, preview.diffs, strict=True))
        ]
        listing.offer(entries, ())
        self._look_at(listing.here)
        listing.focus()
        return ""

    def _sum(self, preview: Preview) -> None:
        plan = preview.plan
        if plan is None:
            self._say(f"{SIGNS.bad} {where(preview.key)}{preview.problem}\n\n{_WAYS_ON}")
            return
        count = len(plan.changes)
        text = f"{count} change{'' if count == 1 else 's'}, {plan.interruption}"
        if not count:
            text = "Nothing to do: this host is as you want it. enter tests it, s saves the policy."
            if accounts := doing.to_make(self.answers):
                names = ", ".join(shown(new.name) for new in accounts)
                text = f"Nothing to change: this host is as you want it. enter makes accounts: {names}"
        # what has to be written into another program's files has lines of its own
        told = ("\n".join(map(shown, warning.splitlines())) for warning in plan.warnings[:_MOST_WARNINGS])
        lines = [text, *(f"{SIGNS.attention} {warning}" for warning in told)]
        if len(plan.warnings) > _MOST_WARNINGS:
            lines.append(f"  and {len(plan.warnings) - _MOST_WARNINGS} more: d prints all")
        if self._no_apply:
            lines.append(f"{SIGNS.attention} {self._no_apply}")
        self._say("\n".join(lines))

    def _say(self, text: str) -> None:
        self.query_one("#sum", Words).say(text)

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
        reason = "; ".join(change.reason.splitlines())
        self.query_one("#reason", Words).say(f"{shown(change.target)}\nwhy: {shown(reason)}")
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

    def action_print(self) -> None:
        """Leave with the diff on the terminal."""
        if self._preview and self._preview.plan:
            self.post_message(self.Print(self._preview.plan))

    async def action_save(self) -> None:
        """Ask where the policy shall be saved."""
        if self._preview:
            await self.app.push_screen(FileName(saving.PROPOSAL), self._save)

    def _save(self, name: str | None) -> None:
        if not self._preview or not name:
            return
        whole = self._preview.plan.whole if self._preview.plan else self.answers.policy
        lines = [saving.save(named(whole, self.answers.passwords), name)]
        lines += (
            f"It holds no password: that has to be in {kept(section)} before it is applied."
            for section in self.answers.passwords
        )
        self._say("\n".join(map(shown, lines)))

    async def incomplete(self) -> bool:
        """Stay here: what goes on from here is the last yes, not a key for the next page."""
        await self.action_apply()
        return True


def _label(kind: str, target: str) -> str:
    """Say what is done to what, briefly: of a path its last two parts."""
    name = "/".join(target.split("/")[-2:]) if target.startswith("/") else target
    return f"{DOING.get(kind, '')} {name}".strip()


def _size(diff: str) -> str:
    lines = [line for line in diff.splitlines() if not line.startswith(("+++", "---"))]
    plus, minus = (sum(line.startswith(sign) for line in lines) for sign in "+-")
    return f"+{plus} -{minus}"
