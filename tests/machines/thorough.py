"""Whether everything is tried: each test on both releases, each point to be killed at, each pair.

Without it some share their work: what behaves alike on both releases is tried on one, half of it on each.
"""

from __future__ import annotations

import os
import zlib

import pytest

from tests.machines.images import Debian

THOROUGH = "POSTFIX_AUTH_THOROUGH" in os.environ  # tests/run thorough sets it


def its_turn(item: pytest.Item) -> bool:
    """Whether a test that is marked ``either_release`` runs on the release that it is for now."""
    if THOROUGH or not isinstance(item, pytest.Function) or "debian" not in item.callspec.params:
        return True
    others = sorted((name, at) for name, at in item.callspec.indices.items() if name != "debian")
    turn = zlib.crc32(f"{item.originalname} {others}".encode()) % len(Debian)
    return list(Debian)[turn] is item.callspec.params["debian"]
