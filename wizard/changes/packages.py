"""Packages, through apt-get(8): what is missing is installed, and exactly that can go away again.

Two mail servers can't be installed at once, so apt may take others away for them: those come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wizard.changes import words
from wizard.changes.base import Change, Undo
from wizard.commands import Outcome, run
from wizard.errors import HostError
from wizard.smallfiles import read_host_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wizard.root import Root

_MINUTES = 60.0
_LARGEST = 256 << 20  # bytes that dpkg's database may have
_QUIET = {"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none", "NEEDRESTART_MODE": "l"}
# the lock: another apt at work is waited for; the configuration files of the admin stay
_APT = ("apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0")
_INSTALL = (*_APT, "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold")
_STALE = (
    "Unable to locate package",
    "was not found",
    "has no installation candidate",
    "404",
    "Unable to fetch",
)


@dataclass(frozen=True, slots=True)
class InstallPackages(Change):
    """The packages ``names``, with ``preseed``: answers as debconf-set-selections(1) takes them.

    ``removes``: what apt takes away for them, as ``NAME=VERSION``.
    """

    kind: ClassVar[str] = "install-packages"
    names: tuple[str, ...]
    preseed: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.names:
            words.package(name)
        for line in self.preseed:
            words.preseed(line)
        for release in self.removes:
            words.release(release)

    @property
    def target(self) -> str:
        """The packages, in words."""
        return f"install {' '.join(self.names)}"

    def diff(self, root: Root) -> str:  # noqa: ARG002 - the same on every host
        """Return the commands, and after a ``-`` each package that apt removes on the way."""
        removed = "".join(f"- {release}\n" for release in self.removes)
        answers = "".join(f"+ echo {line} | debconf-set-selections\n" for line in self.preseed)
        return f"{answers}+ apt-get install --no-install-recommends {' '.join(self.names)}\n{removed}"

    def done(self, root: Root) -> bool:
        """Whether all of them are installed."""
        return set(self.names) <= installed(root)

    def check(self, root: Root) -> None:
        """Look that this is the running host; HostError otherwise."""
        if not root.live:
            raise HostError(f"--root installs nothing; first install {' '.join(self.names)} there")

    def capture(self, root: Root) -> tuple[Undo, ...]:
        """Return which packages there are, and before that, those that apt will remove.

        To install them again takes away what is in their way, and nothing is without either meanwhile.
        """
        there, left = installed(root), known(root) - installed(root)
        remove = RemovePackages(tuple(sorted(there)), tuple(sorted(left)))
        return (
            (ReinstallPackages(self.removes, _automatic(self.removes)), remove) if self.removes else (remove,)
        )

    def apply(self, root: Root) -> None:
        """Install them. Package lists that are missing or too old are fetched once.

        Raises:
            WizardError: with the end of what apt-get said.

        """
        self.check(root)
        doing = f"installing {' '.join(self.names)}"
        if self.preseed:
            answers = "".join(f"{line}\n" for line in self.preseed).encode()
            run(["debconf-set-selections"], stdin=answers).expect(doing)
        # what was not reviewed is not removed
        _install(self.names, *(() if self.removes else ("--no-remove",))).expect(doing)


@dataclass(frozen=True, slots=True)
class RemovePackages(Undo):
    """Takes away every package that has come since: those that were asked for, and what they need.

    ``installed`` were there before; of the ``remnants`` only the configuration files were, and they stay.
    """

    kind: ClassVar[str] = "remove-packages"
    installed: tuple[str, ...]
    remnants: tuple[str, ...]

    def undo(self, root: Root) -> None:
        """Remove them; first finish what a killed dpkg has left half-way."""
        if not root.live:
            return
        new = known(root) - set(self.installed)
        if new - set(self.remnants) or installed(root) - set(self.installed):
            _finish_half_way()
        _take_away("purge", new - set(self.remnants))
        _take_away("remove", installed(root) & set(self.remnants))


@dataclass(frozen=True, slots=True)
class ReinstallPackages(Undo):
    """Brings back what apt took away for others: ``releases``, each as ``NAME=VERSION``.

    A version that the archive has no more, as after a security update, comes back as the archive's own.
    ``automatic``: the names of those that were there only because others need them.
    """

    kind: ClassVar[str] = "reinstall-packages"
    releases: tuple[str, ...]
    automatic: tuple[str, ...]

    def __post_init__(self) -> None:
        for release in self.releases:
            words.release(release)
        for name in self.automatic:
            words.package(name)

    def undo(self, root: Root) -> None:
        """Install what is not there; first finish what a killed dpkg has left half-way."""
        gone = {_name(release): release for release in self.releases if _name(release) not in installed(root)}
        if not root.live or not gone:
            return
        _finish_half_way()
        if not _install(gone.values()).ok:
            _install(gone).expect(f"installing {' '.join(sorted(gone))} again")
        if automatic := [name for name in self.automatic if name in gone]:
            run(["apt-mark", "auto", *automatic], env=_QUIET).expect("marking packages as automatic")


def _name(release: str) -> str:
    return release.partition("=")[0].partition(":")[0]


def _automatic(releases: Iterable[str]) -> tuple[str, ...]:
    """Return those that were installed because others need them (apt-mark(8))."""
    names = [_name(release) for release in releases]
    return tuple(run(["apt-mark", "showauto", *names]).stdout.split())


def _finish_half_way() -> None:
    run(["dpkg", "--configure", "-a", "--force-confold"], timeout=10 * _MINUTES, env=_QUIET)


def _install(packages: Iterable[str], *options: str) -> Outcome:
    """Install ``packages``. Package lists that are missing or too old are fetched once."""
    argv = (*_INSTALL, *options, "install", "--", *packages)
    outcome = _apt(argv)
    if not outcome.ok and any(sign in outcome.stdout + outcome.stderr for sign in _STALE):
        _apt((*_APT, "update")).expect("fetching the package lists")
        outcome = _apt(argv)
    return outcome


def _take_away(how: str, names: frozenset[str] | set[str]) -> None:
    if names:
        argv = (*_APT, how, "--", *(words.package(name) for name in sorted(names)))
        _apt(argv).expect(f"removing {' '.join(sorted(names))}")


def _apt(argv: tuple[str, ...]) -> Outcome:
    return run(argv, timeout=30 * _MINUTES, env=_QUIET)


def installed(root: Root) -> frozenset[str]:
    """Return the packages that dpkg has installed and configured."""
    return frozenset(name for name, state in _states(root).items() if state.endswith(" installed"))


def known(root: Root) -> frozenset[str]:
    """Return every package that has left anything on the host: half-way ones, configuration files."""
    return frozenset(name for name, state in _states(root).items() if not state.endswith(" not-installed"))


def _states(root: Root) -> dict[str, str]:
    """Return package -> ``want flag status`` (dpkg-query(1)) out of dpkg's own database."""
    content = read_host_file(root.path("/var/lib/dpkg/status"), _LARGEST) or b""
    found: dict[str, str] = {}
    name = ""
    for line in content.decode(errors="replace").split("\n"):
        if line.startswith("Package: "):
            name = line[9:]
        elif line.startswith("Status: "):
            found[name] = line[8:]
    return found
