"""What a response says of limits, and what of the upstream's own is never loosened."""

from __future__ import annotations

import pytest

from proxy.algorithms.gcra import Quota
from proxy.exchange import Response
from proxy.headers import Headers
from proxy.policies.limit_fields import LimitFields, Style
from tests.policies.reading import fields

QUOTA = Quota(100, 60.0, 10)
IETF = {"ratelimit-policy": ['"a";q=100;w=60'], "ratelimit": ['"a";r=9;t=1']}
LEGACY = {"x-ratelimit-limit": ["100"], "x-ratelimit-remaining": ["9"], "x-ratelimit-reset": ["1"]}


def told(style: Style, quota: Quota = QUOTA, wait: int = 600_000, **upstream: str) -> dict[str, list[str]]:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in upstream.items()]
    response = Response(200, Headers(given))
    LimitFields(style, "a", quota).write(response, (9, wait))
    return fields(response)


@pytest.mark.parametrize(
    ("style", "expected"),
    [("ietf", IETF), ("legacy", LEGACY), ("both", IETF | LEGACY), ("none", {})],
)
def test_a_style_says_which_fields_are_sent(style: Style, expected: dict[str, list[str]]) -> None:
    assert expected == told(style)


@pytest.mark.parametrize(("wait", "seconds"), [(0, "0"), (1, "1"), (1_000_000, "1"), (1_000_001, "2")])
def test_seconds_are_rounded_up(wait: int, seconds: str) -> None:
    assert (f'"a";r=9;t={seconds}', seconds) == (
        told("both", wait=wait)["ratelimit"][0],
        told("both", wait=wait)["x-ratelimit-reset"][0],
    )


@pytest.mark.parametrize(
    ("quota", "policy"),
    [
        pytest.param(Quota(2, 1.0, 5), '"a";q=2;w=1', id="a second"),
        pytest.param(Quota(5, 0.25, 5), '"a";q=20;w=1', id="less than a second"),
        pytest.param(Quota(3, 1.5, 5), '"a";q=4;w=2', id="a broken one"),
        pytest.param(Quota(10_000, 86400.0, 1), '"a";q=10000;w=86400', id="a day"),
    ],
)
def test_a_window_is_whole_seconds_and_promises_no_more_than_the_limit(quota: Quota, policy: str) -> None:
    assert [policy] == told("ietf", quota)["ratelimit-policy"]


def test_where_nobody_asked_only_the_policy_is_told() -> None:
    response = Response(200)
    LimitFields("both", "a", QUOTA).write(response, None)

    assert {"ratelimit-policy": ['"a";q=100;w=60']} == fields(response)


def test_the_fields_of_the_upstream_stay_beside_ours() -> None:
    found = told("ietf", RateLimit='"up";r=1;t=9', RateLimit_Policy='"up";q=5;w=10')

    assert (['"up";r=1;t=9', '"a";r=9;t=1'], ['"up";q=5;w=10', '"a";q=100;w=60']) == (
        found["ratelimit"],
        found["ratelimit-policy"],
    )


@pytest.mark.parametrize(
    ("stated", "remaining"),
    [
        pytest.param("8", ["8"], id="a tighter one stays"),
        pytest.param("9", ["9"], id="an equal one stays"),
        pytest.param("10", ["9"], id="a looser one gives way"),
        pytest.param("99999999999999999999", ["9"], id="however long"),
        pytest.param("0.5", ["0.5"], id="what cannot be read stays"),
    ],
)
def test_of_the_legacy_fields_the_tightest_stand(stated: str, remaining: list[str]) -> None:
    found = told(
        "legacy", X_RateLimit_Remaining=stated, X_RateLimit_Limit="50", X_RateLimit_Reset="1700000000"
    )

    ours = remaining == ["9"] and stated != "9"
    assert (remaining, ["100"] if ours else ["50"], ["1"] if ours else ["1700000000"]) == (
        found["x-ratelimit-remaining"],
        found["x-ratelimit-limit"],
        found["x-ratelimit-reset"],
    )
