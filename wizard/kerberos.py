"""What this host knows of Kerberos: ``/etc/krb5.conf`` (krb5.conf(5)) and the names in a keytab."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIGURATION, KEYTAB = "/etc/krb5.conf", "/etc/krb5.keytab"
_SECTION = re.compile(r"\[(\w+)\]")
_RELATION = re.compile(r"(\S+)\s*=\s*(.*)")
_KEYTAB_BEGINS = b"\x05\x02"  # the format that is written since 1995 (MIT's keytab file format)


@dataclass(frozen=True, slots=True)
class Configuration:
    """``realm``: the one of names without, "" if it is not said. ``servers``: the realm's KDCs, host:port.

    ``elsewhere``: parts of it are in files that it includes.
    """

    realm: str
    servers: tuple[str, ...]
    elsewhere: bool


def configuration(text: str) -> Configuration:
    """Read ``text``; what can't be made sense of is passed over, as libkrb5 is the judge."""
    values = list(_values(text))
    realm = next((value for path, value in values if path == ("libdefaults", "default_realm")), "")
    servers = tuple(value for path, value in values if path == ("realms", realm, "kdc"))
    return Configuration(realm, servers, bool(re.search(r"^\s*include(dir)?\s", text, re.MULTILINE)))


def _values(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path and value of each relation, such as (realms, EXAMPLE.NET, kdc)."""
    section, inside = "", list[str]()
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith(("#", ";")):
            continue
        if found := _SECTION.match(line):
            section, inside = found[1], []
        elif line.startswith("}"):
            inside = inside[:-1]
        elif found := _RELATION.match(line):
            if found[2].startswith("{"):
                inside.append(found[1])
            else:
                yield (section, *inside, found[1]), found[2].strip()


def principals(keytab: bytes) -> frozenset[str]:
    """Return the names that ``keytab`` holds keys for, without the realm, such as ``host/mail.example.net``.

    A file that is no keytab holds none.
    """
    found: set[str] = set()
    if not keytab.startswith(_KEYTAB_BEGINS):
        return frozenset()
    at = len(_KEYTAB_BEGINS)
    while at + 4 <= len(keytab):
        size = int.from_bytes(keytab[at : at + 4], signed=True)
        at += 4
        if size > 0:  # others are holes, left by a key that was taken out
            found.add(_principal(keytab[at : at + size]))
        at += abs(size) or 4
    return frozenset(found)


def _principal(entry: bytes) -> str:
    """Return the name of an entry: the number of its parts, the realm, the parts, each after its length."""
    count, at = int.from_bytes(entry[:2]), 2
    parts: list[str] = []
    for _ in range(count + 1):
        size = int.from_bytes(entry[at : at + 2])
        at += 2
        parts.append(entry[at : at + size].decode(errors="replace"))
        at += size
        if at > len(entry):
            break
    return "/".join(parts[1:])
