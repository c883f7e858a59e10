"""What the command line prints, as it reaches a reader."""

from __future__ import annotations

import select
import subprocess
import sys

_CODE = "import sys; from wizard.cli import _print; _print(['step 1']); sys.stdin.read()"


def test_a_line_is_there_as_soon_as_it_is_printed() -> None:
    argv = [sys.executable, "-E", "-c", _CODE]  # buffered, whatever the environment says
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], 10)
        assert readable
        assert process.stdout.readline() == b"step 1\n"
