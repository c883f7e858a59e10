"""Tries a plan in a shadow of this host, with the real Postfix and saslauthd on their real ports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import recipes
from wizard import processes, reach
from wizard.changes import codec
from wizard.errors import HostError
from wizard.events import Event
from wizard.policy import AuxpropSql, SaslauthdRimap, SqlEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wizard.host import Host
    from wizard.plan import Plan
    from wizard.policy import Backend
    from wizard.secret import Secret

_PROJECT = Path(__file__).resolve().parent.parent
_UNSHARE = ("unshare", "--mount", "--pid", "--ipc", "--fork", "--kill-child", "--propagation", "private")
_SERVICES = ("postfix", "saslauthd", "dovecot")
_ALONE = "in a rehearsal no other server can be asked, so nobody logs in with the right password"


def rehearse(plan: Plan, host: Host, *, user: str = "", password: Secret | None = None) -> Iterator[Event]:
    """Apply and test ``plan`` in a shadow, and yield what happens there. The host itself is not touched.

    The events are those of an apply; the last is ``finished``. Leaving off early ends the shadow.

    Raises:
        HostError: when there can be no shadow: below ``--root``, not as root, or where the kernel forbids it.

    """
    if not host.root.live:
        raise HostError("a tree below --root runs nothing, so there is nothing to rehearse")
    if os.geteuid() != 0:
        raise HostError("only root can make a shadow of this host: run it as root")
    backend = plan.whole.backend
    if backend and password is not None and _asks_a_server(backend):
        yield Event("alone", _ALONE)
        user, password = "", None
    work: dict[str, codec.Json] = {
        "changes": [codec.pack(change) for change in plan.changes],
        "addresses": [address for address in host.addresses if not address.startswith("127.")],
        "running": [name for name in _SERVICES if processes.running(name)],
        "names": _names(backend.server, backend.port) if isinstance(backend, SaslauthdRimap) else [],
        "user": user,
        "password": password.reveal() if password else "",
    }
    yield from _followed(work)


def _asks_a_server(backend: Backend) -> bool:
    if isinstance(backend, AuxpropSql) and backend.engine is SqlEngine.SQLITE:
        return False
    return recipes.shown(type(backend)).remote


def _names(name: str, port: int) -> list[codec.Json]:
    """Return lines for hosts(5): without an address saslauthd would not start where no name service is."""
    with suppress(reach.UnreachableError):
        return [f"{address} {name}" for address in reach.addresses(name, port)]
    return []


def _followed(work: dict[str, codec.Json]) -> Iterator[Event]:
    environment = {name: os.environ[name] for name in ("PYTHONPYCACHEPREFIX",) if name in os.environ}
    environment |= {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    environment |= {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
    with subprocess.Popen(
        [*_UNSHARE, sys.executable, "-P", "-m", "wizard.shadow"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=environment | {"PYTHONPATH": str(_PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
    ) as shadow:
        if not shadow.stdin or not shadow.stdout or not shadow.stderr:
            raise HostError("no pipe to the shadow")
        try:
            # where no shadow is allowed nobody reads this
            with suppress(BrokenPipeError), shadow.stdin as pipe:
                pipe.write(json.dumps(work).encode())
            last = Event("")
            for line in shadow.stdout:
                yield (last := Event.of(line.decode()))
            if last.kind != "finished":
                said = shadow.stderr.read().decode(errors="replace").strip().splitlines()
                raise HostError(
                    f"this host allows no shadow of itself: {said[-1] if said else 'it ended at once'}"
                )
        finally:
            shadow.kill()
