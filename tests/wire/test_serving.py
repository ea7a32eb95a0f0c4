"""What is served right now: one object, from which the sets of dropped fields follow."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from proxy.router import RoutingTable
from proxy.wire.head import HOP_BY_HOP, SPOOFABLE
from proxy.wire.serving import Serving
from tests.wire.harness import Records


def serving(**changes: Any) -> Serving:
    nothing: Any = None
    return Serving(RoutingTable([]), nothing, Records(), **changes)


def test_by_default_the_request_id_is_ours_to_say_in_both_directions() -> None:
    made = serving()

    assert b"X-Request-ID: %b\r\n" == made.request_id_field
    assert HOP_BY_HOP | {b"x-request-id"} == made.response_dropped == made.dropped_trusted
    assert made.dropped_untrusted == made.dropped_trusted | SPOOFABLE


def test_another_name_for_it_takes_its_place() -> None:
    made = serving(request_id_header="X-Correlation-ID")

    assert b"X-Correlation-ID: %b\r\n" == made.request_id_field
    assert b"x-correlation-id" in made.response_dropped
    assert b"x-request-id" not in made.response_dropped


@pytest.mark.parametrize("name", [b"x-auth-id", b"x_auth-id"])
def test_nobody_says_who_a_caller_is_and_upstreams_may(name: bytes) -> None:
    made = serving(identity_headers=frozenset((name,)))

    assert {name, b"x-auth-id"} <= made.dropped_trusted & made.dropped_untrusted
    assert b"x-auth-id" not in made.response_dropped


def test_a_revision_does_not_change_under_an_exchange() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        serving().request_id_header = "X"  # type: ignore[misc]
