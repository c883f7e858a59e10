"""A command loads what it needs and no more: people wait for what is loaded, and more can break."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_HEAVY = {"augeas", "cryptography", "psutil", "rich", "screens", "ssl", "textual"}

#: Runs a command of postfix-auth to its end, and tells as its last line what it has loaded.
_RUN = """
import json, sys
from wizard.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print()
print(json.dumps(sorted(sys.modules)))
"""


def _loaded(code: str, *arguments: str) -> set[str]:
    """Return the packages of ``_HEAVY`` that are loaded when ``code`` has run."""
    argv = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return _HEAVY & set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_what_python_alone_can_say_loads_nothing(argument: str) -> None:
    assert _loaded(_RUN, argument) == set()


def test_plan_loads_neither_a_screen_nor_cryptography(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('ID=debian\nVERSION_ID="13"\n')
    policy = tmp_path / "policy.toml"
    policy.write_text('[submission]\n[tls]\nsource = "self-signed"\nnames = ["mail.example.net"]\n')
    loaded = _loaded(_RUN, "plan", "--root", str(tmp_path), "-p", str(policy))
    assert not {"textual", "rich", "screens", "cryptography", "ssl"} & loaded


@pytest.mark.parametrize("module", ["wizard.explain", "wizard.journal", "wizard.checks"])
def test_what_edits_nothing_loads_no_lenses(module: str) -> None:
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    assert not {"augeas", "textual"} & _loaded(code)
