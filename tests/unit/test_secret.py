"""A password does not show itself, and does not end in a core dump."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from wizard.secret import Secret

_CANARY = "CANARY-1"
_LOOK = """
import ctypes, resource
from wizard.secret import Secret
def look():
    print(resource.getrlimit(resource.RLIMIT_CORE)[0] != 0, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE)[1:] * 2)
look()
Secret("x")
look()
"""


def test_nothing_shows_it() -> None:
    secret = Secret(_CANARY)
    shown = f"{secret} {secret!r} {(secret,)!r} {secret!s:>30}"
    assert "CANARY" not in shown
    assert hash(secret) == hash(Secret("other"))
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert secret.reveal() == _CANARY


def test_who_holds_one_leaves_no_core_dump() -> None:
    done = subprocess.run([sys.executable, "-c", _LOOK], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "False 0"
    assert done.stdout.splitlines()[0].endswith("1")
