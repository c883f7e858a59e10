"""The wizard's program: the theme, the signals, and a clean way out."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import traceback
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding

from screens.thrift import ThriftyApp
from screens.type_ahead import InOrderApp
from screens.widgets.text import shown
from screens.wizard_screen import WizardScreen
from wizard.secret import keep_memory_private

if TYPE_CHECKING:
    from types import FrameType

    from textual.binding import BindingType

    from wizard.root import Root

_LIGHT = (";7", ";15")  # the colours of a background that some terminals tell; no other way to know


class WizardApp(InOrderApp, ThriftyApp):
    """Runs the wizard on the tree below ``root``."""

    CSS_PATH = "wizard.tcss"
    TITLE = "postfix-auth"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "repaint", show=False, priority=True),
        # everybody means to leave by it; Textual's own meaning, to copy, is what terminals do themselves
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def __init__(self, root: Root) -> None:
        # the terminal's own sixteen colours: readable wherever its owner can read, and short on the wire
        super().__init__(ansi_color=True)
        light = os.environ.get("COLORFGBG", "").endswith(_LIGHT)
        self.theme = "ansi-light" if light else "ansi-dark"
        self._root = root
        self.farewell: tuple[str, ...] = ()

    def get_default_screen(self) -> WizardScreen:
        """Begin with the wizard itself."""
        return WizardScreen(self._root)

    def on_mount(self) -> None:
        """Leave the terminal clean when told to stop."""
        self.animation_level = "none"
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit, 1)
        signal.signal(signal.SIGHUP, self._hung_up)

    def _hung_up(self, number: int, _: FrameType | None) -> None:
        """Leave as when told to stop; but at once, as without this handler, if the terminal is gone."""
        try:
            termios.tcgetattr(sys.__stdin__ or 0)
        except (termios.error, OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        else:
            self.call_later(self.exit, 1)

    def _fatal_error(self) -> None:
        """Say what broke, without the values of variables as Textual would: passwords are among them."""
        told = traceback.format_exception(self._exception) if self._exception else ["unknown error"]
        self.panic(Text("".join(told)))

    def on_wizard_screen_farewell(self, message: WizardScreen.Farewell) -> None:
        """Leave, and keep what shall be printed."""
        self.farewell = message.lines
        self.exit(0)

    async def action_quit(self) -> None:
        """Leave, by way of the question whether to."""
        if len(self.screen_stack) > 1:
            self.pop_screen()
        await self.run_action("screen.leave")


def run(root: Root) -> int:
    """Show the wizard until the admin leaves it; return the program's exit code."""
    # passwords are typed here long before anything else knows of them
    keep_memory_private()
    app = WizardApp(root)
    app.run()
    for line in app.farewell:
        sys.stdout.write(f"{shown(line)}\n")
    return app.return_value or app.return_code or 0
