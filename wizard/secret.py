"""A password that does not show itself."""

from __future__ import annotations

import ctypes
import hmac
import resource
from functools import cache

_SET_DUMPABLE = 4  # PR_SET_DUMPABLE, prctl(2)


@cache
def keep_memory_private() -> None:
    """Let no memory of this process reach a disk when it crashes (core(5)); its children are not concerned.

    The limit alone would not do: it does not count where a program collects the core dumps.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


class Secret:
    """Holds a secret ``text``; only ``reveal()`` gives it back, never ``repr``, ``str`` or a format.

    A process that holds one leaves no core dump.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        keep_memory_private()
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
