"""One Valkey for all tests of the redis store, each with keys of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proxy.testing import FakeClock
from tests.stores.valkey import LiveValkey


@pytest.fixture(scope="session")
def valkey() -> Iterator[LiveValkey]:
    server = LiveValkey()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def cluster() -> Iterator[LiveValkey]:
    """One node that has all slots: a key in another slot than the rest is refused as in any cluster."""
    server = LiveValkey("cluster-enabled yes")
    server.start()
    server.say("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
    while b"cluster_state:ok" not in server.say("CLUSTER", "INFO"):
        pass
    yield server
    server.stop()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
