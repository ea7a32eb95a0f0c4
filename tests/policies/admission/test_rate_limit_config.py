"""What may be written, what not, and how it reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.units import Share
from proxy.policies.admission.rate_limit import RateLimitConfig
from proxy.policies.limit_config import PenaltyConfig
from tests.policies.admission.limits import (
    a_config,
)
from tests.policies.reading import problems


@pytest.mark.parametrize(
    ("limit", "burst", "bucket"),
    [("100/min", "29%", 29), ("25/min", "10%", 2), ("3/s", "100%", 3), ("7/s", "33.4%", 2)],
)
def test_a_share_of_the_limit_is_rounded_down_and_exact(limit: str, burst: str, bucket: int) -> None:
    assert bucket == a_config(limit, burst=Share.parse(burst)).bucket


@pytest.mark.parametrize(
    ("policies", "places"),
    [
        pytest.param("rate_limit: 100/min", [], id="a rate alone"),
        pytest.param("rate_limit: {limit: 100/min, burst: 10%}", [], id="a share"),
        pytest.param("rate_limit: {burst: 3}", ["rate_limit"], id="no limit"),
        pytest.param("rate_limit: 100", ["rate_limit"], id="a bare number"),
        pytest.param("rate_limit: 0/min", ["rate_limit"], id="nothing at all"),
        pytest.param("rate_limit: 5/0s", ["rate_limit"], id="in no time"),
        pytest.param("rate_limit: {limit: 1/s, burst: 0}", ["rate_limit.burst"], id="a burst of nothing"),
        pytest.param("rate_limit: {limit: 5/s, burst: 10%}", ["rate_limit.burst"], id="half a request"),
        pytest.param("rate_limit: {limit: 5/s, burst: 0%}", ["rate_limit.burst"], id="a share of nothing"),
        pytest.param("rate_limit: {limit: 5/s, burst: 2, cost: 3}", ["rate_limit.cost"], id="too dear"),
        pytest.param("rate_limit: {limit: 5/s, key: []}", ["rate_limit.key"], id="no key"),
        pytest.param("rate_limit: {limit: 5/s, key: [nobody]}", ["rate_limit.key[0]"], id="an unknown key"),
        pytest.param(
            "rate_limit: {limit: 5/s, key: [client.ip, auth.id]}", ["rate_limit.key[1]"], id="a later fact"
        ),
        pytest.param(
            'rate_limit: {limit: 5/s, key: ["body:/id"], on_missing_key: ip}',
            ["rate_limit.key[0]"],
            id="a body",
        ),
        pytest.param(
            "rate_limit: {limit: 5/s, key: [path.id]}", ["rate_limit.key[0]"], id="not in the path"
        ),
        pytest.param(
            'rate_limit: {limit: 5/s, key: ["header:X"]}', ["rate_limit"], id="nothing for who leaves it out"
        ),
        pytest.param("rate_limit: {limit: 5/s, when_store_fails: maybe}", ["rate_limit.when_store_fails"],
                     id="no way to go on without a store"),
        pytest.param("rate_limit: {limit: 5/s, penalty: {factor: 1.0}}", ["rate_limit.penalty.factor"],
                     id="a penalty that is none"),
    ],
)  # fmt: skip
def test_what_could_not_work_is_found_at_load(policies: str, places: list[str], tmp_path: Path) -> None:
    assert places == problems(policies, tmp_path)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (a_config("100/min"), ["at most 10 at once, then one per 600ms, for each client"]),
        (a_config("10/s", "constant", burst=1), ["one per 100ms, for all together"]),
        (
            a_config("10000/d", cost=5, penalty=PenaltyConfig()),
            [
                "at most 10 at once, then one per 8.64s, for each client",
                "each request counts as 5",
                "each refusal after 3 makes the wait 2 times as long, up to 1h",
            ],
        ),
    ],
)
def test_a_limit_reads_as_words(config: RateLimitConfig, words: list[str]) -> None:
    assert words == list(config.in_words())
