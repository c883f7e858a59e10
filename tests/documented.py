"""Follows docs/new-back-end.md to the letter, in a copy of the project."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROJECT = Path(__file__).resolve().parents[1]
PAGE = _PROJECT / "docs/new-back-end.md"
_PARTS = ("docs", "recipes", "screens", "wizard", "pyproject.toml", "postfix-auth")
_MODULE = re.compile(r"^## .*: `(recipes/\w+\.py)`$.*?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DIFF = re.compile(r"^```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def follow(folder: Path) -> Path:
    """Do in a copy below ``folder`` what the page says, and return the copy.

    Raises:
        subprocess.CalledProcessError: when a change that the page shows does not fit the project any more.

    """
    copy, page = folder / "project", PAGE.read_text()
    copy.mkdir()
    for part in _PARTS:
        if (_PROJECT / part).is_dir():
            shutil.copytree(_PROJECT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(_PROJECT / part, copy / part)
    for name, text in _MODULE.findall(page):
        (copy / name).write_text(text)
    diff = "".join(line for shown in _DIFF.findall(page) for line in _counted(shown))
    subprocess.run(["git", "apply", "-"], input=diff, text=True, cwd=copy, check=True)
    return copy


def _counted(diff: str) -> Iterator[str]:
    """Yield the lines of a diff whose hunks begin with a bare ``@@``, with the counts that git wants."""
    for piece in re.split(r"^(?=--- a/|@@$)", diff, flags=re.MULTILINE):
        lines = piece.splitlines(keepends=True)
        if lines and lines[0] == "@@\n":
            added = sum(line.startswith("+") for line in lines)
            removed = sum(line.startswith("-") for line in lines)
            kept = len(lines) - 1 - added - removed
            # git takes any line but the first for a guess
            lines[0] = f"@@ -2,{kept + removed} +2,{kept + added} @@\n"
        yield from lines
