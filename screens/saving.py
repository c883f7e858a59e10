"""Saves a policy as a file; it holds no passwords."""

from __future__ import annotations

from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from wizard import policyfile

if TYPE_CHECKING:
    from wizard.policy import Policy

PROPOSAL = str(Path.home() / "postfix-auth.toml")


def proposal() -> str:
    """Return where a policy is proposed to be saved: a name that is not taken yet."""
    first = Path(PROPOSAL)
    others = (first.with_stem(f"{first.stem}-{number}") for number in count(2))
    return str(next(path for path in chain([first], others) if not path.exists()))


def save(policy: Policy, name: str) -> str:
    """Write ``policy`` to a new file ``name``; return in a sentence what became of it."""
    path = Path(name).expanduser()
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(policyfile.render(policyfile.expressible(policy)[0]))
    except FileExistsError:
        return f"{path} is there already and was left alone: choose another name"
    except OSError as error:
        return f"{path} could not be written: {error.strerror}"
    return f"Saved: {path}"
