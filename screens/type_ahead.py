"""Takes keys in the order in which they were typed, each where it was meant.

Textual hands every key at once to the widget that has the focus now, and follows a key like tab only after
the keys behind it have been handed out. Over a slow line many keys arrive together: a password typed after a
tab would end in the field before it, for all to read. Here a key is done with before the next is looked at.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual import events
from textual.app import App
from textual.widgets import Input

if TYPE_CHECKING:
    from textual.widget import Widget

_PATIENCE = 1.0  # seconds that a widget gets to take in what was typed


class InOrderApp(App[int]):
    """An app for those who type ahead."""

    async def on_event(self, event: events.Event) -> None:
        """Take keys one by one, everything else as Textual does."""
        if isinstance(event, events.Key) and not event.is_forwarded:
            await self._take(event)
        else:
            await super().on_event(event)

    async def _take(self, key: events.Key) -> None:
        target = self.focused or self.screen
        if isinstance(target, Input) and key.is_printable:
            target.post_message(_forwarded(key))
            return
        await _drain(target)
        for priority in (True, False):
            if await self._check_bindings(key.key, priority=priority):
                return
        target.post_message(_forwarded(key))


def _forwarded(key: events.Key) -> events.Key:
    key._set_forwarded()  # noqa: SLF001 - what Textual does with a key that it hands on
    return key


async def _drain(target: Widget) -> None:
    """Wait until ``target`` has taken in everything that was typed into it."""
    done = asyncio.Event()
    if target.call_later(done.set):
        await asyncio.wait_for(done.wait(), _PATIENCE)
