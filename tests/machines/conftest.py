"""What every test on machines is given: machines."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.machines.images import Debian, Kind
from tests.machines.machine import Machine
from tests.machines.network import link
from tests.machines.thorough import its_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_HERE = Path(__file__).parent


class Boot(Protocol):
    """Boots a machine of the Debian that the test runs for; it is gone when the test ends."""

    def __call__(
        self,
        kind: Kind = Kind.MAIL,
        *,
        hostname: str = "mail.example.net",
        internet: bool = False,
        init: bool = True,
    ) -> Machine:
        """Boot it; the arguments are those of ``Machine``."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "machines: runs on booted Debian machines and needs root")
    config.addinivalue_line("markers", "either_release: both behave alike, so one of them will do")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    by_name = any("::" in asked for asked in config.args)
    left_out = [item for item in items if item.get_closest_marker("either_release") and not its_turn(item)]
    if left_out and not by_name:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    skip = pytest.mark.skip(reason="only root can boot machines")
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.machines)
            if os.geteuid() != 0:
                item.add_marker(skip)


@pytest.fixture(params=list(Debian), ids=lambda debian: str(debian.number))
def debian(request: pytest.FixtureRequest) -> Debian:
    """Return each release in turn: a test that asks for a machine runs once on each."""
    release: Debian = request.param
    return release


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Return what the test's machines and networks are undone by, last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def boot(debian: Debian, stack: ExitStack) -> Boot:
    """Return the function that boots machines for this test."""

    def start(
        kind: Kind = Kind.MAIL,
        *,
        hostname: str = "mail.example.net",
        internet: bool = False,
        init: bool = True,
    ) -> Machine:
        machine = Machine(debian, kind, hostname=hostname, internet=internet, init=init)
        return stack.enter_context(machine)

    return start


@pytest.fixture
def machine(boot: Boot) -> Machine:
    """Return a booted machine with Postfix and Cyrus SASL as Debian installs them."""
    return boot(Kind.MAIL)


@pytest.fixture
def join(stack: ExitStack) -> Callable[..., tuple[str, ...]]:
    """Return the function that links machines and tells their addresses (see ``network.link``)."""
    return lambda *machines: stack.enter_context(link(*machines))
