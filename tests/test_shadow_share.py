"""A share of the callers meets a policy, the rest its shadow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import (
    Attempt,
    Exchange,
    Forward,
    Response,
)
from proxy.policy import Hooks
from proxy.shadow import for_share, in_shadow
from proxy.testing import exchange, route
from tests.trials import (
    asking,
    ended,
    plain_or_waiting,
    refuse,
    reports,
)


def sided(name: str = "rate_limit/per_client", share: float = 0.5, *, waits: bool = False) -> Hooks:
    """Refuses for the share that is enforced; the others get a report."""
    trial = asking(refuse, waits=waits)
    return for_share(name, share, trial, in_shadow("trial", trial))


def enforced_among(addresses: Iterable[str], hooks: Hooks) -> set[str]:
    """Those for whom `hooks` refuse."""
    pipeline = route(hooks)
    return {address for address in addresses if pipeline.admit(exchange(client_ip=address)) is not None}


ADDRESSES = [f"10.0.{third}.{fourth}" for third in range(16) for fourth in range(1, 255)]
ADDRESSES += [f"2001:db8::{number:x}" for number in range(1, 1000)]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["rate_limit/per_client", "ip_list/a", "deadline/checkout"])
def test_a_share_is_about_as_large_as_stated(name: str, share: float) -> None:
    found = enforced_among(ADDRESSES, sided(name, share))

    assert share == pytest.approx(len(found) / len(ADDRESSES), abs=0.025)


@pytest.mark.parametrize(
    ("share", "enforced"), [pytest.param(0.0, [], id="nobody"), pytest.param(1.0, ADDRESSES, id="everybody")]
)
def test_the_ends_of_the_scale_are_exact(share: float, enforced: list[str]) -> None:
    assert set(enforced) == enforced_among(ADDRESSES, sided(share=share))


@given(st.lists(st.ip_addresses().map(str)), st.floats(0, 1), st.floats(0, 1))
def test_who_is_enforced_at_one_share_is_enforced_at_every_larger_one(
    addresses: list[str], one: float, other: float
) -> None:
    smaller, larger = sorted((one, other))

    assert enforced_among(addresses, sided(share=smaller)) <= enforced_among(addresses, sided(share=larger))


def test_a_caller_is_on_the_same_side_in_every_process() -> None:
    addresses = [f"192.0.2.{number}" for number in range(1, 9)]

    found = enforced_among(addresses, sided())

    assert {f"192.0.2.{number}" for number in (2, 3, 4, 7, 8)} == found


def test_the_shares_of_two_policies_overlap_by_chance_alone() -> None:
    one, other = sided("rate_limit/a"), sided("rate_limit/b")

    both = enforced_among(ADDRESSES, one) & enforced_among(ADDRESSES, other)

    assert 0.25 == pytest.approx(len(both) / len(ADDRESSES), abs=0.025)


ENFORCED_IP, SHADOWED_IP = "192.0.2.2", "192.0.2.1"


@plain_or_waiting
@pytest.mark.parametrize(
    ("client_ip", "status", "reported"),
    [
        pytest.param(ENFORCED_IP, 403, [], id="the share"),
        pytest.param(SHADOWED_IP, 200, [(403, "trial.refused")], id="the rest"),
    ],
)
async def test_the_share_is_refused_and_the_rest_is_reported(
    client_ip: str, status: int, reported: list[tuple[int, str]], waits: bool
) -> None:
    asked = exchange(client_ip=client_ip)

    response = await route(sided(waits=waits)).respond(asked)

    assert (status, reported) == (response.status, reports(asked))


def every_hook(said: list[str], name: str) -> Hooks:
    def saying(what: str) -> Any:
        return lambda *_: said.append(f"{name} {what}")

    async def around(asked: Exchange, forward: Forward) -> Response:
        said.append(f"{name} around")
        return await forward(asked)

    return Hooks(saying("request"), around, saying("attempt"), saying("response"), saying("finish"))


@pytest.mark.parametrize(
    ("client_ip", "expected"),
    [
        pytest.param(
            ENFORCED_IP,
            ["on request", "on around", "on response", "on attempt", "on finish"],
            id="the share",
        ),
        pytest.param(SHADOWED_IP, ["off request", "off around", "off attempt", "off finish"], id="the rest"),
    ],
)
async def test_every_hook_of_one_exchange_is_that_of_one_side(client_ip: str, expected: list[str]) -> None:
    said: list[str] = []
    hooks = for_share(
        "rate_limit/per_client", 0.5, every_hook(said, "on"), in_shadow("trial", every_hook(said, "off"))
    )
    asked = exchange(client_ip=client_ip)
    pipeline = route(hooks)

    await pipeline.respond(asked)
    pipeline.attempted(asked, Attempt(1, "app", 0.0, 1.0))
    pipeline.finish(asked, ended())

    assert expected == said


@pytest.mark.parametrize("hooks", [sided(), in_shadow("trial", asking(refuse))], ids=["a share", "shadow"])
def test_hooks_that_a_policy_lacks_are_not_made_up(hooks: Hooks) -> None:
    pipeline = route(hooks)

    assert ((), (), True) == (pipeline.attempt_steps, pipeline.response_steps, pipeline.plain)
