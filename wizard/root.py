"""The tree that is worked on: this host, or one below ``--root DIR``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from wizard.errors import HostError

_LINKS_IN_A_ROW = 20
_LONGEST, _LONGEST_NAME = 4000, 255  # bytes; the kernel takes 4095, of which a tree's own path is a part


@dataclass(frozen=True, slots=True)
class Root:
    """A file tree with the host's layout. Paths inside it are written as the host would: ``/etc/postfix``.

    In a tree that is not the live one nothing is started, reloaded or connected to.
    """

    prefix: Path = Path("/")

    @property
    def live(self) -> bool:
        """Whether this is the running host itself."""
        return self.prefix == Path("/")

    def refuse_strangers(self) -> None:
        """Let only root change the running host.

        Raises:
            HostError: when it is somebody else.

        """
        if self.live and os.geteuid() != 0:
            raise HostError("this changes the host: run it as root")

    def path(self, inside: str) -> Path:
        """Where the host's absolute path ``inside`` really lies.

        An absolute symbolic link met on the way is taken as the tree means it, not as this host does.

        Raises:
            HostError: when it is longer than a path can be (pathname(7)).

        """
        if self.live:
            return _checked(Path(inside))
        return self._follow(Path(inside), 0)

    def file(self, inside: str) -> Path:
        """Where the file that ``inside`` means really lies: as :meth:`path`, through a last link too.

        Raises:
            HostError: as :meth:`path`.

        """
        found = self.path(inside)
        if self.live:
            return Path(os.path.realpath(found)) if found.is_symlink() else found
        for _ in range(_LINKS_IN_A_ROW):
            if not found.is_symlink():
                break
            target = Path("/", found.parent.relative_to(self.prefix)) / found.readlink()
            found = self.path(str(_flat(target)))
        return found

    def _follow(self, inside: Path, depth: int) -> Path:
        done = self.prefix
        parts = _checked(inside).parts[1:]
        for at, part in enumerate(parts):
            done = done / part
            # the last part is left as it is: a caller may mean the link itself
            if at < len(parts) - 1 and done.is_symlink() and depth < _LINKS_IN_A_ROW:
                target = done.readlink()
                base = (
                    Path("/")
                    if target.is_absolute()
                    else Path("/", *done.relative_to(self.prefix).parts[:-1])
                )
                return self._follow(_flat(base / target).joinpath(*parts[at + 1 :]), depth + 1)
        return done


def _checked(inside: Path) -> Path:
    if len(bytes(inside)) > _LONGEST or any(len(os.fsencode(part)) > _LONGEST_NAME for part in inside.parts):
        raise HostError(f"{str(inside)[:40]}…: no path is as long as this one")
    return inside


def _flat(path: Path) -> Path:
    """``path`` without ``..``, which never leads above the root."""
    parts: list[str] = []
    for part in path.parts[1:]:
        if part == "..":
            del parts[-1:]
        else:
            parts.append(part)
    return Path("/", *parts)
