"""Packages about to be installed, unpacked beside the host: what they bring can be read beforehand."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wizard.commands import run
from wizard.errors import HostError
from wizard.root import Root

_LISTS = Path("/var/lib/apt/lists")


# apt-get(8), --simulate; what is upgraded has its old version in brackets
_REMOVED = re.compile(r"^Remv (\S+) \[(\S+)\]", re.MULTILINE)
_NEW = re.compile(r"^Inst ([^\s:]+)\S* \(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Arriving:
    """The ``tree`` that packages bring, and what apt ``removes`` for them, each as ``NAME=VERSION``.

    ``brings``: all that is new then, with what they depend on.
    """

    tree: Root
    removes: tuple[str, ...]
    brings: tuple[str, ...]


@cache
def arriving(names: tuple[str, ...]) -> Arriving:
    """Download ``names`` and what they depend on, and unpack them into a tree of their own.

    Nothing is installed and apt's own cache stays as it is; the tree goes when the program ends.

    Raises:
        HostError: with apt's words when they can't be had.

    """
    scratch = Path(tempfile.mkdtemp(prefix="postfix-auth-packages."))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    archives, tree = scratch / "archives", scratch / "tree"
    (archives / "partial").mkdir(parents=True)
    tree.mkdir()
    options = ["-q", "-y", "-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=true"]
    options += [
        "-o",
        f"Dir::Cache::pkgcache={scratch}/p.bin",
        "-o",
        f"Dir::Cache::srcpkgcache={scratch}/s.bin",
    ]
    # apt keeps the reasons of its plans in its log's directory, of those that are only made too
    options += ["-o", f"Dir::Log={scratch}", "-o", "APT::Sandbox::User=root"]
    if not any(_LISTS.glob("*_Packages*")):
        (scratch / "lists/partial").mkdir(parents=True)
        options += ["-o", f"Dir::State::lists={scratch}/lists"]
        _apt(["apt-get", *options, "update"])
    install = ("--no-install-recommends", "install", "--", *names)
    simulated = _apt(["apt-get", *options, "--simulate", *install])
    _apt(["apt-get", *options, "--download-only", *install])
    for package in sorted(archives.glob("*.deb")):
        run(["dpkg-deb", "-x", str(package), str(tree)]).expect(f"can't unpack {package.name}")
    removes = tuple("=".join(found) for found in _REMOVED.findall(simulated))
    return Arriving(Root(tree), removes, tuple(_NEW.findall(simulated)))


def _apt(argv: list[str]) -> str:
    done = run(argv, timeout=300)
    if not done.ok:
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")] or [done.stderr.strip()]
        raise HostError("the packages that are needed can't be downloaded:\n  " + "\n  ".join(said))
    return done.stdout
