"""A password that shows itself only when asked to."""

from __future__ import annotations


class Secret:
    """Holds a text that no log, traceback, diff or screen may show; only ``reveal`` gives it away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself, at the place where it is used."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"
