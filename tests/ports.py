"""A port for a process that cannot choose one by itself."""

from __future__ import annotations

import random
import socket

_RANGE = range(10240, 32768)
"""Below what systems choose from by themselves: or any connection could take it before the process has it."""


def free_port() -> int:
    """One of 127.0.0.1 that nobody has. Not by `random`'s own seed, which tests set alike in each process."""
    while True:
        port = random.SystemRandom().choice(_RANGE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
