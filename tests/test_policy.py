"""Whose state a policy has, and which hooks it offers."""

from __future__ import annotations

from random import Random

import pytest

from proxy.exchange import Attempt, Exchange, Forward, Outcome, Response
from proxy.policy import Around, Hooks, OnAttempt, OnFinish, OnRequest, OnResponse, Services
from proxy.state import Shared
from proxy.stores.memory import MemoryStore
from proxy.testing import FakeClock, FakeUpstream, exchange, fake_services


class Bucket:
    """Something with an identity, such as a breaker."""


def services(state: Shared, name: str) -> Services:
    clock = FakeClock()
    return Services(clock, Random(1), MemoryStore(clock), state, name)


def test_the_state_of_a_policy_belongs_to_its_name() -> None:
    state = Shared()
    one, same, other = (services(state, name) for name in ("rate_limit/a", "rate_limit/a", "rate_limit/b"))

    assert one.shared("buckets", Bucket) is same.shared("buckets", Bucket)
    assert one.shared("buckets", Bucket) is not other.shared("buckets", Bucket)
    assert one.shared("buckets", Bucket) is not one.shared("permits", Bucket)


def test_services_for_tests_share_nothing() -> None:
    assert fake_services().shared("a", Bucket) is not fake_services().shared("a", Bucket)


class Everything:
    def on_request(self, exchange: Exchange) -> None: ...

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        return await forward(exchange)

    def on_attempt(self, exchange: Exchange, attempt: Attempt) -> None: ...

    def on_response(self, exchange: Exchange, response: Response) -> None: ...

    def on_finish(self, exchange: Exchange, outcome: Outcome) -> None: ...


class Little:
    on_request = None

    def on_finish(self, exchange: Exchange, outcome: Outcome) -> None: ...


def test_the_hooks_of_a_policy_are_those_that_it_offers() -> None:
    all_of_them, one = Everything(), Little()

    assert Hooks(
        all_of_them.on_request,
        all_of_them.around,
        all_of_them.on_attempt,
        all_of_them.on_response,
        all_of_them.on_finish,
    ) == Hooks.of(all_of_them)
    assert Hooks(on_finish=one.on_finish) == Hooks.of(one)


@pytest.mark.parametrize(
    ("contract", "hook"),
    [
        (OnRequest, "on_request"),
        (Around, "around"),
        (OnAttempt, "on_attempt"),
        (OnResponse, "on_response"),
        (OnFinish, "on_finish"),
    ],
)
def test_a_class_with_the_hook_keeps_the_contract(contract: type, hook: str) -> None:
    without = type("Without", (), {name: lambda *_: None for name in Hooks.__slots__ if name != hook})

    assert isinstance(Everything(), contract)
    assert not isinstance(without(), contract)


def asking(answer: Response | None) -> Hooks:
    return Hooks(on_request=lambda _: answer, on_finish=Little().on_finish)


@pytest.mark.parametrize(("answer", "status", "calls"), [(None, 200, 1), (Response(204), 204, 0)])
async def test_a_policy_can_be_asked_before_each_call(
    answer: Response | None, status: int, calls: int
) -> None:
    upstream = FakeUpstream(200)
    hooks = asking(answer).at_each_call()

    assert (hooks.on_request, True) == (None, hooks.on_finish is not None)
    assert hooks.around is not None
    assert (status, calls) == ((await hooks.around(exchange(), upstream)).status, len(upstream.seen))


async def waiting(exchange: Exchange) -> None:
    """Takes its time."""


@pytest.mark.parametrize(
    "hooks",
    [Hooks(), Hooks.of(Everything()), Hooks(on_request=waiting)],
    ids=["nothing to ask", "owns the call already", "waits"],
)
def test_others_stay_as_they_are(hooks: Hooks) -> None:
    assert hooks is hooks.at_each_call()
