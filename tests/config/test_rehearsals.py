"""Types and rules of `tests` that the cases do not show."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.rehearsals import (
    Expectation,
    Instant,
    IpAddress,
    JsonPointer,
    PolicyTest,
    RequestTarget,
    SimulatedAnswer,
    SimulatedRequest,
    Step,
)
from proxy.config.units import Duration, Size


@pytest.mark.parametrize(
    ("unit", "text", "value"),
    [
        (RequestTarget, "/a%20b?c={d}", "/a%20b?c={d}"),
        (IpAddress, "2001:DB8::1", "2001:db8::1"),
        (Instant, "1970-01-01T00:00:10z", 10.0),
        (Instant, "1970-01-01T01:00:00.5+01:00", 0.5),
        (JsonPointer, "", ""),
        (JsonPointer, "/a~1b/~0/0/", "/a~1b/~0/0/"),
    ],
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
        (Instant, "2026-01-05T09:00:00"),
        (Instant, "2026-01-05"),
        (Instant, "2026-13-05T09:00:00Z"),
        (Instant, "0000-01-05T09:00:00Z"),
        (Instant, 1767603600),
        (JsonPointer, "a"),
        (JsonPointer, "/~2"),
        (JsonPointer, None),
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
        (Expectation(count=3), ""),
        (Step(expect=Expectation(reason="a.b")), ""),  # type: ignore[arg-type]
        (Step(request=SimulatedRequest(path=RequestTarget("/")), expect=()), ""),
        (PolicyTest(name="a", upstream=(), steps=(Step(wait=Duration(1)),)), "upstream"),
    ],
    ids=[
        "two bodies",
        "framing",
        "too large",
        "no body to break",
        "two faults",
        "a count alone",
        "no request",
        "no expectation",
        "no script",
    ],
)
def test_what_makes_no_sense_is_refused(stated: Any, field: str) -> None:
    assert [field] == [path for path, _ in stated.check()]
