"""A breaker that can't open is told of, and none that can."""

from __future__ import annotations

import pytest

from proxy.app.never_trips import never_trips
from tests.app.trial import UPSTREAM, Files, routes

BY_RATIO = "circuit_breaker: {trip: {failure_ratio: 50%, min_requests: 20, window: 10s}}"
ONE_A_SECOND = "rate_limit: {limit: 1/s, burst: 9, key: [constant]}"
WARNING = ("trip.min_requests", "it never opens by a ratio: limits let at most 19 calls through in 10s")
NAMED = f"policies: {{circuit_breaker: {{app: {BY_RATIO.removeprefix('circuit_breaker: ')}}}}}\n"


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        pytest.param(routes(a=f"{{{ONE_A_SECOND}, {BY_RATIO}}}"), [WARNING], id="too few in all"),
        pytest.param(routes(a=f"{{{ONE_A_SECOND.replace('9', '10')}, {BY_RATIO}}}"), [], id="just enough"),
        pytest.param(
            routes(a=f"{{{ONE_A_SECOND.replace('9', '48, cost: 3')}, {BY_RATIO}}}"),
            [(WARNING[0], WARNING[1])],
            id="each costs three",
        ),
        pytest.param(
            routes(a=f"{{pace: {{limit: 1/s, burst: 9}}, {BY_RATIO}}}"),
            [WARNING],
            id="they wait",
        ),
        pytest.param(routes(a=f"{{{BY_RATIO}}}"), [], id="no limit"),
        pytest.param(
            routes(a=f"{{{ONE_A_SECOND.replace('constant', 'client.ip')}, {BY_RATIO}}}"), [], id="per client"
        ),
        pytest.param(
            routes(a=f"{{{ONE_A_SECOND.replace('9,', '9, mode: shadow,')}, {BY_RATIO}}}"), [], id="in shadow"
        ),
        pytest.param(
            routes(a=f"{{{ONE_A_SECOND}, circuit_breaker: {{}}}}"), [], id="by failures in a row as well"
        ),
        pytest.param(
            NAMED + routes(a=f"{{{ONE_A_SECOND}, circuit_breaker: app}}", b="{circuit_breaker: app}"),
            [],
            id="another route has it, too",
        ),
        pytest.param(
            NAMED + routes(a=f"{{{ONE_A_SECOND}, circuit_breaker: app}}"), [WARNING], id="a named one"
        ),
    ],
)
def test_a_breaker_that_gets_too_few_calls_is_told_of(
    files: Files, text: str, warnings: list[tuple[str, str]]
) -> None:
    files.write(UPSTREAM + text)

    assert warnings == [found[1:] for found in never_trips(files.compile().configuration)]
