"""The least that Textual can show: one label."""

from textual.app import App, ComposeResult
from textual.widgets import Label


class BareApp(App[None]):
    """Shows a word."""

    def compose(self) -> ComposeResult:
        """Show it."""
        yield Label("ready")


if __name__ == "__main__":
    BareApp().run()
