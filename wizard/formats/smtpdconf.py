"""Cyrus SASL's application configuration ``smtpd.conf``: ``key: value`` lines, as libsasl reads them.

Source: sasl_config_init of Cyrus SASL 2.1.28. One line it can't read makes every smtpd with SASL on fail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wizard.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LENS = "Smtpdconf.lns"
_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")
_LONGEST_SHOWN = 60
#: The keys whose value is a password (Cyrus SASL, "Options"; for saslauthd LDAP_SASLAUTHD).
SECRETS = frozenset({"sql_passwd", "ldapdb_pw", "ldap_password", "ldap_bind_pw"})


@dataclass(frozen=True, slots=True)
class SetKey:
    """Give ``key`` a value; of several lines the first is the one that counts."""

    key: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DropKey:
    """Take every line of ``key`` out."""

    key: str


Edit = SetKey | DropKey


@dataclass(frozen=True, slots=True)
class Settings:
    """What libsasl gets out of the file; keys in lower case."""

    keys: Mapping[str, str]


def read(path: str, data: bytes) -> Settings:
    """Return the settings in ``data``. This does without Augeas, for the network tests need it.

    Raises:
        ParseError: at the line that libsasl can't read; it may hold a secret and is not shown beyond its key.

    """
    keys: dict[str, str] = {}
    for number, line in enumerate(data.decode(errors="backslashreplace").split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if not found:
            shown = re.split(r"[:=\s]", line.strip(), maxsplit=1)[0][:_LONGEST_SHOWN]
            raise ParseError(path, number, f"libsasl expects 'key: value', found {shown!r} …")
        keys.setdefault(found[1].lower(), found[2])
    return Settings(keys)


def edit(path: str, data: bytes, edits: Sequence[Edit]) -> bytes:
    """Return the text ``data`` with ``edits`` made, and everything else as it was.

    Raises:
        ParseError: when libsasl could not read ``data``.

    """
    from wizard import lenses  # noqa: PLC0415 - Augeas is loaded by who edits only

    read(path, data)
    with lenses.opened(_LENS, path, data) as tree:
        for wish in edits:
            # keys are the same in any case
            found = [
                node for node in tree.match("entry") if (tree.get(f"{node}/key") or "").lower() == wish.key
            ]
            if isinstance(wish, DropKey):
                for node in reversed(found):
                    tree.remove(node)
            elif found:
                tree.set(f"{found[0]}/value", lenses.inward(wish.value))
            else:
                entry = [
                    ("indent", ""),
                    ("key", wish.key),
                    ("colon", ": "),
                    ("value", lenses.inward(wish.value)),
                ]
                tree.fill(tree.insert("entry"), [*entry, ("end", tree.line_end)])
    return tree.data
