"""Whether a call is repeated, and how soon: each reason against it, in its turn."""

from __future__ import annotations

from math import inf

import pytest

from proxy.algorithms.backoff import BackOff
from proxy.errors import Rejection
from proxy.exchange import Response
from proxy.policies.resilience.retry.classes import Class
from proxy.policies.resilience.retry.plan import Past, Plan
from proxy.testing import Chunks, exchange, fake_services

BUSY = Response(503, from_upstream=True)


def a_plan(*, left: int = 100) -> Plan:
    """A second, then two; `left` of the budget."""
    taken = iter([True] * left)
    waits = BackOff(1.0, 2.0, 60.0, "none")
    return Plan(2, waits, 60.0, lambda _: next(taken, False), fake_services())


@pytest.mark.parametrize(
    ("limit", "deadline", "body", "left", "told"),
    [
        pytest.param(2, None, b"", 100, [1.0, 2.0, "exhausted"], id="the limit"),
        pytest.param(0, None, b"", 100, ["exhausted"], id="no repetition"),
        pytest.param(3, None, b"", 100, [1.0, 2.0, 4.0, "exhausted"], id="a class with more"),
        pytest.param(2, 1.5, b"", 100, [1.0, "no_time"], id="the deadline"),
        pytest.param(2, None, Chunks(b"a"), 100, ["no_body"], id="a body that is gone"),
        pytest.param(2, None, b"", 1, [1.0, "over_budget"], id="the budget"),
    ],
)
def test_it_ends_for_the_first_reason(
    limit: int, deadline: float | None, body: bytes | Chunks, left: int, told: list[float | str]
) -> None:
    plan, past, asked = a_plan(left=left), Past(), exchange(body=body)
    if deadline is not None:
        asked.bound_time(deadline, Rejection(504, "deadline.exceeded"))
    found = Class("gateway_error", limit, 1.0)
    for _ in range(10):
        asked.attempts += 1
        if plan.wait(asked, BUSY, found, past) is None:
            break
        past.told("failed")

    assert told == [each.outcome if each.wait is None else each.wait for each in asked.retries or ()]


def test_a_call_that_the_wire_repeated_by_itself_counts() -> None:
    asked = exchange()
    asked.attempts = 3

    assert None is a_plan().wait(asked, BUSY, Class("gateway_error", 2, 1.0), Past())


@pytest.mark.parametrize(
    ("barred_until", "waits"),
    [
        pytest.param(0.9, [1.0, 2.0], id="until the wait is over"),
        pytest.param(1.1, [0.0, 2.0], id="longer, which is known of one call and not of the next"),
        pytest.param(inf, [0.0, 2.0], id="nobody knows how long"),
    ],
)
def test_nobody_waits_for_a_call_that_a_policy_behind_would_not_let_pass(
    barred_until: float, waits: list[float]
) -> None:
    plan, past, asked = a_plan(), Past(), exchange()
    asked.attempts, asked.barred_until = 1, barred_until
    found = Class("gateway_error", 2, 1.0)

    assert waits == [plan.wait(asked, BUSY, found, past) for _ in range(2)]
