"""Several limits on one route decide as one, and each stays in its mode."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace

import pytest

from proxy.app.compile import Parts, PlannedRoute
from proxy.errors import Rejection
from proxy.exchange import Exchange, Outcome, Response
from proxy.pipeline import Pipeline
from proxy.stores.memory import MemoryStore
from proxy.testing import FakeClock, exchange
from tests.app.trial import UPSTREAM, Files, routes, some_parts

LIMITS = """\
policies:
  rate_limit:
    wide: {limit: 1/min, burst: 10, key: [constant]}
    tight: {limit: 1/min, burst: 3, key: [constant]}
"""


def compiled(files: Files, parts: Parts | None = None, **policies: str) -> dict[str, PlannedRoute]:
    files.write(
        UPSTREAM + LIMITS + routes(**{name: f"{{rate_limit: {uses}}}" for name, uses in policies.items()})
    )
    return {route.facts.name: route for route in files.compile(parts or some_parts()).routes}


def admitted(route: PlannedRoute, asked: list[Exchange]) -> int:
    return sum(route.pipeline.admit(each) is None for each in asked)


def asked(times: int, client_ip: str = "192.0.2.1") -> list[Exchange]:
    return [exchange(client_ip=client_ip) for _ in range(times)]


def reports(exchanges: list[Exchange]) -> list[str]:
    return [report.policy for each in exchanges for report in each.shadowed or ()]


@pytest.mark.parametrize("uses", ["[wide, tight]", "[tight, wide]"])
def test_a_refusal_by_one_consumes_nothing_of_the_other(files: Files, uses: str) -> None:
    found = compiled(files, both=uses, alone="wide")

    assert (3, 7) == (admitted(found["both"], asked(20)), admitted(found["alone"], asked(20)))


def test_one_in_shadow_refuses_nobody_and_sees_what_the_others_let_pass(files: Files) -> None:
    found = compiled(files, both="[{use: wide, mode: shadow}, tight]", alone="wide", tight="tight")
    tried = asked(20)

    assert (3, []) == (admitted(found["both"], tried), reports(tried))
    assert (10, 0) == (admitted(found["alone"], asked(20)), admitted(found["tight"], asked(5)))


def test_one_in_shadow_reports_on_its_own_state(files: Files) -> None:
    found = compiled(files, both="[{use: tight, mode: shadow}, wide]", tight="tight")
    tried = asked(20)

    assert (10, ["rate_limit/tight?shadow"] * 7) == (admitted(found["both"], tried), reports(tried))
    assert 3 == admitted(found["tight"], asked(5))


def test_all_in_shadow_decide_each_by_itself(files: Files) -> None:
    found = compiled(files, both="[{use: tight, mode: shadow}, {use: wide, mode: shadow}]")
    tried = asked(12)

    assert (12, {"rate_limit/tight?shadow": 9, "rate_limit/wide?shadow": 2}) == (
        admitted(found["both"], tried),
        {name: reports(tried).count(name) for name in set(reports(tried))},
    )


@pytest.mark.parametrize(
    ("share", "passed", "reported"),
    [
        pytest.param("100%", 3, 0, id="for all"),
        pytest.param("0%", 10, 7, id="for nobody"),
    ],
)
def test_one_with_a_share_is_enforced_or_in_shadow(
    files: Files, share: str, passed: int, reported: int
) -> None:
    found = compiled(files, both=f'[wide, {{use: tight, mode: "{share}"}}]', alone="wide")
    tried = asked(20)

    assert (passed, ["rate_limit/tight?shadow"] * reported) == (
        admitted(found["both"], tried),
        reports(tried),
    )
    assert 10 - passed == admitted(found["alone"], asked(20))


def test_shares_take_callers_by_their_own_names(files: Files) -> None:
    found = compiled(files, both='[{use: wide, mode: "50%"}, {use: tight, mode: "50%"}]')
    sides = set()
    for n in range(60):
        each = exchange(client_ip=f"10.0.0.{n}")
        found["both"].pipeline.admit(each)
        response = Response(200)
        found["both"].pipeline.dress(each, response)
        sides.add(tuple(value.partition(";")[0] for value in response.headers.get_all("RateLimit-Policy")))

    assert {(), ('"wide"',), ('"tight"',), ('"wide"', '"tight"')} == sides


def test_the_end_of_an_exchange_concerns_no_limit(files: Files) -> None:
    found = compiled(files, both='[{use: wide, mode: "50%"}, {use: tight, mode: shadow}]')

    for each in asked(5):
        found["both"].pipeline.admit(each)
        found["both"].pipeline.finish(each, Outcome(200, ended=1.0))

    assert 5 == admitted(found["both"], asked(5, "10.0.0.1"))


def test_a_reload_keeps_what_is_used(files: Files) -> None:
    parts = some_parts()
    first = compiled(files, parts, both="[wide, tight]")
    admitted(first["both"], asked(2))

    second = compiled(files, parts, both="[tight, wide]", alone="wide")

    assert (1, 7) == (admitted(second["both"], asked(5)), admitted(second["alone"], asked(20)))


@pytest.mark.parametrize("field", ["limit: 2/min", "burst: 5"])
def test_a_named_limit_is_the_same_wherever_it_is_used(files: Files, field: str) -> None:
    files.write(
        UPSTREAM
        + LIMITS
        + routes(a="{rate_limit: wide}", b=f"{{rate_limit: {{use: wide, {field}}}}}", c="{rate_limit: wide}")
    )
    key, _, value = field.partition(": ")
    elsewhere = {"limit": "1/min", "burst": "10"}[key]

    said = (
        f"a.yaml:9:78: routes[1].policies.rate_limit.{key}: `{key}` is {value} here and {elsewhere} "
        "elsewhere, but the state of rate_limit/wide is one; expected the same, "
        "or a policy with a name of its own"
    )
    assert [said] == files.problems()


def test_a_limit_may_be_tried_with_other_numbers_in_shadow(files: Files) -> None:
    found = compiled(files, a="wide", b="{use: wide, mode: shadow, limit: 5/min, burst: 1}")

    assert (10, 20) == (admitted(found["a"], asked(20)), admitted(found["b"], asked(20)))


def test_ipv6_clients_are_as_wide_as_the_file_says(files: Files) -> None:
    files.write(UPSTREAM + "clients: {ipv6_prefix: 56}\n" + routes(a="{rate_limit: {limit: 1/min}}"))
    (route,) = files.compile().routes

    addresses = ["2001:db8::1", "2001:db8:0:ff::1", "2001:db8:0:100::1"]
    assert [1, 0, 1] == [admitted(route, asked(1, address)) for address in addresses]


def test_what_is_wrong_with_one_of_several_is_said_at_its_place(files: Files) -> None:
    files.write(
        UPSTREAM
        + routes(a="{rate_limit: [{name: x, limit: 1/min}, {name: y, limit: 1/min, key: [path.id]}]}")
    )

    said = (
        "a.yaml:4:115: routes[0].policies.rate_limit[1].key[0]: path.id is nothing that the path /a of route "
        '"a" has; expected a path with {id} in it'
    )
    assert [said] == files.problems()


def test_requests_without_a_route_have_no_path_to_go_by(files: Files) -> None:
    files.write(UPSTREAM + "no_route: {rate_limit: {limit: 1/min, key: [path.id]}}\n" + routes(a="{}"))

    (problem,) = files.problems()
    assert "no_route.rate_limit.key[0]: path.id is nothing that a request without a route has" in problem


class Far:
    """A store that is not at hand, so that a hook has to wait for it."""

    def __init__(self) -> None:
        self._memory = MemoryStore(FakeClock())
        self.take, self.take_all = self._memory.take, self._memory.take_all


@pytest.mark.parametrize(
    ("uses", "passed", "reported"),
    [
        pytest.param("[wide, tight]", 3, 0, id="all enforced"),
        pytest.param("[wide, {use: tight, mode: shadow}]", 10, 7, id="one in shadow"),
        pytest.param('[wide, {use: tight, mode: "100%"}]', 3, 0, id="one for all callers"),
        pytest.param('[wide, {use: tight, mode: "0%"}]', 10, 7, id="one for none"),
    ],
)
async def test_the_same_holds_on_a_store_that_is_not_at_hand(
    files: Files, uses: str, passed: int, reported: int
) -> None:
    parts = replace(some_parts(), store=Far())  # type: ignore[arg-type]
    pipeline = compiled(files, parts, both=uses)["both"].pipeline
    tried = asked(20)

    assert (passed, reported) == (
        sum([await lets_pass(pipeline, each) for each in tried]),
        len(reports(tried)),
    )


async def lets_pass(pipeline: Pipeline, each: Exchange) -> bool:
    try:
        for step in pipeline.request_steps:
            answer = step(each)
            assert isinstance(answer, Awaitable) or answer is None
            if answer is not None:
                await answer
    except Rejection:
        return False
    return True
