"""A policy that owns the call may be entered when the first has come to something: nobody can tell.

The same scripted upstreams are played both ways, and all that can be seen is compared: what the
client and the upstream get, byte for byte, what is recorded, and what policies are told.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.clock import SystemClock
from proxy.config.patterns import Method
from proxy.config.units import Duration, HeaderName
from proxy.errors import Rejection, UpstreamError
from proxy.exchange import Attempt, Exchange, Forward, Outcome, Response
from proxy.policies.edge.deadline import Deadline, DeadlineConfig
from proxy.policies.resilience.circuit_breaker import CircuitBreaker, CircuitBreakerConfig
from proxy.policies.resilience.circuit_breaker.settings import AnswerConfig, TripConfig
from proxy.policies.resilience.mask_errors import MaskErrors, MaskErrorsConfig
from proxy.policies.resilience.retry import Retry, RetryConfig
from proxy.policies.resilience.retry.settings import BackOffConfig, BodyCondition, ClassConfig, Pattern
from proxy.policies.resilience.timeout import Timeout, TimeoutConfig
from proxy.policy import Hooks, Services
from proxy.state import Shared
from proxy.stores.memory import MemoryStore
from tests.wire.harness import BOTH_LOOPS, Peer, RawUpstream, until, wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TRACE = b"Traceback (most recent call last):\n  boom"
ANSWERS: dict[str, bytes] = {
    "ok": OK,
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "until close": b"HTTP/1.1 200 OK\r\n\r\nok",
    "busy": b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nbusy",
    "busy, unfinished": b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nbusy",
    "early hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
    "leaks": b'HTTP/1.1 500 Oops\r\nETag: "a"\r\nContent-Length: %d\r\n\r\n%b' % (len(TRACE), TRACE),
    "quiet": b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
    "not found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "nothing to say": b"HTTP/1.1 204 No Content\r\n\r\n",
    "odd": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ntry again",
    "broken body": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
    "broken framing": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nConte",
    "nonsense": b"SSH-2.0-OpenSSH\r\n\r\n",
    "nothing": b"",
}  # fmt: skip
HEADS = {
    name: answer[: answer.rfind(b"\r\n\r\n") + 4] if b"HTTP" in answer else answer
    for name, answer in ANSWERS.items()
}
HEADS["chunked"] = ANSWERS["chunked"].partition(b"2\r\n")[0]
CLOSES = {"until close", "busy, unfinished", "broken body", "half a head", "nothing"}

REQUESTS = {
    # A trailer is what the upstream of these tests knows the end of a chunked body by.
    "GET": b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "HEAD": b"HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "PUT": b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "POST": b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    "chunked": b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\nA: b\r\n\r\n",
    "a large body": b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n" + b"x" * 99,
}


@dataclass
class Told:
    """A policy that is told of everything."""

    told: list[Any] = field(default_factory=list)

    def on_request(self, exchange: Exchange) -> None:
        self.told.append(("asked", exchange.request.method))

    def before_call(self, exchange: Exchange) -> None:
        """Asked as a breaker is."""
        self.told.append(("before call", exchange.attempts))

    def on_attempt(self, exchange: Exchange, attempt: Attempt) -> None:
        reason = getattr(attempt.error, "reason", None)
        self.told.append(("attempt", attempt.number, attempt.status, reason))

    def on_response(self, exchange: Exchange, response: Response) -> None:
        self.told.append(("response", response.status, response.from_upstream))

    def on_finish(self, exchange: Exchange, outcome: Outcome) -> None:
        retries = [(each.error_class, each.cause, each.outcome) for each in exchange.retries or ()]
        self.told.append(("finish", outcome.status, outcome.reason, outcome.complete, retries))


def policies(shared: Shared, *, looks: bool, answers: bool) -> list[Hooks]:
    clock = SystemClock()

    def services(name: str) -> Services:
        return Services(clock, Random(1), MemoryStore(clock), shared, name)

    classes = {name: ClassConfig() for name in ("network_error", "timeout", "gateway_error")}
    if looks:
        classes["odd"] = ClassConfig(body=BodyCondition(regex=Pattern("try again")))
    retry = RetryConfig(
        classes=classes,  # type: ignore[arg-type]  # names are text
        backoff=BackOffConfig(base=Duration(0.001), max=Duration(0.001), jitter="none"),
        body_limit=50,  # type: ignore[arg-type]  # bytes
        methods=(Method("GET"), Method("HEAD"), Method("PUT")),
        attempts_header=HeaderName("X-Attempts"),
    )
    breaker = CircuitBreakerConfig(
        trip=TripConfig(consecutive_failures=3), on_open=AnswerConfig(status=200) if answers else None
    )
    return [
        Hooks.of(Deadline(DeadlineConfig(total=Duration(20)), services("deadline"))),
        Hooks.of(MaskErrors(MaskErrorsConfig(), services("mask_errors"))),
        Hooks.of(Retry(retry, services("retry"))),
        Hooks.of(CircuitBreaker(breaker, services("circuit_breaker"))).at_each_call(),
        Hooks.of(Timeout(TimeoutConfig(), services("timeout"))),
    ]


@dataclass
class Waits:
    """A policy that is asked now and then has to wait, and sometimes has an answer of its own."""

    name: str
    script: list[str]
    told: list[Any]

    def on_request(self, exchange: Exchange) -> Response | Callable[[], Awaitable[Response | None]] | None:
        self.told.append((self.name, exchange.attempts))
        what = self.script.pop(0) if self.script else "passes"
        if not what.startswith("waits"):
            return self._decide(what)

        async def later() -> Response | None:
            await asyncio.sleep(0.001)
            self.told.append((self.name, "has waited"))
            return self._decide(what.removeprefix("waits and "))

        return later

    def _decide(self, what: str) -> Response | None:
        if what == "refuses":
            raise Rejection(503, f"{self.name}.full", retry_after=1.0)
        return Response(202) if what == "answers" else None


async def play(  # each is another way to go wrong
    script: Sequence[str],
    requests: Sequence[str],
    *,
    late: bool,
    looks: bool,
    answers: bool,
    waits: Sequence[Sequence[str]] = (),
) -> list[Any]:
    """Everything that could be seen. `waits`: what policies do that are asked once for each request, in
    front of those that own the call, and before each call, in the middle of them and behind them."""
    left, seen, told = list(script), [], Told()

    async def serve(peer: Peer) -> None:
        while True:
            head = await peer.head()
            body = b""
            if b"chunked" in head:
                body = await peer.until(b"A: b\r\n\r\n")
            elif found := re.search(rb"Content-Length: (\d+)", head):
                body = await peer.exactly(int(found[1]))
            seen.append(re.sub(rb"X-Request-ID: .*\r\n", b"", head) + body)
            name = left.pop(0) if left else "ok"
            answer = ANSWERS[name]
            peer.send(HEADS[name] if head.startswith(b"HEAD") else answer)
            if name in CLOSES:
                return

    hooks = policies(Shared(), looks=looks, answers=answers)
    hooks.append(Hooks(on_request=told.before_call).at_each_call())
    for place, what in zip(
        (0, 3, 7), waits, strict=False
    ):  # mask_errors stands before the second, retry behind
        asked = Hooks.of(Waits(f"waits{place}", list(what), told.told))
        hooks.insert(place, asked if place == 0 else asked.at_each_call())
    if not late:
        hooks = [replace(each, late=None) for each in hooks]
    got = []
    async with RawUpstream(serve) as upstream, wire(upstream.port, told, *hooks) as running:
        pipeline = running.server.serving.table.find("GET", "a", "/a", "", None).target.pipeline  # type: ignore[union-attr, arg-type]
        assert (late, late) == (pipeline.late, pipeline.plain)
        for name in requests:
            peer = await running.connect()
            peer.send(REQUESTS[name].replace(b"Host: a\r\n", b"Host: a\r\nConnection: close\r\n"))
            got.append(tidy(await peer.rest()))
            peer.close()
        await until(lambda: len(running.records.outcomes) == len(requests))
        await until(lambda: running.records.in_flight == 0)
        # One that has done its work needs a turn of the loop to end.
        await until(lambda: not [task for task in asyncio.all_tasks() if "_respond" in repr(task)])
        recorded = [(status, getattr(error, "reason", None)) for status, error in running.records.attempts]
        held = running.server.buffers.held
        leaked = [conn for conn in running.upstream_connections if conn.carrier is not None]
        counts = [each.attempts for each in running.records.exchanges]
        upstream_statuses = [each.upstream_status for each in running.records.exchanges]
    assert (0, []) == (held, leaked)
    # A head is passed on as it comes, or a turn of the loop later, when the attempt may be over.
    attempts = [each for each in told.told if each[0] == "attempt"]
    others = [each for each in told.told if each[0] != "attempt"]
    return [got, seen, attempts, others, recorded, counts, upstream_statuses]


def tidy(answer: bytes) -> bytes:
    """Without ids and times, and fields in one order: a length is written last where nothing streams."""
    head, _, body = answer.rpartition(b"\r\n\r\n") if answer.count(b"\r\n\r\n") == 1 else (b"", b"", answer)
    answer = b"\r\n".join(sorted(head.split(b"\r\n"))) + b"\r\n\r\n" + body
    for name in (rb'"(?:request_id|decision_id|instance)":"[^"]*"', rb"X-Request-ID: [^\r]*\r\n"):
        answer = re.sub(name, b"", answer)
    answer = re.sub(rb'(Retry-After: |retry_after":)\d+', b"", answer)
    return re.sub(rb"Content-Length: \d+\r\n", b"", answer) if b"problem+json" in answer else answer


async def compare(
    script: Sequence[str],
    requests: Sequence[str],
    *,
    looks: bool = False,
    answers: bool = False,
    waits: Sequence[Sequence[str]] = (),
) -> list[Any]:
    ways = [
        await play(script, requests, late=late, looks=looks, answers=answers, waits=waits)
        for late in (True, False)
    ]
    for one, other in zip(*ways, strict=True):
        assert one == other
    return ways[0]


@BOTH_LOOPS
@pytest.mark.parametrize("looks", [False, True], ids=["by status", "by body"])
@pytest.mark.parametrize("request_name", list(REQUESTS))
@pytest.mark.parametrize("first", list(ANSWERS))
async def test_one_bad_answer_and_then_a_good_one(first: str, request_name: str, looks: bool) -> None:
    got, *_ = await compare([first, "ok"], [request_name], looks=looks)

    assert 1 == len(got)


SCRIPTS = st.lists(st.sampled_from(list(ANSWERS)), max_size=10)
ASKED = st.lists(st.sampled_from(list(REQUESTS)), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(SCRIPTS, ASKED, st.booleans(), st.booleans())
def test_whatever_happens(script: list[str], requests: list[str], looks: bool, answers: bool) -> None:
    asyncio.run(compare(script, requests, looks=looks, answers=answers))


class Passes:
    """A policy that is entered late, where the upstream answered 503, and marks what it lets through."""

    late = frozenset((503,))

    def __init__(self) -> None:
        self.entered: list[int | str] = []

    async def around(self, exchange: Exchange, forward: Forward) -> Response:
        try:
            response = await forward(exchange)
        except UpstreamError as error:
            self.entered.append(error.reason)
            raise
        self.entered.append(response.status)
        return response


@BOTH_LOOPS
async def test_it_is_entered_only_where_it_is_concerned() -> None:
    script, policy = [OK, ANSWERS["busy"], ANSWERS["not found"], b""], Passes()

    async def serve(peer: Peer) -> None:
        while True:
            await peer.message()
            answer = script.pop(0)
            if not answer:
                return
            peer.send(answer)

    async with RawUpstream(serve) as upstream, wire(upstream.port, policy) as running:
        peer = await running.connect()
        statuses = []
        for _ in range(4):
            peer.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            statuses.append(int((await peer.message())[0].split(b" ")[1]))
        peer.close()

    assert ([200, 503, 404, 502], [503, "upstream.reset"]) == (statuses, policy.entered)


async def test_another_policy_that_acts_before_the_call_has_all_entered_at_the_start() -> None:
    class Before:
        async def around(self, exchange: Exchange, forward: Forward) -> Response:
            return await forward(exchange)

    policy = Passes()

    async def serve(peer: Peer) -> None:
        await peer.message()
        peer.send(OK)

    async with RawUpstream(serve) as upstream, wire(upstream.port, Before(), policy) as running:
        peer = await running.connect()
        peer.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
        await peer.message()
        peer.close()

    assert [200] == policy.entered
