"""What differs between distributions, as data: ``recipes/platforms/*.toml``, one file a release."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.errors import HostError
from wizard.smallfiles import read_host_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wizard.root import Root

_TABLES = Path(__file__).parent.parent / "recipes" / "platforms"


@dataclass(frozen=True, slots=True)
class SaslPlaces:
    """Where this distribution's Cyrus SASL keeps its plugins, its ``smtpd.conf`` and its secrets."""

    plugins: tuple[str, ...]
    configuration: tuple[str, ...]
    honours_config_path: bool
    group: str
    sasldb: str


@dataclass(frozen=True, slots=True)
class SaslauthdPlaces:
    """How this distribution runs saslauthd. ``native_unit``: by a systemd unit with a PID file of its own.

    ``instances``: whether further defaults files, ``defaults`` with a suffix, each start one more.
    """

    program: str
    defaults: str
    run_dir: str
    native_unit: bool
    instances: bool


@dataclass(frozen=True, slots=True)
class DovecotPlaces:
    """How this distribution's Dovecot is configured. ``version``: its syntax, 2.3 or 2.4.

    ``drop_in``: the file of ours, which the distribution's dovecot.conf includes. ``mechanisms``: package ->
    mechanisms it brings.
    """

    version: tuple[int, ...]
    drop_in: str
    mechanisms: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Platform:
    """One release of one distribution.

    ``packages``: what each capability needs installed. ``preseed``: debconf answers for a package.
    ``plugins``: package -> plugin -> mechanisms it serves. ``arriving``: files that an installation makes,
    with what they are made from. ``main_cf`` and ``aliases``: where a Postfix begins that has no main.cf yet.
    """

    id: str
    version: str
    name: str
    packages: Mapping[str, tuple[str, ...]]
    preseed: Mapping[str, tuple[str, ...]]
    plugins: Mapping[str, Mapping[str, tuple[str, ...]]]
    arriving: Mapping[str, str]
    sasl: SaslPlaces
    saslauthd: SaslauthdPlaces
    dovecot: DovecotPlaces
    ca_file: str
    tls_directory: str
    main_cf: str
    aliases: str

    def package_of(self, mechanism: str) -> str | None:
        """Return the package whose plugin serves ``mechanism``, or None if the distribution has none."""
        for package, plugins in self.plugins.items():
            if any(mechanism in served for served in plugins.values()):
                return package
        return None


def recognize(root: Root) -> Platform:
    """Return the platform that ``/etc/os-release`` names (os-release(5)).

    Raises:
        HostError: when the file is missing or names a release that there is no table for.

    """
    path = root.path("/etc/os-release")
    content = read_host_file(root.file("/etc/os-release"))
    if content is None:
        raise HostError(f"{path} is missing; without it this system can't be recognized")
    lines = content.decode(errors="replace").split("\n")
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    named = {key: value.strip().strip("\"'") for key, value in found.items()}
    table = _TABLES / f"{named.get('ID', '')}-{named.get('VERSION_ID', '')}.toml"
    known = sorted(path.stem.replace("-", " ") for path in _TABLES.glob("*.toml"))
    if table.parent != _TABLES or table.stem.replace("-", " ") not in known:
        called = named.get("PRETTY_NAME") or named.get("ID") or "this system"
        raise HostError(f"{called} is not supported; supported are: {', '.join(known)}")
    return _load(table)


@cache
def _load(table: Path) -> Platform:
    with table.open("rb") as file:
        data = tomllib.load(file)
    return Platform(
        id=data["id"],
        version=data["version"],
        name=data["name"],
        packages=_tuples(data["packages"]),
        preseed=_tuples(data["preseed"]),
        plugins={package: _tuples(plugins) for package, plugins in data["mechanisms"].items()},
        arriving=data["arriving"],
        sasl=SaslPlaces(
            plugins=tuple(data["sasl"]["plugins"]),
            configuration=tuple(data["sasl"]["configuration"]),
            honours_config_path=data["sasl"]["honours_config_path"],
            group=data["sasl"]["group"],
            sasldb=data["sasl"]["sasldb"],
        ),
        saslauthd=SaslauthdPlaces(**data["saslauthd"]),
        dovecot=DovecotPlaces(
            version=tuple(data["dovecot"]["version"]),
            drop_in=data["dovecot"]["drop_in"],
            mechanisms=_tuples(data["dovecot"]["mechanisms"]),
        ),
        ca_file=data["tls"]["ca_file"],
        tls_directory=data["tls"]["directory"],
        main_cf=data["postfix"]["main_cf"],
        aliases=data["postfix"]["aliases"],
    )


def _tuples(table: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(values) for key, values in table.items()}
