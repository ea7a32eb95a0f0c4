"""A store in memory and its clock, for limits."""

from __future__ import annotations

import pytest

from proxy.stores.memory import MemoryStore
from tests.policies.admission.limits import StoppedClock


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def store(clock: StoppedClock) -> MemoryStore:
    return MemoryStore(clock)
