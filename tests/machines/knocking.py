"""Somebody who connects to the mail ports every few milliseconds, and counts how often nobody answers."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.machines.room import end

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.machines.machine import Machine

# Waits for the greeting of every tenth connection, as a client does.
_KNOCKER = """
import json, select, socket, sys, time
ports, tried, refused, silent = [25, 587, 465], 0, 0, 0
print("knocking", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    for port in ports:
        tried += 1
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                if port != 465 and tried % 10 == 0 and not connection.recv(100).startswith(b"220"):
                    silent += 1
        except OSError:
            refused += 1
        time.sleep(0.002)
print(json.dumps([tried, refused, silent]), flush=True)
"""


@dataclass(slots=True)
class Knocks:
    """How many connections were tried, how many refused, and how many got no greeting."""

    tried: int = 0
    refused: int = 0
    silent: int = 0


@contextmanager
def knocking(machine: Machine) -> Iterator[Knocks]:
    """Knock at 25, 587 and 465 as long as the block lasts; the counts are there afterwards."""
    found = Knocks()
    with machine.popen(["python3", "-c", _KNOCKER]) as knocker:
        try:
            assert knocker.stdin
            assert knocker.stdout
            assert knocker.stdout.readline() == b"knocking\n"
            yield found
            knocker.stdin.close()
            found.tried, found.refused, found.silent = json.loads(knocker.stdout.readline())
        finally:
            end(knocker)
