from __future__ import annotations

import pytest

from proxy.telemetry.timestamp import rfc3339


@pytest.mark.parametrize(
    ("at", "written"),
    [
        pytest.param(0.0, "1970-01-01T00:00:00.000Z", id="the epoch"),
        pytest.param(1_700_000_000.5, "2023-11-14T22:13:20.500Z", id="half a second"),
        pytest.param(
            1_700_000_000.9999, "2023-11-14T22:13:20.999Z", id="cut, not rounded into the next second"
        ),
        pytest.param(1_709_164_800, "2024-02-29T00:00:00.000Z", id="a whole number, on a leap day"),
    ],
)
def test_a_point_in_time_is_utc_with_milliseconds(at: float, written: str) -> None:
    assert written == rfc3339(at)
