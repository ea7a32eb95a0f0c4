"""Rules of what tests expect."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.config.expectations import Expectation, UpstreamRequest
from proxy.config.patterns import Method, Name
from proxy.config.units import StatusSet

PUT = UpstreamRequest(method=Method("PUT"))


@pytest.mark.parametrize(
    ("stated", "field"),
    [
        (Expectation(count=3), ""),
        (UpstreamRequest(), ""),
        (Expectation(upstream_request=()), "upstream_request"),
        (Expectation(upstream_request=PUT, upstream_calls=0), "upstream_request"),
    ],
    ids=["a count alone", "nothing to receive", "no requests", "a request without a call"],
)
def test_what_makes_no_sense_is_refused(stated: Any, field: str) -> None:
    assert [field] == [path for path, _ in stated.check()]


def test_what_is_about_a_whole_step_is_known() -> None:
    of_one = Expectation(status=StatusSet({200}), upstream_request=PUT)
    of_all = Expectation(count=0, upstream_calls=0, upstream=Name("app"), breaker={Name("app"): "open"})

    assert ((), ("count", "upstream_calls", "upstream", "breaker")) == (of_one.of_a_step, of_all.of_a_step)
