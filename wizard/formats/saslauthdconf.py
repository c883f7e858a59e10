"""saslauthd's own configuration, ``/etc/saslauthd.conf``: ``key: value`` lines (LDAP_SASLAUTHD).

Its lines are those of ``smtpd.conf``, but of several with one key the last is the one that counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.errors import ParseError
from wizard.formats import smtpdconf

if TYPE_CHECKING:
    from collections.abc import Mapping

#: saslauthd knows the password by both names.
ALIASES: Mapping[str, str] = {"ldap_bind_pw": "ldap_password"}


def read(path: str, data: bytes) -> Mapping[str, str]:
    """Return what counts in ``data``; keys in lower case, an alias under its other name.

    Raises:
        ParseError: at the line that saslauthd can't read: it ignores the whole file then.

    """
    found: dict[str, str] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            keys = smtpdconf.read(path, line).keys
        except ParseError as error:
            raise ParseError(path, number, error.unexpected) from None
        found |= {ALIASES.get(key, key): value for key, value in keys.items()}
    return found


def edit(path: str, data: bytes, values: Mapping[str, str | None]) -> bytes:
    """Return the text ``data`` with each key of ``values`` set, or taken out where it is None.

    Raises:
        ParseError: when saslauthd could not read ``data``.

    """
    current = read(path, data)
    edits: list[smtpdconf.Edit] = []
    for key, value in values.items():
        if current.get(key) == value:
            continue
        names = (key, *(alias for alias, name in ALIASES.items() if name == key))
        once = sum(data.lower().count(name.encode() + b":") for name in names) == 1
        if value is None or not once:
            edits += [smtpdconf.DropKey(name) for name in names]
        if value is not None:
            edits.append(smtpdconf.SetKey(key, value))
    return smtpdconf.edit(path, data, edits)
