"""State that outlives a reload, and which hooks a policy offers."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Attempt, Exchange, Forward, Outcome, Response
from proxy.policy import Around, Hooks, OnAttempt, OnFinish, OnRequest, OnResponse, Services, Shared
from proxy.stores.memory import MemoryStore
from proxy.testing import FakeClock, FakeUpstream, exchange, fake_services


class Bucket:
    """Something with an identity, such as a breaker."""


def build(state: Shared, *keys: str) -> list[Bucket]:
    """A revision that asks for `keys`, and is not live yet."""
    state.begin()
    return [state.get(key, Bucket) for key in keys]


def go_live(state: Shared, *keys: str) -> list[Bucket]:
    found = build(state, *keys)
    state.commit()
    return found


def test_what_is_asked_for_twice_is_made_once() -> None:
    first, second = build(Shared(), "a", "a")

    assert first is second


def test_state_outlives_a_reload_by_its_key() -> None:
    state = Shared()
    kept, other = go_live(state, "a", "b")

    assert [kept] == go_live(state, "a")
    assert other is not go_live(state, "b")[0]


def test_what_a_revision_does_not_ask_for_is_forgotten_once_it_is_live() -> None:
    state = Shared()
    (before,) = go_live(state, "a")
    go_live(state)

    (after,) = go_live(state, "a")

    assert before is not after


def test_a_revision_that_is_refused_costs_the_live_one_nothing() -> None:
    state = Shared()
    live = go_live(state, "a", "b")
    build(state, "b", "c")
    state.rollback()

    assert live == go_live(state, "a", "b")


def test_what_only_a_refused_revision_asked_for_is_forgotten() -> None:
    state = Shared()
    go_live(state, "a")
    (_, refused) = build(state, "a", "c")
    state.rollback()

    (_, later) = go_live(state, "a", "c")

    assert refused is not later


def test_what_the_live_revision_asks_for_later_is_kept_as_long_as_it_lives() -> None:
    state = Shared()
    go_live(state, "a")
    build(state, "z")
    state.rollback()
    late = state.get("late", Bucket)
    build(state, "z")
    state.rollback()

    assert late is state.get("late", Bucket)


@given(st.lists(st.tuples(st.frozensets(st.sampled_from("abcd")), st.booleans()), max_size=12))
def test_state_is_kept_exactly_from_one_live_revision_to_the_next(
    revisions: list[tuple[frozenset[str], bool]],
) -> None:
    state = Shared()
    live: dict[str, Bucket] = {}
    ever: list[Bucket] = []
    for keys, accepted in revisions:
        found = dict(zip(sorted(keys), build(state, *sorted(keys)), strict=True))
        assert all(found[key] is live[key] for key in keys & live.keys())
        assert not any(found[key] in ever for key in keys - live.keys())
        ever += found.values()
        if accepted:
            state.commit()
            live = found
        else:
            state.rollback()


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


class Kept:
    """Of another kind."""


def test_state_of_one_kind_is_found_where_the_live_revision_uses_it() -> None:
    state = Shared()
    go_live(state, "a")
    state.get("a#other", Kept)
    build(state, "b")

    assert ["a"] == list(state.live(Bucket))


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


class Working:
    """Does something by itself."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self) -> None:
        self.told.append("start")

    def stop(self) -> None:
        self.told.append("stop")


def test_what_is_active_starts_and_stops_with_the_revisions_that_use_it() -> None:
    state = Shared()
    lasting, passing, refused, later = (Working() for _ in range(4))
    for keys, accepted in (
        ({"a": lasting, "b": passing}, True),
        ({"a": lasting, "c": refused}, False),
        ({"a": lasting, "c": later}, True),
    ):
        state.begin()
        for key, made in keys.items():
            state.get(key, lambda made=made: made)  # type: ignore[misc]
        (state.commit if accepted else state.rollback)()
    live = [[*each.told] for each in (lasting, passing, refused, later)]
    state.close()

    assert [["start"], ["start", "stop"], [], ["start"]] == live
    assert [["start", "stop"], ["start", "stop"]] == [lasting.told, later.told]
