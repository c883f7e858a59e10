"""A list and a field, as Textual's own documentation makes them."""

from textual.app import App, ComposeResult
from textual.widgets import Input, OptionList


class UsualApp(App[None]):
    """Shows a list, which has the focus, and a field."""

    def compose(self) -> ComposeResult:
        """Show both."""
        yield OptionList("ready", "System accounts, through PAM", "Accounts of their own, in sasldb")
        yield Input()


if __name__ == "__main__":
    UsualApp().run()
