"""The tree that is worked on: this host, or one below ``--root DIR``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_LINKS_IN_A_ROW = 20


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

    def path(self, inside: str) -> Path:
        """Where the host's absolute path ``inside`` really lies.

        An absolute symbolic link met on the way is taken as the tree means it, not as this host does.
        """
        if self.live:
            return Path(inside)
        return self._follow(Path(inside), 0)

    def file(self, inside: str) -> Path:
        """Where the file that ``inside`` means really lies: as :meth:`path`, through a last link too."""
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
        parts = inside.parts[1:]
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


def _flat(path: Path) -> Path:
    """``path`` without ``..``, which never leads above the root."""
    parts: list[str] = []
    for part in path.parts[1:]:
        if part == "..":
            del parts[-1:]
        else:
            parts.append(part)
    return Path("/", *parts)
