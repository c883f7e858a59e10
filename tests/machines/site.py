"""What this host needs to fetch packages, so that a machine on it can fetch them too.

A site may stand behind a certificate authority, a proxy or a package index of its own. Nothing here knows any
of them by name: what the host is configured with is carried over.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

_AUTHORITIES = Path("/usr/local/share/ca-certificates")
_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_NOT_ABOUT_FETCHING = {"config-file", "constraint"}


def authorities() -> tuple[Path, ...]:
    """Return the certificates that this host trusts on top of Debian's."""
    return tuple(sorted(_AUTHORITIES.glob("*.crt")))


def trust_authorities(root: Path) -> None:
    """Make the system under ``root`` trust what this host trusts (both the parts and the ready bundle)."""
    parts = root / _AUTHORITIES.relative_to("/")
    parts.mkdir(parents=True, exist_ok=True)
    for certificate in authorities():
        shutil.copy(certificate, parts)
    if _BUNDLE.exists():
        bundle = root / _BUNDLE.relative_to("/")
        bundle.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_BUNDLE, bundle)


def pip_settings() -> dict[str, str]:
    """Return how this host's pip gets at packages, by its PIP_ variables too, as name: value."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    found = re.findall(r"^(?:global|:env:|install)\.([a-z-]+)='(.*)'$", listed.stdout, re.MULTILINE)
    return {name: value.replace(r"\n", " ") for name, value in found if name not in _NOT_ABOUT_FETCHING}


def pip_folders() -> tuple[Path, ...]:
    """Return the folders on this host that its pip takes packages from, to be bound at the same place."""
    words = " ".join(pip_settings().values()).split()
    places = {Path(word.removeprefix("file://")) for word in words}
    tops = {Path(*place.parts[:3]) for place in places if place.is_absolute() and place.is_dir()}
    return tuple(sorted(tops))


def configure_pip(root: Path) -> None:
    """Give the system under ``root`` this host's pip settings, if it has any."""
    settings = pip_settings()
    if settings:
        lines = ["[global]", *(f"{name} = {value}" for name, value in sorted(settings.items()))]
        (root / "etc/pip.conf").write_text("\n".join(lines) + "\n")


def pip_environment() -> dict[str, str]:
    """Return the same settings as PIP_ variables."""
    return {"PIP_" + name.upper().replace("-", "_"): value for name, value in pip_settings().items()}


def proxies() -> dict[str, str]:
    """Return this host's proxy variables."""
    return {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
