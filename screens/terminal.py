"""Whether the wizard can be shown here; asked before Textual is loaded, which would hang or paint garbage."""

from __future__ import annotations

import os
import sys

#: Terminals that can't move a cursor, or that nobody knows.
_CANNOT = frozenset({"", "dumb", "unknown"})
_LEAST_COLUMNS, _LEAST_ROWS = 60, 20
_INSTEAD = "; without the wizard: postfix-auth status, plan -p FILE, apply -p FILE"


def unusable() -> str:
    """Return why the wizard can't be shown, in a sentence that names the other way; empty if it can."""
    reason = _reason()
    return reason + _INSTEAD if reason else ""


def _reason() -> str:
    # Textual reads the keys from the first and paints on the last
    streams = {"input": sys.__stdin__, "output": sys.__stdout__, "error output": sys.__stderr__}
    for name, stream in streams.items():
        if stream is None or stream.closed or not stream.isatty():
            return f"the wizard needs a terminal, and standard {name} is none"
    kind = os.environ.get("TERM", "")
    if kind in _CANNOT:
        return f'the wizard needs a terminal that can place text, and TERM is "{kind}"'
    encoding = getattr(sys.__stderr__, "encoding", "")
    if encoding.lower().replace("-", "") != "utf8":
        return f"the wizard needs a UTF-8 locale, and this one is {encoding} (try LC_ALL=C.UTF-8)"
    return _too_small()


def _too_small() -> str:
    columns, rows = os.get_terminal_size(sys.__stderr__.fileno() if sys.__stderr__ else 2)
    # a serial line says 0 x 0, which means that it does not know
    if columns and rows and (columns < _LEAST_COLUMNS or rows < _LEAST_ROWS):
        needed = f"{_LEAST_COLUMNS}x{_LEAST_ROWS} characters"
        return f"the wizard needs {needed}, and this terminal has {columns}x{rows}"
    return ""
