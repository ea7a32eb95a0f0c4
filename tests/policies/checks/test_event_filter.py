"""Which events go through."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.patterns import JsonPointer
from proxy.config.units import HeaderName
from proxy.errors import Change
from proxy.headers import Headers
from proxy.policies.checks.event_filter import EventFilter, EventFilterConfig
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import Chunks, FakeUpstream, exchange, fake_services, route
from tests.policies.reading import problems, refusal

ALLOWED = ("push", "pull_request", "true", "7")
PASSED = (200, None)
REFUSED = (422, "event_filter.refused")
UNCLEAR = (422, "event_filter.unclear")
ACKNOWLEDGED = (200, "event_filter.acknowledged")


def by_header(on_other: str = "refuse") -> EventFilter:
    config = EventFilterConfig(header=HeaderName("X-GitHub-Event"), allow=ALLOWED, on_other=on_other)  # type: ignore[arg-type]
    return EventFilter(config, fake_services(name="event_filter/hooks"))


def by_field(field: str = "/event/type", on_other: str = "refuse") -> EventFilter:
    config = EventFilterConfig(field=JsonPointer(field), allow=ALLOWED, on_other=on_other)  # type: ignore[arg-type]
    return EventFilter(config, fake_services())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(["push"], PASSED, id="on the list"),
        pytest.param(["issues"], REFUSED, id="not on it"),
        pytest.param(["Push"], REFUSED, id="in other letters"),
        pytest.param(["push, issues"], REFUSED, id="two in one header"),
        pytest.param([""], REFUSED, id="empty"),
        pytest.param([], UNCLEAR, id="no header"),
        pytest.param(["push", "push"], UNCLEAR, id="two headers"),
        pytest.param(["push", "issues"], UNCLEAR, id="two headers that differ"),
    ],
)
async def test_a_header_names_the_event(values: list[str], expected: tuple[int, str | None]) -> None:
    asked = exchange("POST")
    asked.request.headers = Headers([(b"X-GitHub-Event", value.encode()) for value in values])

    assert expected == refusal(await route(by_header()).respond(asked))


async def test_the_application_gets_no_name_that_it_could_take_for_the_headers() -> None:
    upstream = FakeUpstream(200)
    asked = exchange("POST", headers={"X-GitHub-Event": "push", "X_GitHub_Event": "issues"})

    await route(by_header(), upstream=upstream).respond(asked)

    assert [[(b"X-GitHub-Event", b"push")]] == [list(each.headers) for each in upstream.seen]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b'{"event": {"type": "push"}}', PASSED, id="on the list"),
        pytest.param(b'{"event": {"type": true}}', PASSED, id="a boolean"),
        pytest.param(b'{"event": {"type": 7}}', PASSED, id="a number"),
        pytest.param(b'{"event": {"type": "issues"}}', REFUSED, id="not on it"),
        pytest.param(b'{"event": {"type": null}}', UNCLEAR, id="null"),
        pytest.param(b'{"event": {"type": ["push"]}}', UNCLEAR, id="a list"),
        pytest.param(b'{"event": {}}', UNCLEAR, id="absent"),
        pytest.param(b'{"event": "push"}', UNCLEAR, id="a text where an object should be"),
        pytest.param(b'{"event": {"type": "push", "type": "issues"}}', UNCLEAR, id="twice"),
        pytest.param(
            b'{"event": {"type": "push"}, "event": {"type": "issues"}}', UNCLEAR, id="twice above it"
        ),
        pytest.param(b'{"event": {"type": "push"}}{}', UNCLEAR, id="something behind it"),
        pytest.param(b'{"event": {"type": "push"}, "n": NaN}', UNCLEAR, id="no number"),
        pytest.param(b'{"event": {"type": "\xff"}}', UNCLEAR, id="not in UTF-8"),
        pytest.param(b"event=push", UNCLEAR, id="a form"),
        pytest.param(b"", UNCLEAR, id="no body"),
        pytest.param(b"[" * 100_000, UNCLEAR, id="very deep"),
    ],
)
async def test_a_place_in_the_body_names_the_event(body: bytes, expected: tuple[int, str | None]) -> None:
    assert expected == refusal(await route(by_field()).respond(exchange("POST", body=body)))


async def test_the_whole_body_may_be_the_name() -> None:
    assert PASSED == refusal(await route(by_field("")).respond(exchange("POST", body=b'"push"')))


@pytest.mark.parametrize(
    ("policy", "asked"),
    [
        pytest.param(
            by_header("ack"), exchange("POST", headers={"X-GitHub-Event": "issues"}), id="by its header"
        ),
        pytest.param(
            by_field(on_other="ack"), exchange("POST", body=b'{"event":{"type":"issues"}}'), id="by its body"
        ),
    ],
)
async def test_an_event_that_nobody_wants_is_acknowledged_and_goes_nowhere(
    policy: EventFilter, asked: object
) -> None:
    upstream = FakeUpstream(500)

    answer = refusal(await route(policy, upstream=upstream).respond(asked))  # type: ignore[arg-type]

    assert (ACKNOWLEDGED, []) == (answer, upstream.seen)


async def test_what_names_no_event_is_not_acknowledged() -> None:
    assert UNCLEAR == refusal(await route(by_header("ack")).respond(exchange("POST")))


async def test_an_event_that_goes_through_takes_its_body_along() -> None:
    upstream = FakeUpstream(202)
    asked = exchange("POST", body=Chunks(b'{"event": {"ty', b'pe": "push"}}'))

    await route(by_field(), upstream=upstream).respond(asked)

    assert [b'{"event": {"type": "push"}}'] == [request.content for request in upstream.seen]


async def test_a_decision_names_the_event_and_the_list_that_it_is_not_on() -> None:
    asked = exchange("POST", headers={"X-GitHub-Event": "issues"})

    await route(by_header()).respond(asked)

    assert asked.refusal is not None
    assert ({"event": "issues"}, Change("allow", "issues", "add"), "event_filter/hooks") == (
        asked.refusal.facts,
        asked.refusal.change,
        asked.refusal.policy,
    )


@pytest.mark.parametrize("event", ["", "a" * 257, "a\u0007", "caf\udce9"])
async def test_no_list_is_said_to_make_an_event_of_anything(event: str) -> None:
    asked = exchange("POST")
    asked.request.headers = Headers([(b"X-GitHub-Event", event.encode("utf-8", "surrogateescape"))])

    await route(by_header()).respond(asked)

    assert asked.refusal is not None
    assert asked.refusal.change is None


async def test_in_shadow_other_events_pass_and_are_reported() -> None:
    asked = exchange("POST", headers={"X-GitHub-Event": "issues"})
    upstream = FakeUpstream(200)

    await route(in_shadow("event_filter", Hooks.of(by_header("ack"))), upstream=upstream).respond(asked)

    assert (1, ["event_filter.acknowledged"]) == (
        len(upstream.seen),
        [each.reason for each in asked.shadowed or []],
    )


async def test_in_shadow_no_body_is_read() -> None:
    body = Chunks(b'{"event": {"type": "issues"}}')
    asked = exchange("POST", body=body)

    await route(in_shadow("event_filter", Hooks.of(by_field()))).respond(asked)

    assert (body, ["event_filter.skipped"]) == (
        asked.request.content,
        [each.reason for each in asked.shadowed or []],
    )


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param("{header: X-Event, allow: [a]}", [], id="by a header"),
        pytest.param("{field: /type, allow: [a], on_other: ack}", [], id="by a field"),
        pytest.param("{allow: [a]}", ["event_filter"], id="no place"),
        pytest.param("{header: X-Event, field: /type, allow: [a]}", ["event_filter.field"], id="two places"),
        pytest.param("{header: X-Event, allow: []}", ["event_filter.allow"], id="an empty list"),
        pytest.param("{header: X-Event, allow: ['']}", ["event_filter.allow[0]"], id="an empty name"),
        pytest.param("{field: type, allow: [a]}", ["event_filter.field"], id="no pointer"),
        pytest.param(
            "{header: X-Event, allow: [a], on_other: drop}", ["event_filter.on_other"], id="no such word"
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_at_load(policy: str, expected: list[str], tmp_path: Path) -> None:
    assert expected == problems(f"event_filter: {policy}", tmp_path)


def test_it_says_in_words_which_events_go_through() -> None:
    acked = EventFilterConfig(header=HeaderName("X-Event"), allow=("push", "ping"), on_other="ack")
    refused = EventFilterConfig(field=JsonPointer("/type"), allow=("push",))

    told = ("only push and ping by X-Event go through", "others are answered with 200 here")
    assert told == acked.in_words()
    assert ("only push by /type go through", "others are refused") == refused.in_words()
