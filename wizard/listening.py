"""On which TCP ports of this host somebody listens."""

from __future__ import annotations

import psutil


def open_ports() -> set[int]:
    """Return the ports, whoever listens there and at whatever address."""
    return {
        connection.laddr.port
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr
    }
