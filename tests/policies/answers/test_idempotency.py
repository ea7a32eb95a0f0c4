"""Requests that say they are repetitions: one is worked on, the others get its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proxy.config.keys import Key
from proxy.config.units import Duration, Size, StatusSet
from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Exchange, Identity, Response
from proxy.headers import Headers
from proxy.policies.answers.idempotency import Idempotency, IdempotencyConfig
from proxy.policies.answers.idempotency.respond import OnDuplicateConfig
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import Chunks, FakeClock, FakeUpstream, fake_services, route
from tests.policies.answers.shop import (
    ALREADY,
    BY_BODY,
    BY_HEADER,
    CREATED,
    IN_FLIGHT,
    TICKET,
    Shop,
    a_config,
    asked,
    is_replayed,
    ticket,
)
from tests.policies.reading import fields, problems, refusal


async def test_a_repetition_gets_the_first_answer_and_the_upstream_is_not_called() -> None:
    shop = Shop()

    first, again = await shop.ask(), await shop.ask()

    assert (1, [False, True]) == (shop.calls, [is_replayed(first), is_replayed(again)])
    assert (first.status, first.phrase, first.content) == (again.status, again.phrase, again.content)
    kept = fields(again)
    assert kept.pop("idempotent-replayed")
    assert fields(first) == kept


async def test_the_date_is_that_of_each_answer() -> None:
    shop = Shop(Response(200, Headers([(b"Date", b"then"), (b"X-A", b"1")]), b"{}"))
    await shop.ask()

    again = await shop.ask()

    assert (None, "1") == (again.headers.get("Date"), again.headers.get("X-A"))


async def test_an_operator_can_tell_an_answer_that_is_given_again() -> None:
    shop = Shop()
    await shop.ask()
    request = asked()

    await shop.ask(request)

    assert request.refusal is not None
    assert "idempotency.replayed" == request.refusal.reason


@pytest.mark.parametrize(
    "again",
    [
        pytest.param('"k 1"', id="in quotes"),
        pytest.param("k 1", id="as it is"),
        pytest.param('"k\\ 1"', id="with an escape that is none"),
    ],
)
async def test_quotes_make_no_other_key(again: str) -> None:
    shop = Shop()
    await shop.ask(asked("k 1"))

    answer = await shop.ask(asked(again))

    assert (again != '"k\\ 1"') is is_replayed(answer)


async def test_another_key_is_another_request() -> None:
    shop = Shop()

    answers = [await shop.ask(asked(key)) for key in ("a", "b", 'a"', "A")]

    assert (4, [False] * 4) == (shop.calls, [is_replayed(answer) for answer in answers])


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"body": b"1000"}, id="another body"),
        pytest.param({"path": "/refund"}, id="another path"),
        pytest.param({"query": "twice=1"}, id="another query"),
        pytest.param({"method": "PATCH"}, id="another method"),
    ],
)
async def test_who_asks_for_something_else_with_the_same_key_is_refused(other: dict[str, Any]) -> None:
    shop = Shop()
    await shop.ask()

    assert (422, "idempotency.key_reused") == refusal(await shop.ask(asked(**other)))


async def test_fingerprint_says_what_must_be_the_same() -> None:
    shop = Shop(fingerprint=("path",))
    await shop.ask()

    assert is_replayed(await shop.ask(asked(body=b"1000")))


@pytest.mark.parametrize(
    ("required", "expected"),
    [
        pytest.param(False, (2, [201, 201]), id="it passes, each time"),
        pytest.param(True, (0, [400, 400]), id="it is refused where a key is required"),
    ],
)
async def test_without_a_key(required: bool, expected: tuple[int, list[int]]) -> None:
    shop = Shop(required=required)

    answers = [await shop.ask(asked(None)) for _ in range(2)]

    assert expected == (shop.calls, [answer.status for answer in answers])


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_other_methods_pass_as_if_nothing_stood_here(method: str) -> None:
    shop = Shop(required=True)

    await shop.ask(asked("k", method))
    await shop.ask(asked("k", method))

    assert 2 == shop.calls


# ---- whose key it is


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        pytest.param({"Authorization": "a"}, {"Authorization": "b"}, False, id="another token"),
        pytest.param({"Cookie": "session=a"}, {"Cookie": "session=b"}, False, id="another session"),
        pytest.param({}, {"Authorization": "b"}, False, id="none, and one"),
        pytest.param({"Authorization": "a"}, {"Authorization": "a"}, True, id="the same"),
    ],
)
async def test_the_same_key_of_another_caller_is_another_key(
    first: dict[str, str], second: dict[str, str], same: bool
) -> None:
    shop = Shop()
    await shop.ask(asked(headers=first))

    assert same is is_replayed(await shop.ask(asked(headers=second)))


async def identified(shop: Shop, who: str, token: str) -> Response:
    request = asked(headers={"Authorization": token})
    request.identity = Identity(who, "jwt")
    return await shop.ask(request)


async def test_who_is_proved_counts_and_not_the_token_of_the_day() -> None:
    shop = Shop()
    await identified(shop, "acme", "monday")

    answers = [await identified(shop, "acme", "tuesday"), await identified(shop, "other", "monday")]

    assert [True, False] == [is_replayed(answer) for answer in answers]


async def test_nobody_claims_the_key_of_who_has_proved_something() -> None:
    shop = Shop(scope=(Key("header:X-Caller"),))
    request = asked(headers={"X-Caller": "acme"})
    request.identity = Identity("acme", "jwt")
    await shop.ask(request)

    assert not is_replayed(await shop.ask(asked(headers={"X-Caller": "acme"})))


# ---- side by side


class Slow:
    """An upstream that answers when it is told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.go = asyncio.Event()
        self.answer: Any = CREATED

    async def __call__(self, _: Exchange) -> Any:
        self.calls += 1
        await self.go.wait()
        return self.answer


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_of_many_at_once_one_goes_through_and_the_others_are_told_to_come_later() -> None:
    slow = Slow()
    shop = Shop(slow)
    asking = [asyncio.ensure_future(shop.ask()) for _ in range(50)]
    await turns()
    slow.go.set()
    answers = await asyncio.gather(*asking)

    assert (1, 1) == (slow.calls, [answer.status for answer in answers].count(201))
    assert {IN_FLIGHT} == {refusal(answer) for answer in answers if answer.status != 201}
    assert all(answer.headers.get("Retry-After") for answer in answers if answer.status != 201)


async def test_of_many_at_once_that_wait_all_get_the_one_answer() -> None:
    slow = Slow()
    shop = Shop(slow, on_in_flight="wait")
    asking = [asyncio.ensure_future(shop.ask()) for _ in range(50)]
    await turns()
    slow.go.set()
    await turns()
    await shop.clock.advance(1.0)
    answers = await asyncio.gather(*asking)

    assert (1, {201}, 49) == (
        slow.calls, {answer.status for answer in answers}, sum(map(is_replayed, answers))
    )  # fmt: skip


async def test_where_the_first_fails_one_of_those_that_wait_is_the_next() -> None:
    slow = Slow()
    slow.answer = Response(503)
    shop = Shop(slow, on_in_flight="wait")
    first, second = asyncio.ensure_future(shop.ask()), asyncio.ensure_future(shop.ask())
    await turns()
    slow.go.set()
    await turns()
    slow.answer = CREATED
    await shop.clock.advance(1.0)

    assert ([503, 201], 2) == ([(await first).status, (await second).status], slow.calls)


async def test_who_asks_for_something_else_does_not_wait() -> None:
    slow = Slow()
    shop = Shop(slow, on_in_flight="wait")
    first = asyncio.ensure_future(shop.ask())
    await turns()
    other = await shop.ask(asked(body=b"else"))
    slow.go.set()
    await first

    assert (422, "idempotency.key_reused") == refusal(other)


# ---- what is kept


@pytest.mark.parametrize(
    ("status", "kept"),
    [
        pytest.param(200, True, id="200"),
        pytest.param(404, True, id="404: an answer, too"),
        pytest.param(422, True, id="422"),
        pytest.param(429, False, id="429: nothing was done"),
        pytest.param(500, False, id="500"),
        pytest.param(503, False, id="503"),
    ],
)
async def test_which_answers_are_kept(status: int, kept: bool) -> None:
    shop = Shop(status)

    await shop.ask()
    await shop.ask()

    assert (1 if kept else 2) == shop.calls


async def test_status_says_otherwise() -> None:
    shop = Shop(500, status=StatusSet({500}))
    await shop.ask()

    assert is_replayed(await shop.ask())


async def test_an_answer_that_is_too_large_streams_on_and_nothing_is_done_twice() -> None:
    shop = Shop(Response(200, content=Chunks(b"x" * 100)), max_answer=Size(10))
    first = await shop.ask()

    assert isinstance(first.content, Chunks)
    assert (409, "idempotency.answer_not_kept") == refusal(await shop.ask())
    assert 1 == shop.calls


async def test_an_answer_that_arrives_in_pieces_is_kept() -> None:
    shop = Shop(Response(200, content=Chunks(b"a", b"b")))
    await shop.ask()

    assert b"ab" == (await shop.ask()).content


async def test_where_there_is_no_room_for_the_answer_it_streams_on() -> None:
    class Full(Chunks):
        async def collect(self, limit: int) -> bytes | None:
            raise Rejection(503, "buffers.full")

    shop = Shop(Response(200, content=Full(b"x")))
    first = await shop.ask()

    assert (200, True) == (first.status, isinstance(first.content, Full))
    assert (409, "idempotency.answer_not_kept") == refusal(await shop.ask())


async def test_what_policies_behind_it_answer_is_not_kept() -> None:
    clock = FakeClock()
    upstream = FakeUpstream(CREATED)

    async def around(_: Exchange, __: Any) -> Response:
        return Response(200, content=b"from a policy")

    policy = Idempotency(a_config(), fake_services(clock))
    pipeline = route(policy, Hooks(around=around), upstream=upstream)
    await pipeline.respond(asked())

    assert not is_replayed(await pipeline.respond(asked()))


async def test_an_answer_is_forgotten_after_its_time() -> None:
    shop = Shop(ttl=Duration(60))
    await shop.ask()
    await shop.clock.advance(61)
    await shop.ask()

    assert 2 == shop.calls


async def test_a_reload_keeps_answers() -> None:
    before = Shop()
    await before.ask()
    after = Shop(services=before.services)

    assert (True, 0) == (is_replayed(await after.ask()), after.calls)


# ---- where nobody knows


SENT = UpstreamError(502, "upstream.reset", "It broke off.")
NOTHING_SENT = UpstreamError(502, "upstream.unreachable", "It is away.", nothing_sent=True)
OURS = Rejection(503, "circuit_breaker.open", "Not now.")


@pytest.mark.parametrize(
    ("first", "on_unknown", "second"),
    [
        pytest.param(SENT, "forget", (201, None), id="it broke off: the next try gets through"),
        pytest.param(SENT, "hold", IN_FLIGHT, id="it broke off: held, where that is asked for"),
        pytest.param(NOTHING_SENT, "hold", (201, None), id="no byte was sent: nothing to hold"),
    ],
)
async def test_an_upstream_that_fails(
    first: Exception, on_unknown: str, second: tuple[int, str | None]
) -> None:
    shop = Shop(first, Response(201), on_unknown=on_unknown)
    await shop.ask()

    assert second == refusal(await shop.ask())


async def test_a_refusal_behind_it_holds_nothing() -> None:
    shop = Shop(on_unknown="hold")
    closed = [True]

    async def around(request: Exchange, forward: Any) -> Response:
        if closed.pop() if closed else False:
            raise OURS
        response: Response = await forward(request)
        return response

    pipeline = route(shop.policy, Hooks(around=around), upstream=shop.upstream)

    assert [503, 201] == [(await pipeline.respond(asked())).status for _ in range(2)]


async def test_an_answer_that_breaks_off_while_it_is_kept_is_a_failure() -> None:
    class Broken(Chunks):
        async def collect(self, limit: int) -> bytes | None:
            raise SENT

    shop = Shop(Response(200, content=Broken()), CREATED)

    assert [502, 201] == [(await shop.ask()).status for _ in range(2)]


@pytest.mark.parametrize(("on_unknown", "status"), [("forget", 201), ("hold", 409)])
async def test_a_client_that_leaves(on_unknown: str, status: int) -> None:
    slow = Slow()
    shop = Shop(slow, CREATED, on_unknown=on_unknown)
    leaving = asyncio.ensure_future(shop.ask())
    await turns()
    leaving.cancel()
    await turns()

    assert status == (await shop.ask()).status


async def test_what_is_held_or_was_lost_with_the_process_is_over_after_pending_for() -> None:
    shop = Shop(SENT, CREATED, on_unknown="hold", pending_for=Duration(60))
    await shop.ask()
    await shop.clock.advance(61)

    assert 201 == (await shop.ask()).status


async def test_a_late_first_answer_does_not_replace_that_of_the_second() -> None:
    slow = Slow()
    shop = Shop(slow, CREATED, pending_for=Duration(60))
    first = asyncio.ensure_future(shop.ask())
    await turns()
    await shop.clock.advance(61)
    second = await shop.ask()
    slow.answer = Response(200, content=b"late")
    slow.go.set()
    await first

    assert second.content == (await shop.ask()).content


# ---- by the body, in an operator's words


async def test_a_duplicate_is_answered_in_an_operators_words() -> None:
    shop = Shop(key=BY_BODY, on_duplicate=OnDuplicateConfig(respond=ALREADY))
    await shop.ask(ticket())

    answer = await shop.ask(ticket(TICKET.replace(b'"A"', b'"B"')))

    assert isinstance(answer.content, bytes)
    assert {
        "status": "already_exists",
        "ticket_id": 42,
        "message": "Ticket 42 already processed (idempotent)",
    } == msgspec.json.decode(answer.content)
    assert (200, "application/json", 1) == (answer.status, answer.headers.get("Content-Type"), shop.calls)


async def test_a_first_that_was_refused_by_the_upstream_exists_for_nobody() -> None:
    shop = Shop(422, CREATED, key=BY_BODY, on_duplicate=OnDuplicateConfig(respond=ALREADY))

    assert [422, 201] == [(await shop.ask(ticket())).status for _ in range(2)]


async def test_of_an_answer_that_was_too_large_the_words_are_without_its_values() -> None:
    shop = Shop(key=BY_BODY, on_duplicate=OnDuplicateConfig(respond=ALREADY), max_answer=Size(1))
    await shop.ask(ticket())

    answer = await shop.ask(ticket())

    assert isinstance(answer.content, bytes)
    assert None is msgspec.json.decode(answer.content)["ticket_id"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"external_source": "x"}', id="a part is missing"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"", id="no body"),
    ],
)
async def test_a_body_without_the_key_passes_or_is_refused(body: bytes) -> None:
    passing, refusing = Shop(key=BY_BODY), Shop(key=BY_BODY, required=True)

    answers = [await passing.ask(ticket(body)), await refusing.ask(ticket(body))]

    assert [201, 400] == [answer.status for answer in answers]


# ---- in shadow


async def test_in_shadow_it_reports_what_it_would_have_answered_and_reads_no_answer() -> None:
    class Unreadable(Chunks):
        async def collect(self, limit: int) -> bytes | None:
            raise AssertionError("read in shadow")

    clock, upstream = FakeClock(), FakeUpstream(Response(200, content=Unreadable()))
    policy = Idempotency(a_config(fingerprint=("path",)), fake_services(clock))
    pipeline = route(in_shadow("idempotency", Hooks.of(policy)), upstream=upstream)
    requests = [asked(), asked(), asked(path="/else")]

    answers = [await pipeline.respond(request) for request in requests]

    assert (3, [False] * 3) == (len(upstream.seen), [is_replayed(answer) for answer in answers])
    reports = [[each.reason for each in request.shadowed or []] for request in requests]
    assert [[], ["idempotency.replayed"], ["idempotency.key_reused"]] == reports


# ---- as it stands in a file


@pytest.mark.parametrize(
    ("policies", "path"),
    [
        pytest.param("idempotency: {}", "idempotency", id="no key"),
        pytest.param("idempotency: {key: [route.name]}", "idempotency.key", id="all are one"),
        pytest.param('idempotency: {key: ["body:x"]}', "idempotency.key[0]", id="no place in a body"),
        pytest.param(
            'idempotency: {key: ["body:/id"], status: [101]}', "idempotency.status", id="no answer to keep"
        ),
        pytest.param(
            'idempotency: {key: ["body:/id"], on_duplicate: {respond: {json: "{{ body.id }}"}}}',
            "idempotency.on_duplicate.respond.json",
            id="an unknown placeholder",
        ),
        pytest.param(
            'idempotency: {key: ["body:/id"], on_duplicate: {respond: {json: "{{ stored.status"}}}',
            "idempotency.on_duplicate.respond.json",
            id="a placeholder that is not closed",
        ),
        pytest.param(
            'idempotency: {key: ["body:/id"], scope: [auth.id, auth.id]}', "idempotency.scope[1]", id="twice"
        ),
    ],
)
def test_what_makes_no_sense_is_refused(policies: str, path: str, tmp_path: Path) -> None:
    assert [path] == problems(policies, tmp_path)


@pytest.mark.parametrize(
    ("settings", "compared"),
    [
        pytest.param({"key": BY_HEADER}, ("method", "path", "body"), id="a key that clients make up"),
        pytest.param({"key": BY_BODY}, (), id="a key in the body"),
        pytest.param({"key": BY_BODY, "fingerprint": ("path",)}, ("path",), id="as it says"),
    ],
)
def test_what_must_be_the_same_where_nothing_is_said(
    settings: Mapping[str, Any], compared: tuple[str, ...]
) -> None:
    assert compared == IdempotencyConfig(**settings).compared


def test_check_says_it_in_words() -> None:
    expected = "at most one answered in 1d, for each value of the header Idempotency-Key"

    assert (expected,) == a_config().in_words()
