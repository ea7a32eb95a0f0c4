"""What became of an exchange at each policy of its route."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.errors import Change, Rejection, UpstreamError
from proxy.exchange import Exchange, PolicyFacts, Request, RouteFacts
from proxy.telemetry.stages import Mark, position_of, trace_of

CHAIN = (
    PolicyFacts("deadline", "deadline/tickets", "enforce", "tickets.yaml:3"),
    PolicyFacts("cors", "cors/tickets", "disabled", "tickets.yaml:9"),
    PolicyFacts("size_limit", "size_limit/tickets", "10%", "tickets.yaml:4"),
    PolicyFacts("rate_limit", "rate_limit/whole_route", "shadow", "tickets.yaml:11"),
    PolicyFacts("rate_limit", "rate_limit/per_client", "enforce", "tickets.yaml:12"),
    PolicyFacts("timeout", "timeout/tickets", "enforce", "tickets.yaml:5"),
)
LIMITED = Rejection(429, "rate_limit.exceeded", policy="rate_limit/per_client")
IN_TIME = Rejection(504, "deadline.exceeded")
TOO_LARGE = Rejection(413, "size_limit.body")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(
            {"refusal": LIMITED},
            ["passed", "disabled", "passed", "passed", "refused", "not reached"],
            id="what stands before the one that refused has passed, what stands behind it is not reached",
        ),
        pytest.param(
            {
                "refusal": LIMITED,
                "shadowed": [
                    TOO_LARGE,
                    Rejection(429, "rate_limit.exceeded", policy="rate_limit/whole_route?shadow"),
                ],
            },
            ["passed", "disabled", "would have refused", "would have refused", "refused", "not reached"],
            id="shadow would have refused, and went on",
        ),
        pytest.param(
            {
                "shadowed": [Rejection(200, "rate_limit.skipped", policy="rate_limit/whole_route")],
                "attempts": 1,
            },
            ["passed", "disabled", "passed", "skipped", "passed", "passed"],
            id="shadow that needs a body which nobody reads decides nothing",
        ),
        pytest.param(
            {"shadowed": [Rejection(204, "size_limit.answered")], "attempts": 1},
            ["passed", "disabled", "would have answered", "passed", "passed", "passed"],
            id="shadow that would have answered",
        ),
        pytest.param(
            {"refusal": UpstreamError(504, "timeout.response"), "attempts": 2},
            ["passed", "disabled", "passed", "passed", "passed", "refused"],
            id="a limit that the wire keeps is of the policy that set it",
        ),
        pytest.param(
            {"refusal": IN_TIME, "deadline_refusal": IN_TIME, "attempts": 1},
            ["refused", "disabled", "passed", "passed", "passed", "passed"],
            id="a deadline that ran out while the upstream worked",
        ),
        pytest.param(
            {"refusal": IN_TIME, "deadline_refusal": IN_TIME},
            ["refused", "disabled", "unknown", "unknown", "unknown", "unknown"],
            id="a deadline that ran out before the upstream was called",
        ),
        pytest.param(
            {"refusal": TOO_LARGE, "body_refusal": TOO_LARGE},
            ["passed", "disabled", "refused", "unknown", "unknown", "unknown"],
            id="a chunked body that went over its limit while a policy read it",
        ),
        pytest.param(
            {"refusal": UpstreamError(502, "upstream.unreachable"), "attempts": 1},
            ["passed", "disabled", "passed", "passed", "passed", "passed"],
            id="an upstream that failed is behind them all",
        ),
        pytest.param(
            {"refusal": Rejection(500, "internal.error")},
            ["unknown", "disabled", "unknown", "unknown", "unknown", "unknown"],
            id="a bug says nothing of where it was",
        ),
    ],
)
def test_it_is_told_stage_by_stage_what_became_of_the_request(
    facts: dict[str, Any], expected: list[str]
) -> None:
    exchange = Exchange(Request("GET", "/", "/"), client_ip="192.0.2.7")
    exchange.route = RouteFacts("tickets", "/", CHAIN)
    for name, value in facts.items():
        setattr(exchange, name, value)

    stages = trace_of(exchange, 16).stages()

    assert [(each.kind, each.name, each.mode, each.place) for each in CHAIN] == [
        (stage.kind, stage.name, stage.mode, stage.place) for stage in stages
    ]
    assert expected == [stage.outcome for stage in stages]


@pytest.mark.parametrize(
    ("policy", "reason", "position"),
    [
        ("rate_limit/whole_route", "rate_limit.exceeded", 3),
        ("rate_limit/whole_route?shadow", "rate_limit.exceeded", 3),
        ("rate_limit/gone", "rate_limit.exceeded", 4),
        ("", "rate_limit.exceeded", 4),
        ("cors/tickets", "cors.origin", None),
        ("", "upstream.unreachable", None),
    ],
    ids=["by name", "by its shadow's name", "by kind", "the last of its kind", "disabled", "of no policy"],
)
def test_a_refusal_is_that_of_the_policy_which_it_names(
    policy: str, reason: str, position: int | None
) -> None:
    assert position == position_of(Mark(policy, reason, None), CHAIN)


def test_of_very_many_refusals_in_shadow_some_are_kept() -> None:
    exchange = Exchange(Request("GET", "/", "/"), client_ip="192.0.2.7")
    exchange.shadowed = [Rejection(429, "rate_limit.exceeded", change=Change("burst", n)) for n in range(9)]

    kept = trace_of(exchange, 2).shadowed

    assert [Mark("", "rate_limit.exceeded", Change("burst", n)) for n in range(2)] == list(kept)
