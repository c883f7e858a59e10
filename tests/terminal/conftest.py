"""What the tests of the wizard share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.terminal.site import Site, tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tree(tmp_path), monkeypatch)
