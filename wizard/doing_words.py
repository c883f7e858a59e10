"""What a change does, in a word before what it does it to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What is done, where the name of what it is done to does not say it; a file that is not here is written.
DOING: Mapping[str, str] = {
    "create-group": "make",
    "join-group": "join",
    "stat-override": "keep mode of",
    "make-directory": "make",
    "make-link": "link",
    "share-secrets": "share",
    "make-certificate": "make",
    "build-table": "build",
    "quit-group": "leave",
    "delete-group": "remove",
    "return-secrets": "move back",
    "drop-link": "remove",
    "drop-override": "no more mode of",
    "drop-directory": "remove",
    "write-last": "clear up",
}


def doing(kind: str, target: str) -> str:
    """Say what a change of this ``kind`` does to its ``target``."""
    word = DOING.get(kind) or ("write" if target.startswith("/") else "")
    return f"{word} {target}".strip()
