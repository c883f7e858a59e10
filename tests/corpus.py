"""Configuration files to try things on: a few tricky ones of our own, and many that real people wrote.

The latter lie beside the checkout, in ``../shared/corpus``; where they are missing the former are all.
"""

from __future__ import annotations

from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[1]
_PLACES = (_REPOSITORY / "tests/data", _REPOSITORY.parent / "shared/corpus")


def files(kind: str) -> dict[str, bytes]:
    """Return name -> content of all files of a ``kind``: main.cf, master.cf, smtpd.conf, pam.d, …"""
    return {
        f"{place.name}/{kind}/{path.name}": path.read_bytes()
        for place in _PLACES
        for path in sorted((place / kind).glob("*"))
    }


def refused(name: str) -> bool:
    """Whether the file ``name`` of our own is one that must be refused."""
    return "/refused_" in name
