"""Machines among themselves, and out into the world; both without a trace in this host's own network."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.machines.room import DIES_WITH_US, ENVIRONMENT, MachineError, Room

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.machines.machine import Machine

NAMESERVER = "10.0.2.3"  # where slirp4netns answers for this host's own resolver


def connect_to_world(room: Room) -> subprocess.Popen[bytes]:
    """Let ``room`` reach what this host reaches, through a process that plays the gateway.

    It needs neither forwarding nor packet filter rules on this host. Nothing from outside, and nothing on
    this host's loopback, can be reached through it. End the process to end the connection.

    Raises:
        MachineError: when it does not come up.

    """
    read, write = os.pipe()
    gateway = subprocess.Popen(
        [*DIES_WITH_US, "slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback",
         f"--ready-fd={write}", "--netns-type=path", room.network, "world0"],
        env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        pass_fds=(write,), start_new_session=True,
    )  # fmt: skip
    os.close(write)
    with os.fdopen(read, "rb") as ready:
        if ready.read(1) != b"1":
            said = gateway.communicate()[1].decode()
            raise MachineError(f"no way out for the machine: {said}")
    return gateway


@contextmanager
def link(*machines: Machine) -> Iterator[tuple[str, ...]]:
    """Join ``machines`` by a network of their own; yield their addresses on it, in order.

    They are 192.0.2.1, 192.0.2.2 and so on, on the interface ``lan0``, and each machine finds the others in
    its /etc/hosts. Give the machines different host names.
    """
    hub = Room("ip link add lan type bridge forward_delay 0; ip link set lan up")
    try:
        addresses = tuple(f"192.0.2.{number}" for number, _ in enumerate(machines, start=1))
        for machine, address in zip(machines, addresses, strict=True):
            _plug(hub, machine, address)
            others = [(a, m) for a, m in zip(addresses, machines, strict=True) if m is not machine]
            lines = [f"{a} {m.hostname} {m.hostname.partition('.')[0]}\n" for a, m in others]
            machine.run(["tee", "-a", "/etc/hosts"], stdin="".join(lines))
        yield addresses
    finally:
        hub.close()


def _plug(hub: Room, machine: Machine, address: str) -> None:
    port = "port" + address.rpartition(".")[2]
    room = machine.room
    hub.run("ip", "link", "add", port, "type", "veth", "peer", "name", "lan0", "netns", str(room.pid))
    hub.run("ip", "link", "set", port, "master", "lan", "up")
    room.run("ip", "address", "add", f"{address}/24", "dev", "lan0")
    room.run("ip", "link", "set", "lan0", "up")
