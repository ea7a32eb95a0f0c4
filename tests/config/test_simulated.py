"""Types and rules of what is played that the cases do not show."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.simulated import IpAddress, RequestTarget, SimulatedAnswer, SimulatedRequest
from proxy.config.units import Size


@pytest.mark.parametrize(
    ("unit", "text", "value"),
    [(RequestTarget, "/a%20b?c={d}", "/a%20b?c={d}"), (IpAddress, "2001:DB8::1", "2001:db8::1")],
)
def test_a_value_is_read(unit: Any, text: str, value: object) -> None:
    assert value == unit.parse(text)


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        (RequestTarget, "a"),
        (RequestTarget, "/a b"),
        (RequestTarget, "/a#b"),
        (RequestTarget, "/ü"),
        (RequestTarget, "/a\n"),
        (RequestTarget, 1),
        (IpAddress, "10.0.0.0/8"),
        (IpAddress, "localhost"),
        (IpAddress, 167772161),
    ],
)
def test_what_is_none_is_refused_with_an_example(unit: Any, value: object) -> None:
    with pytest.raises(ValueError, match="expected one"):
        unit.parse(value)


@pytest.mark.parametrize(
    ("stated", "field"),
    [
        (SimulatedRequest(path=RequestTarget("/"), body="a", json=1), "json"),
        (SimulatedAnswer(body="a", headers={"Transfer-Encoding": "b"}), "headers.Transfer-Encoding"),  # type: ignore[dict-item]
        (SimulatedAnswer(body_size=Size(100_000_001)), "body_size"),
        (SimulatedAnswer(reset="body", status=204, body="a"), "reset"),
        (SimulatedAnswer(reset=True, refuse=True), "refuse"),
    ],
    ids=["two bodies", "framing", "too large", "no body to break", "two faults"],
)
def test_what_makes_no_sense_is_refused(stated: Any, field: str) -> None:
    assert [field] == [path for path, _ in stated.check()]
