"""Makes the README's picture: the wizard itself, on a fresh machine, at the moment when all tests are green.

``python -m tests.picture`` boots the machine, drives the wizard by keys and writes docs/picture.svg.
"""

from __future__ import annotations

import io
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

from tests.machines.images import Debian, Kind
from tests.machines.machine import LAUNCHER, Machine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyte.screens import Char

_PICTURE = Path(__file__).resolve().parent.parent / "docs" / "picture.svg"
_PAGES = ("Back end", "Mechanisms", "TLS", "Submission", "Smarthost", "Accounts")
_NAMES: Mapping[str, str] = {"brown": "yellow", "brightbrown": "bright_yellow", "brightblack": "bright_black"}


def main() -> int:
    """Make the picture."""
    with Machine(Debian.TRIXIE, Kind.READY, internet=True) as machine:
        machine.run("useradd -m alice && echo 'alice:wonder land' | chpasswd")
        with machine.interactive([LAUNCHER]) as terminal:
            terminal.expect("Set up authenticated submission")
            for page in _PAGES:
                terminal.press("enter")
                terminal.expect(f"of 10 {page}")
            for key in ("alice", "\t", "wonder land", "\r"):
                terminal.send(key)
                time.sleep(0.5)
            terminal.expect(r"\d+ changes", timeout=60)
            terminal.press("a")
            terminal.expect("Apply this now")
            terminal.press("y")
            terminal.expect(r"All \d+ tests passed", timeout=120)
            terminal.press("down", "down", "down")
            time.sleep(2)
            terminal.screen()
            _PICTURE.write_text(_svg(terminal.cells()), encoding="utf-8")
    return 0


def _svg(lines: list[list[Char]]) -> str:
    console = Console(
        width=len(lines[0]), file=io.StringIO(), record=True, force_terminal=True, color_system="truecolor"
    )
    for line in lines:
        text = Text()
        for cell in line:
            text.append(
                cell.data,
                Style(color=_color(cell.fg), bgcolor=_color(cell.bg), bold=cell.bold, reverse=cell.reverse),
            )
        console.print(text, soft_wrap=True)
    svg = console.export_svg(title="postfix-auth", theme=MONOKAI)
    # whoever looks at it has a monospaced font, and need not ask the world for another
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace(
        "Fira Code, monospace", "monospace"
    )


def _color(name: str) -> str | None:
    if name == "default":
        return None
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    return _NAMES.get(name, name.replace("bright", "bright_"))


if __name__ == "__main__":
    sys.exit(main())
