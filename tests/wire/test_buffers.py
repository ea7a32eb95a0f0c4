"""The bound on all buffered bodies together."""

from __future__ import annotations

import pytest

from proxy.errors import Rejection
from proxy.wire.buffers import Buffers


def test_up_to_the_bound_bytes_are_held() -> None:
    buffers = Buffers(10)
    buffers.hold(4)
    buffers.hold(6)

    assert 10 == buffers.held


def test_over_the_bound_the_next_one_is_refused_and_nothing_is_counted() -> None:
    buffers = Buffers(10)
    buffers.hold(4)

    with pytest.raises(Rejection) as refused:
        buffers.hold(7)

    rejection = refused.value
    assert (503, "buffers.full", 1.0) == (rejection.status, rejection.reason, rejection.retry_after)
    assert {"held": 4, "limit": 10} == rejection.facts
    assert 4 == buffers.held


def test_what_is_given_back_can_be_held_again() -> None:
    buffers = Buffers(10)
    buffers.hold(10)
    buffers.release(10)
    buffers.hold(10)

    assert 10 == buffers.held
