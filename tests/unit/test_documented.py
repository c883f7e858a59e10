"""The page on new back ends: what it shows still fits the project."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.documented import follow

if TYPE_CHECKING:
    from pathlib import Path

_TRY = """
import recipes
from screens.labels import label
from wizard import policyfile
backend = policyfile.parse('[backend]\\ntype = "authdaemond"\\n').backend
print(recipes.shown(type(backend)).title, label("backend.socket"), *recipes.recipe_of(type(backend)).serves)
"""


def test_who_follows_the_page_has_one_back_end_more(tmp_path: Path) -> None:
    copy = follow(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", _TRY], cwd=copy, capture_output=True, text=True, check=True, env={}
    )
    assert sorted(done.stdout.split()) == sorted(["Courier's", "authdaemond", "Socket", "PLAIN", "LOGIN"])
