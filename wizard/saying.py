"""What the command line prints: nothing in it disturbs the terminal that shows it, whoever wrote it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from wizard.report import message_lines, shown

if TYPE_CHECKING:
    from collections.abc import Iterable


def complain(text: str) -> None:
    """Say on standard error what is wrong."""
    for line in message_lines(f"postfix-auth: {text}", sys.stderr):
        print(line, file=sys.stderr)


def say(lines: Iterable[str]) -> None:
    """Print ``lines``, which others may have written, at once."""
    for line in lines:
        print(shown(line))
    sys.stdout.flush()  # who follows an apply through a pipe sees each step as it is done


def as_json(value: object) -> None:
    """Print ``value`` for programs."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # what is no letter or sign stays the same for programs, and does nothing to a terminal
    print("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))
