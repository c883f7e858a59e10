"""Packages, through apt-get(8): what is missing is installed, and exactly that can go away again.

Two mail servers can't be installed at once, so apt may take others away for them: those come back.
"""

from __future__ import annotations

import fcntl
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from wizard.changes import disk, words
from wizard.changes.base import Change, Undo
from wizard.commands import Outcome, run
from wizard.errors import HostError, WizardError
from wizard.smallfiles import read_host_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wizard.root import Root

_MINUTES = 60.0
_LARGEST = 256 << 20  # bytes that dpkg's database may have
#: Held by whoever installs, from the beginning to the end of it (dpkg(1), DPKG_FRONTEND_LOCKED).
_LOCK = "/var/lib/dpkg/lock-frontend"
_LOST = re.compile(r"^(?:Purg|Remv) ([^\s:]+)", re.MULTILINE)  # apt-get(8), --simulate
#: What packages need, and what that needs; each has a line of its own, which is not indented (apt-cache(8)).
_DEPENDS = (
    *("apt-cache", "depends", "--recurse", "--installed", "--no-recommends", "--no-suggests"),
    *("--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances", "--"),
)
_LISTED = re.compile(r"^([a-z0-9][a-z0-9+.-]*)", re.MULTILINE)
_QUIET = {"DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none", "NEEDRESTART_MODE": "l"}
# the lock: another apt at work is waited for; the configuration files of the admin stay
_APT = ("apt-get", "-y", "-q", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0")
_INSTALL = (*_APT, "--no-install-recommends", "-o", "Dpkg::Options::=--force-confold")
# what a power cut has left half-unpacked goes without being installed again first
_REMOVE = (*_APT, "-o", "Dpkg::Options::=--force-remove-reinstreq")
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

    ``removes``: what apt takes away for them, as ``NAME=VERSION``; ``brings``: what it installs in all, with
    what they depend on.
    """

    kind: ClassVar[str] = "install-packages"
    names: tuple[str, ...]
    preseed: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    brings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (*self.names, *self.brings):
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
        """Return which packages will come, and before that, those that apt will remove.

        To install them again takes away what is in their way, and nothing is without either meanwhile.
        """
        new = {*self.names, *self.brings} - installed(root)
        left = new & known(root)
        answered = {line.split()[0] for line in self.preseed} & (new - left)
        gone = (ReinstallPackages(self.removes, _automatic(self.removes)),) if self.removes else ()
        asked = tuple(name for name in self.names if name in new)
        remove = RemovePackages(tuple(sorted(new)), tuple(sorted(left)), asked)
        return (*gone, remove, ForgetAnswers(tuple(sorted(answered))))

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
    """Takes away the packages that have come: those that were ``asked`` for, and what they need.

    What has been installed since stays, and so does what it needs. Of the ``remnants`` the configuration
    files were there before, and they stay.
    """

    kind: ClassVar[str] = "remove-packages"
    brought: tuple[str, ...]
    remnants: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in (*self.brought, *self.remnants, *self.asked):
            words.package(name)

    def undo(self, root: Root) -> str | None:
        """Remove them; first finish what a killed dpkg has left half-way. Return which have to stay."""
        if not root.live:
            return None
        _finish_half_way(root)
        there = known(root) & set(self.brought)
        needed = _needed_by_others(there)
        ours = there - needed
        _take_away("purge", ours - set(self.remnants))
        _take_away("remove", installed(root) & ours & set(self.remnants))
        kept = ", ".join(sorted(needed))
        return f"packages that were installed since need {kept}: kept" if kept else None

    def conflicts(self, root: Root) -> tuple[str, ...]:
        """Return which packages have been installed since that work only with those that would go."""
        if not root.live:
            return ()
        there = known(root) & set(self.brought)
        needed = sorted(_needed_by_others(there).intersection(self.asked))
        with_it = {name: ", ".join(sorted(_lost({name}) - there)) for name in needed}
        return tuple(
            f"{name} would go, and with it {others}; remove that first"
            for name, others in with_it.items()
            if others
        )


@dataclass(frozen=True, slots=True)
class ForgetAnswers(Undo):
    """Lets debconf forget what it was told for ``packages`` of which nothing is on the host any more."""

    kind: ClassVar[str] = "forget-answers"
    packages: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in self.packages:
            words.package(name)

    def undo(self, root: Root) -> None:
        """Do it, as purging does (debconf-devel(7), PURGE): what was never unpacked is never purged."""
        if not root.live:
            return
        for name in sorted(set(self.packages) - known(root)):
            done = run(["debconf-communicate", name], stdin=b"PURGE\n", env=_QUIET)
            done.expect(f"removing the answers for {name}")


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
        if not root.live:
            return
        _finish_half_way(root)
        gone = {_name(release): release for release in self.releases if _name(release) not in installed(root)}
        if not gone:
            return
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


def _finish_half_way(root: Root) -> None:
    """Wait for who is at work, which may be what a killed run has started, and finish what it left half-way.

    Only then dpkg's database says what there is. What can't be finished is taken away all the same.

    Raises:
        WizardError: when somebody is at work for too long.

    """
    _wait_for_dpkg(root)
    run(["dpkg", "--force-confold", "--configure", "-a"], timeout=10 * _MINUTES, env=_QUIET)


def _wait_for_dpkg(root: Root) -> None:
    lock = root.path(_LOCK)
    deadline = time.monotonic() + 10 * _MINUTES
    with disk.explained(lock), lock.open("ab") as file:
        while True:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise WizardError(f"apt or dpkg is at work on this host, and holds {lock}") from None
                time.sleep(0.2)
            else:
                return


def _needed_by_others(names: frozenset[str]) -> frozenset[str]:
    """Return those of ``names`` that can't go without a package that is none of them."""
    others = _lost(names) - names if names else frozenset()
    if not others:
        return frozenset()
    done = run([*_DEPENDS, *sorted(others)], timeout=_MINUTES).expect("asking what packages depend on")
    return names.intersection(_LISTED.findall(done.stdout))


def _lost(names: frozenset[str] | set[str]) -> frozenset[str]:
    """Return all that apt would remove with ``names``."""
    return frozenset(_LOST.findall(_apt((*_APT, "--simulate", "purge", "--", *sorted(names))).stdout))


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
        argv = (*_REMOVE, how, "--", *(words.package(name) for name in sorted(names)))
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
