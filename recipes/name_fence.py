"""A fence around SQLite: whose login name has a quote in it sends no mail, though SMTP AUTH let him in.

It stands in ``smtpd_data_restrictions``: a list that no usual master.cf overrides, and that no permit in
another list skips (SMTPD_ACCESS_README; access(5) for the table, postconf(5) for tables inside main.cf).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.errors import PolicyError
from wizard.formats import maincf
from wizard.host import MAIN_CF
from wizard.steps import Act, Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.steps import Step, Wanted

_LIST = "smtpd_data_restrictions"
_FENCE = "check_sasl_access regexp:{{/'/ REJECT no quotes in login names}}"


def steps(wanted: Wanted) -> Iterator[Step]:
    """Yield what puts the fence before all that the list says already.

    Raises:
        PolicyError: when a service has a list of its own, where an override has no room for the fence.

    """
    for service in wanted.postfix.auth_services:
        if _LIST in service.options:
            raise PolicyError(
                "backend.engine",
                f"sqlite needs a rule in {_LIST}, which {service.key} in master.cf overrides: "
                "take that override out, main.cf can have the same",
            )
    rest = wanted.postfix.parameters[_LIST]
    if not _fenced(rest):
        value = f"{_FENCE}, {rest}" if rest else _FENCE
        yield from _set(value, "a login name with a quote may have got in by SQL: it sends nothing")


def leave(wanted: Wanted) -> Iterator[Step]:
    """Yield what takes the fence away again; what else the list says stays."""
    found = wanted.postfix.parameters[_LIST]
    if _fenced(found):
        yield from _set(found.removeprefix(_FENCE).lstrip(", "), "only SQLite takes names for SQL")


def _fenced(value: str) -> bool:
    return value == _FENCE or value.startswith(f"{_FENCE},")


def _set(value: str, why: str) -> Iterator[Step]:
    yield Edit(MAIN_CF, maincf.SetParameter(_LIST, value), why)
    yield Act("postfix", "reload", f"reads {_LIST} anew")
