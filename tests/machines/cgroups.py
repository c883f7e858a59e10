"""A control group for each machine, so that two systemds never share one."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

_PREFIX = "postfix-auth-machine"


class Cgroup:
    """A control group (version 2) that holds all processes of one machine."""

    def __init__(self) -> None:
        _remove_abandoned()
        self.folder = _mounted() / f"{_PREFIX}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.folder.mkdir()

    def remove(self) -> None:
        """Remove it; no process may be left in it."""
        _remove(self.folder)


def _mounted() -> Path:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, folder, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(folder)
    raise FileNotFoundError("this host has no control groups, version 2")


def _remove(folder: Path) -> None:
    below = sorted(folder.rglob("*/"), key=lambda path: len(path.parts), reverse=True)
    for group in [path for path in below if path.is_dir()] + [folder]:
        group.rmdir()


def _remove_abandoned() -> None:
    """Remove the empty groups of test processes that were killed before they could do it themselves."""
    for folder in _mounted().glob(f"{_PREFIX}-*"):
        owner = folder.name.removeprefix(f"{_PREFIX}-").partition("-")[0]
        if not Path(f"/proc/{owner}").exists():
            try:
                _remove(folder)
            except OSError:
                continue  # another test process does it at this moment
