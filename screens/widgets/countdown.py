"""How long a change still waits for the admin's yes."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from textual.message import Message

from screens.widgets.step import Words
from screens.widgets.text import SIGNS

if TYPE_CHECKING:
    from textual.timer import Timer

    from wizard.applying import Handle


class Countdown(Words):
    """Says it once a second, and only as long as it is so; of the line only the number is painted."""

    class Decided(Message):
        """The change waits no more: others have kept it, or it is being taken back."""

    def __init__(self) -> None:
        super().__init__("", id="countdown", fixed=True)
        self._timer: Timer | None = None

    @property
    def running(self) -> bool:
        """Whether something waits."""
        return self._timer is not None

    def begin(self, handle: Handle) -> None:
        """Count until the change that ``handle`` follows is kept or taken back."""
        self.stop()
        self._handle = handle
        self._timer = self.set_interval(1, self._tick)
        self._tick()

    def stop(self) -> None:
        """Say nothing any more."""
        if self._timer:
            self._timer.stop()
        self._timer = None
        self.display = False

    def _tick(self) -> None:
        now = self._handle.standing
        if not now.waits:
            self.stop()
            self.post_message(self.Decided())
            return
        left = math.ceil(now.deadline - time.time())
        text = f"Keep these settings? Otherwise all is put back in {left} s"
        if left <= 0:
            text = "The time is over: all is put back. u does it at once"
        self.display = True
        self.say(f"{SIGNS.attention} {text}")
