"""What Postfix itself makes of a configuration directory, asked of its own ``postconf`` (postconf(1))."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard.commands import run_together
from wizard.errors import HostError, ParseError
from wizard.numbers import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from wizard.commands import Outcome

_DIRECTORY = "/etc/postfix"
_REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)\}|\((\w+)\))")
_COLUMNS = 8  # master(5): name, type, private, unprivileged, chroot, wakeup, process limit, command


@dataclass(frozen=True, slots=True)
class Service:
    """One line of master.cf as Postfix reads it (master(5)). ``chroot`` is ``y``, ``n`` or ``-``.

    ``columns`` are the eight words before its options; ``options`` are its ``-o name=value`` overrides as
    written, ``expanded`` the same with every ``$name`` replaced.
    """

    name: str
    type: str
    chroot: str
    command: str
    columns: tuple[str, ...]
    options: Mapping[str, str]
    expanded: Mapping[str, str]

    @property
    def key(self) -> str:
        """The service as ``postconf -M`` and ``-P`` name it: ``submission/inet``."""
        return f"{self.name}/{self.type}"


@dataclass(frozen=True, slots=True)
class Postfix:
    """One Postfix configuration as Postfix reads it. Cheap to make: six runs of postconf at once.

    ``parameters``: every parameter with its effective value; ``expanded``: the same with ``$name`` replaced;
    ``explicit``: the names that main.cf sets; ``complaints``: what postconf says against it.
    """

    directory: str
    parameters: Mapping[str, str]
    expanded: Mapping[str, str]
    explicit: frozenset[str]
    services: tuple[Service, ...]
    complaints: tuple[str, ...]

    @property
    def version(self) -> tuple[int, ...]:
        """Postfix's version as numbers, ``(3, 10, 13)``; compare it with ``>= (3, 6)``."""
        digits = self.parameters.get("mail_version", "").split("-")[0].split(".")
        return tuple(found for part in digits if (found := number(part)) is not None)

    def knows(self, parameter: str) -> bool:
        """Whether this Postfix has ``parameter``; some were back-ported, so the version doesn't tell."""
        return parameter in self.parameters

    def services_at(self, name: str, kind: str = "inet") -> tuple[Service, ...]:
        """Return the services ``name`` of type ``kind``: at each address, by any name of the same port."""
        names = SAME_PORT.get(name, (name,))
        return tuple(s for s in self.services if s.type == kind and _port_name(s.name) in names)

    def service(self, name: str, kind: str = "inet") -> Service | None:
        """Return the first of the services ``name`` of type ``kind``."""
        return next(iter(self.services_at(name, kind)), None)

    def value(self, parameter: str, service: Service | None = None) -> str:
        """Return what ``parameter`` is for ``service`` (for all others: None), ``$name`` expanded."""
        if service and parameter in service.options:
            return service.expanded[parameter]
        written = self.parameters.get(parameter, "") if service else ""
        named = {name for groups in _REFERENCE.findall(written) for name in groups if name}
        if any(self.value(name, service) != self.value(name) for name in named):
            # smtpd replaces $name by what its own -o says
            return _REFERENCE.sub(lambda found: self.value(found[found.lastindex or 0], service), written)
        return self.expanded.get(parameter, "")

    def yes(self, parameter: str, service: Service | None = None) -> bool:
        """Whether the boolean ``parameter`` is on for ``service``."""
        return self.value(parameter, service).lower() == "yes"

    def chrooted(self, service: Service) -> bool:
        """Whether ``service`` runs in the queue directory; ``-`` means no from compatibility level 1 on."""
        if service.chroot != "-":
            return service.chroot == "y"
        return self.version < (3, 0) or self.expanded.get("compatibility_level", "0").split(".")[0] == "0"

    def auth_in_tls_only(self, service: Service) -> bool:
        """Whether ``service`` offers AUTH inside TLS only: it says so, or talks inside TLS only."""
        return (
            self.yes("smtpd_tls_auth_only", service)
            or self.yes("smtpd_tls_wrappermode", service)
            or self.tls_level(service) == "encrypt"
        )

    def tls_level(self, service: Service | None = None) -> str:
        """Return "none", "may" or "encrypt": smtpd_tls_security_level, or what it replaced in Postfix 2.3."""
        level = self.value("smtpd_tls_security_level", service).lower()
        if not level and self.yes("smtpd_enforce_tls", service):
            return "encrypt"
        if not level:
            return "may" if self.yes("smtpd_use_tls", service) else "none"
        # smtpd takes the client's levels, such as "verify", for encrypt (postconf(5))
        return level if level in ("none", "may") else "encrypt"

    def sasl_options(self, service: Service | None = None, *, inside_tls: bool) -> frozenset[str]:
        """Return the security options of ``service``, such as ``noplaintext``, before or inside TLS."""
        name = "smtpd_sasl_tls_security_options" if inside_tls else "smtpd_sasl_security_options"
        return frozenset(self.value(name, service).lower().replace(",", " ").split())

    @property
    def smtpd_services(self) -> tuple[Service, ...]:
        """Every service that runs smtpd, ``smtpd pass`` behind postscreen among them."""
        return tuple(s for s in self.services if s.command == "smtpd")

    @property
    def smtp_services(self) -> tuple[Service, ...]:
        """Every smtpd behind port 25: postscreen hands over to ``smtpd pass`` (POSTSCREEN_README)."""
        listening = self.services_at("smtp")
        screened = any(s.command == "postscreen" for s in listening)
        behind = self.services_at("smtpd", "pass") if screened else ()
        return (*(s for s in listening if s.command == "smtpd"), *behind)

    @property
    def smtp(self) -> Service | None:
        """The first smtpd behind port 25."""
        return next(iter(self.smtp_services), None)

    @property
    def auth_services(self) -> tuple[Service, ...]:
        """Every smtpd that offers AUTH."""
        return tuple(s for s in self.smtpd_services if self.yes("smtpd_sasl_auth_enable", s))

    def auth_values(self, parameter: str) -> tuple[str, ...]:
        """Return what ``parameter`` is for those who log in, the first smtpd's first; several: they differ.

        Where no smtpd offers AUTH, it is what a new one would have.
        """
        return tuple(dict.fromkeys(self.value(parameter, s) for s in self.auth_services or (None,)))

    @property
    def stray_auth_services(self) -> tuple[Service, ...]:
        """Every smtpd that offers AUTH on a port of its own, of which no policy speaks."""
        usual = [*self.smtp_services, *self.services_at("submission"), *self.services_at("submissions")]
        return tuple(s for s in self.auth_services if s.type == "inet" and s not in usual)


#: Names of services that mean the same port (``known_tcp_ports`` and /etc/services).
SAME_PORT: Mapping[str, tuple[str, ...]] = {
    "smtp": ("smtp", "25"),
    "submission": ("submission", "587"),
    "submissions": ("submissions", "smtps", "465"),
}


def _port_name(name: str) -> str:
    """``127.0.0.1:submission`` and ``[::1]:587`` without their address."""
    return name.rsplit(":", 1)[-1]


@dataclass(frozen=True, slots=True)
class Postconf:
    """A ``postconf`` program: this host's, the one below ``--root``, or one that is not installed yet."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]

    def ask(self, directory: Path, options: Sequence[str]) -> Outcome:
        """Run it on the configuration in ``directory``.

        Raises:
            ParseError: with postconf's own words when it can't read a line.
            HostError: with its words when it refuses for another reason.

        """
        return self.ask_all(directory, options)[0]

    def ask_all(self, directory: Path, *questions: Sequence[str]) -> list[Outcome]:
        """Run it with each of these options, at the same time; otherwise as ``ask``."""
        commands = [(*self.argv, "-c", str(directory), *options) for options in questions]
        answers = run_together(commands, env=self.environment, timeout=20)
        for done in answers:
            if not done.ok:
                raise _refused(directory, done)
        return answers

    def types(self, directory: Path, option: str) -> tuple[str, ...]:
        """Return what is built in: ``-a`` SASL servers, ``-A`` SASL clients, ``-m`` lookup table types."""
        return tuple(self.ask(directory, [option]).stdout.split())

    def read(self, directory: Path) -> Postfix:
        """Return the configuration in ``directory`` as Postfix reads it.

        Raises:
            HostError: when Postfix itself can't read it.

        """
        # wherever a copy lies: $config_directory in a value is the place that Postfix itself knows
        there = ["-o", f"config_directory={_DIRECTORY}"]
        everything, explicit, expanded, master, options, expanded_options = self.ask_all(
            directory, there, [*there, "-n"], [*there, "-x"], ["-M"], ["-P"], [*there, "-P", "-x"]
        )
        said = [*explicit.stderr.splitlines(), *master.stderr.splitlines()]
        return Postfix(
            directory=str(directory),
            parameters=dict(_pairs(everything.stdout)),
            expanded=dict(_pairs(expanded.stdout)),
            explicit=frozenset(name for name, _ in _pairs(explicit.stdout)),
            services=tuple(_services(master.stdout, options.stdout, expanded_options.stdout)),
            complaints=tuple(dict.fromkeys(line.split(": ", 1)[-1] for line in said)),
        )


_LINE = re.compile(r"fatal: .*(main\.cf|master\.cf)[,:] line (\d+): (.*)")
_FIELD = re.compile(r'fatal: (invalid \w+ field ".*") in "(.*)')


def _refused(directory: Path, done: Outcome) -> HostError:
    """Return what postconf said as it ended, with file and line where it is about one."""
    said = [line.partition(": ")[2] for line in done.stderr.splitlines()] or [f"status {done.status}"]
    if found := _LINE.match(said[-1]):
        return ParseError(f"/etc/postfix/{found[1]}", int(found[2]), found[3])
    if found := _FIELD.match(said[-1]):
        # it repeats the line, but does not number it
        lines = (directory / "master.cf").read_text(errors="surrogateescape").splitlines()
        begins = (n for n, line in enumerate(lines, 1) if line.strip() and found[2].startswith(line.rstrip()))
        return ParseError("/etc/postfix/master.cf", next(begins, 1), found[1])
    return HostError(f"Postfix does not accept its configuration: {'; '.join(said[-2:])}")


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            yield name.strip(), value.strip()


def _services(master: str, options: str, expanded: str) -> Iterator[Service]:
    raw, full = _overrides(options), _overrides(expanded)
    entries = [words for line in master.splitlines() if len(words := line.split(None, _COLUMNS)) >= _COLUMNS]
    keys = [f"{name}/{kind}" for name, kind, *_ in entries]
    for key, words in dict(zip(keys, entries, strict=True)).items():
        # master(8) uses the last of two entries alone; of -P's lines the last ones are its, but not all
        own = None if keys.count(key) == 1 else set(_OVERRIDE.findall(" ".join(words[_COLUMNS:])))
        columns = tuple(words[:_COLUMNS])
        yield Service(
            name=columns[0],
            type=columns[1],
            chroot=columns[4],
            command=columns[7],
            columns=columns,
            options=_only(own, raw.get(key, {})),
            expanded=_only(own, full.get(key, {})),
        )


_OVERRIDE = re.compile(r"-o\s*(?:\{\s*)?([^\s={}]+)\s*=")


def _only(names: set[str] | None, options: dict[str, str]) -> dict[str, str]:
    return options if names is None else {name: options[name] for name in options if name in names}


def _overrides(text: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name, value in _pairs(text):
        key, _, parameter = name.rpartition("/")
        found.setdefault(key, {})[parameter] = value
    return found
