"""One way in which saslauthd checks a password (saslauthd(8), ``-a``): what tells it from the others."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from recipes.shown import Shown
    from recipes.user_names import Names
    from wizard import sasl
    from wizard.host import Host
    from wizard.policy import Backend
    from wizard.steps import Step, Wanted


class Realm(Enum):
    """What becomes of the domain in ``user@domain``; ``-r`` keeps it as part of the name."""

    KEPT = auto()  # the name is looked up elsewhere, as the user types it
    CUT = auto()  # -r would break it: it looks at the domain by itself
    CUT_IN_USE = auto()  # names of this host have none: kept, so that nobody gets in with any domain


def _nothing(_: Wanted) -> str:
    return ""


def _no_steps(_: Wanted) -> Iterator[Step]:
    return iter(())


@dataclass(frozen=True, slots=True)
class Way:
    """One way.

    ``shown``: its face, ``mechanism`` saslauthd's own word. ``read``: the policy from a host
    where it is in force, with saslauthd's tuning as found; None if no policy can say it. ``names``: how it
    looks up user names there.
    ``option``: what ``-O`` has to say, empty for nothing. ``steps``: what else it needs.
    """

    shown: Shown
    mechanism: str
    realm: Realm
    read: Callable[[Host, sasl.Saslauthd], Backend | None]
    names: Callable[[Host], Names]
    option: Callable[[Wanted], str] = _nothing
    steps: Callable[[Wanted], Iterator[Step]] = _no_steps
