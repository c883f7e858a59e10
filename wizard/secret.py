"""A password that does not show itself."""

from __future__ import annotations

import hmac


class Secret:
    """Holds a secret ``text``; only ``reveal()`` gives it back, never ``repr``, ``str`` or a format."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself: only for the one who needs it on the wire or in a file."""
        return self._text

    def __repr__(self) -> str:
        return "(secret)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(Secret)  # a hash of the text would tell something about it

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not to be pickled")
