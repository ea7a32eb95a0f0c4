"""What can be asked about a decision afterwards."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.units import Duration, Network, Size
from proxy.errors import Change, Rejection, UpstreamError
from proxy.exchange import Exchange, Identity, Outcome, PolicyFacts, Request, RouteFacts
from proxy.telemetry.decisions import Decision, Decisions
from proxy.telemetry.redaction import Redaction

TICKETS = RouteFacts(
    "tickets",
    "/tickets/{id}",
    (
        PolicyFacts("deadline", "deadline/tickets", "enforce", "tickets.yaml:3"),
        PolicyFacts("cors", "cors/tickets", "disabled", "tickets.yaml:9"),
        PolicyFacts("size_limit", "size_limit/tickets", "10%", "tickets.yaml:4"),
        PolicyFacts("rate_limit", "rate_limit/whole_route", "shadow", "tickets.yaml:11"),
        PolicyFacts("rate_limit", "rate_limit/per_client", "enforce", "tickets.yaml:12"),
        PolicyFacts("timeout", "timeout/tickets", "enforce", "tickets.yaml:5"),
    ),
    "5f3a",
)
LIMITED = Rejection(
    429,
    "rate_limit.exceeded",
    "Too many requests from this address.",
    cause="bucket per_client of 192.0.2.7",
    retry_after=0.6,
    facts={"limit": 100, "period": 60.0, "key": "192.0.2.7", "full": False},
    change=Change("burst", 14),
    policy="rate_limit/per_client",
)


def an_exchange(decision_id: str = "d-1", target: str = "/tickets/7", **facts: Any) -> Exchange:
    path, _, query = target.partition("?")
    exchange = Exchange(
        Request("GET", target, path, query), client_ip="192.0.2.7", request_id="r-1", decision_id=decision_id
    )
    exchange.route = TICKETS
    for name, value in facts.items():
        setattr(exchange, name, value)
    return exchange


def asked(exchange: Exchange, outcome: Outcome) -> Any:
    """The decision as the admin API shows it."""
    decisions = Decisions()
    decisions.add(exchange, outcome, 1_700_000_000.5)
    return msgspec.json.decode(msgspec.json.encode(decisions.get(exchange.decision_id)))


def test_a_refusal_tells_who_what_which_number_and_which_line() -> None:
    exchange = an_exchange(
        target="/tickets/7?page=2&token=abc", identity=Identity("ann", "jwt"), refusal=LIMITED
    )

    assert {
        "reason": "rate_limit.exceeded",
        "policy": "rate_limit/per_client",
        "mode": "enforce",
        "detail": "Too many requests from this address.",
        "cause": "bucket per_client of 192.0.2.7",
        "facts": {"limit": 100, "period": 60.0, "key": "192.0.2.7", "full": False},
        "retry_after": 0.6,
        "change": {"key": "burst", "value": 14, "how": "at_least", "text": "burst ≥ 14"},
        "place": "tickets.yaml:12",
        "id": "d-1",
        "time": "2023-11-14T22:13:20.500Z",
        "request_id": "r-1",
        "route": "tickets",
        "method": "GET",
        "path": "/tickets/7",
        "query": "page=2&token=***",
        "client_ip": "192.0.2.7",
        "identity": "ann",
        "status": 429,
        "revision": "5f3a",
    } == {
        name: value
        for name, value in asked(exchange, Outcome(429, 1.0, "rate_limit.exceeded")).items()
        if name != "chain"
    }


@pytest.mark.parametrize(
    ("fact", "shown"),
    [
        pytest.param(True, True, id="yes"),
        pytest.param(None, None, id="nothing"),
        pytest.param(Size(10), 10, id="a size"),
        pytest.param(Duration(0.5), 0.5, id="a duration"),
        pytest.param(Network("10.0.0.0/8"), "10.0.0.0/8", id="a network"),
        pytest.param(("GET", "POST"), "('GET', 'POST')", id="whatever else, as text"),
    ],
)
def test_facts_are_numbers_and_text_whatever_they_were(fact: object, shown: object) -> None:
    exchange = an_exchange(refusal=Rejection(400, "request.bad", facts={"fact": fact}))

    assert {"fact": shown} == asked(exchange, Outcome(400, 1.0, "request.bad"))["facts"]


def test_what_only_shadow_refused_is_a_decision_in_shadow() -> None:
    shadowed = [LIMITED, Rejection(413, "size_limit.body", facts={"limit": 10})]

    decision = asked(an_exchange(shadowed=shadowed), Outcome(200, 1.0))

    assert (200, "shadow", "rate_limit.exceeded") == (
        decision["status"],
        decision["mode"],
        decision["reason"],
    )
    assert [("rate_limit.exceeded", "tickets.yaml:12"), ("size_limit.body", "tickets.yaml:4")] == [
        (each["reason"], each["place"]) for each in decision["shadow"]
    ]


def test_a_refusal_lists_what_shadow_would_have_refused_beside_it() -> None:
    exchange = an_exchange(refusal=LIMITED, shadowed=[Rejection(403, "ip_list.denied")])

    decision = asked(exchange, Outcome(429, 1.0, "rate_limit.exceeded"))

    assert ("enforce", [{"reason": "ip_list.denied", "policy": "ip_list", "mode": "shadow"}]) == (
        decision["mode"],
        decision["shadow"],
    )


def test_an_upstream_that_failed_is_a_decision_with_its_cause() -> None:
    error = UpstreamError(502, "upstream.unreachable", cause="10.1.2.3:3000 refused")

    decision = asked(an_exchange(refusal=error), Outcome(502, 1.0, "upstream.unreachable"))

    assert ("upstream", "10.1.2.3:3000 refused") == (decision["policy"], decision["cause"])


def test_a_response_that_broke_off_is_a_decision_with_nobody_to_blame() -> None:
    decision = asked(an_exchange(), Outcome(200, 1.0, "client.left", complete=False))

    assert ("client.left", "client", "enforce", False) == (
        decision["reason"],
        decision["policy"],
        decision["mode"],
        decision["complete"],
    )


@pytest.mark.parametrize(
    ("policy", "place"),
    [
        pytest.param("rate_limit/whole_route", "tickets.yaml:11", id="by the name of the state"),
        pytest.param("rate_limit/whole_route?shadow", "tickets.yaml:11", id="by the name of its shadow"),
        pytest.param("", "tickets.yaml:12", id="by the kind, the last of several"),
        pytest.param("rate_limit/gone", "tickets.yaml:12", id="by the kind where no policy has the name"),
    ],
)
def test_of_several_policies_of_a_kind_the_one_that_refused_is_named(policy: str, place: str) -> None:
    refusal = Rejection(429, "rate_limit.exceeded", policy=policy)

    assert place == asked(an_exchange(refusal=refusal), Outcome(429, 1.0))["place"]


def test_a_policy_that_is_disabled_refuses_nothing() -> None:
    decision = asked(an_exchange(refusal=Rejection(403, "cors.origin")), Outcome(403, 1.0))

    assert ("cors", False) == (decision["policy"], "place" in decision)


@pytest.mark.parametrize(
    ("change", "value", "text"),
    [
        pytest.param(Change("burst", 14), 14, "burst ≥ 14", id="a number"),
        pytest.param(Change("body", Size(2 * 2**20)), "2MiB", "body ≥ 2MiB", id="a size"),
        pytest.param(Change("open_for", Duration(0.25), "set"), "250ms", "open_for = 250ms", id="a duration"),
        pytest.param(Change("allow", "192.0.2.7", "add"), "192.0.2.7", "192.0.2.7 in allow", id="a text"),
        pytest.param(
            Change("headers", ("x-a", "x-b"), "add"), ["x-a", "x-b"], "x-a, x-b in headers", id="several"
        ),
        pytest.param(
            Change("allow", "x" * 600, "add"), "x" * 512 + "...", "x" * 512 + "... in allow", id="a long text"
        ),
    ],
)
def test_the_smallest_edit_is_told_as_a_policy_file_spells_it(
    change: Change, value: object, text: str
) -> None:
    refusal = Rejection(429, "rate_limit.exceeded", change=change)

    told = asked(an_exchange(refusal=refusal), Outcome(429, 1.0))["change"]

    assert {"key": change.key, "value": value, "how": change.how, "text": text} == told


def test_a_list_of_decisions_leaves_out_the_stages() -> None:
    decisions = Decisions()
    decisions.add(an_exchange(refusal=LIMITED), Outcome(429, 1.0), 1.0)

    (listed,) = decisions.recent()
    found = decisions.get("d-1")

    assert ([], 6) == (listed.chain, found and len(found.chain))


class TestRing:
    def kept(self, size: int, count: int) -> Decisions:
        decisions = Decisions(size)
        for number in range(count):
            route = RouteFacts("odd" if number % 2 else "even", "/")
            reason = "size_limit.url" if number % 3 else "size_limit.body"
            decisions.add(an_exchange(f"d-{number}", route=route), Outcome(413, 1.0, reason), 1.0)
        return decisions

    def test_only_the_last_ones_are_kept(self) -> None:
        decisions = self.kept(size=3, count=5)

        assert ["d-4", "d-3", "d-2"] == ids(decisions.recent())
        assert [None, None, "d-2"] == [
            found and found.id for found in map(decisions.get, ("d-0", "d-1", "d-2"))
        ]

    def test_an_id_that_comes_twice_names_the_later_one(self) -> None:
        decisions = self.kept(size=2, count=2)
        decisions.add(an_exchange("d-0"), Outcome(400, 1.0, "request.bad"), 1.0)

        assert ["d-0", "d-1"] == ids(decisions.recent())
        assert [400] == [found.status for found in [decisions.get("d-0")] if found]

    @pytest.mark.parametrize(
        ("limit", "route", "reason", "found"),
        [
            pytest.param(2, None, None, ["d-7", "d-6"], id="the newest first, and no more than asked for"),
            pytest.param(9, "odd", None, ["d-7", "d-5", "d-3", "d-1"], id="of a route"),
            pytest.param(9, None, "size_limit.body", ["d-6", "d-3", "d-0"], id="with a reason"),
            pytest.param(9, "odd", "size_limit.body", ["d-3"], id="of a route with a reason"),
            pytest.param(2, "odd", "size_limit", ["d-7", "d-5"], id="of a route by a kind of policy"),
            pytest.param(9, "none", None, [], id="of a route that there is not"),
        ],
    )
    def test_they_can_be_searched(
        self, limit: int, route: str | None, reason: str | None, found: list[str]
    ) -> None:
        assert found == ids(self.kept(size=10, count=8).recent(limit, route, reason))

    def test_a_search_finds_what_only_shadow_refused(self) -> None:
        decisions = Decisions()
        decisions.add(
            an_exchange(refusal=LIMITED, shadowed=[Rejection(403, "ip_list.denied")]), Outcome(429, 1.0), 1.0
        )

        assert ["d-1"] == ids(decisions.recent(reason="ip_list.denied"))

    def test_a_search_finds_a_policy_by_the_name_of_its_state(self) -> None:
        decisions = Decisions()
        decisions.add(an_exchange(refusal=LIMITED), Outcome(429, 1.0), 1.0)

        found = [ids(decisions.recent(reason=f"rate_limit/{name}")) for name in ("per_client", "whole_route")]

        assert [["d-1"], []] == found


def ids(decisions: list[Decision]) -> list[str]:
    return [decision.id for decision in decisions]


@settings(deadline=None)
@given(text=st.text(st.characters(codec=None)))
def test_whatever_a_client_sends_the_decision_can_be_shown_and_is_bounded(text: str) -> None:
    long = text * (2000 // max(1, len(text)))
    facts = {f"{number}{long}": [long] for number in range(50)}
    refusal = Rejection(400, "request.bad", long, cause=long, facts=facts)
    exchange = an_exchange(target=f"/{long}?{long}", refusal=refusal, shadowed=[refusal] * 40)
    exchange.identity = Identity(long, "jwt")
    exchange.request_id = exchange.request.method = long
    decisions = Decisions()
    decisions.add(exchange, Outcome(400, 1.0, "request.bad"), 1.0)

    shown = msgspec.json.encode(decisions.recent())

    assert len(shown) < 2 * 1024 * 1024
    assert "request.bad" == msgspec.json.decode(shown)[0]["reason"]


def test_what_is_redacted_is_not_in_a_decision() -> None:
    refusal = Rejection(
        403,
        "ip_list.address",
        cause="192.0.2.7 is none of ours",
        facts={"key": "client.ip 192.0.2.7"},
        change=Change("allow", "192.0.2.7", "add"),
    )
    exchange = an_exchange(
        target="/tickets/7?page=2&who=ann", identity=Identity("ann", "jwt"), refusal=refusal
    )
    decisions = Decisions()
    decisions.redaction = Redaction(["client.ip", "auth.id", "query:who"])
    decisions.add(exchange, Outcome(403, 1.0), 1_700_000_000.5)
    decision = msgspec.to_builtins(decisions.get("d-1"))

    assert ("***", "***", "page=2&who=***") == (
        decision["client_ip"],
        decision["identity"],
        decision["query"],
    )
    assert "192.0.2.7" not in str(decision)
    assert "ann" not in str(decision)


@pytest.mark.parametrize(
    "secret", ["x" * 2000, "grüße, geheim", "a\udce9b"], ids=["longer than is told", "letters", "bytes"]
)
def test_nothing_of_what_is_redacted_is_left_where_a_text_is_cut_or_spelled_out(secret: str) -> None:
    refusal = Rejection(
        422, "event_filter.event", cause=f"{secret} is none", facts={"event": secret, "n": 7, "none": None}
    )
    exchange = an_exchange(refusal=refusal)
    exchange.request.headers.add("X-Event", secret)
    decisions = Decisions()
    decisions.redaction = Redaction(["header:x-event"])
    decisions.add(exchange, Outcome(422, 1.0), 1_700_000_000.5)
    decision = decisions.get("d-1")

    assert decision is not None
    assert ("*** is none", {"event": "***", "n": 7, "none": None}) == (decision.cause, decision.facts)
