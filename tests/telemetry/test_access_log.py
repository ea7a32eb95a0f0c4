"""What an operator finds in the access log."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import Rejection
from proxy.exchange import NO_ROUTE, Exchange, Identity, Outcome, Request, RouteFacts
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.redaction import Redaction
from proxy.testing import FakeClock


class Written:
    """A writer that keeps what it gets."""

    def __init__(self) -> None:
        self.batches: list[bytes] = []
        self.dropped = 3
        self.error = "No space left on device"
        self.waited: float | None = None

    def put(self, batch: bytearray) -> None:
        self.batches.append(bytes(batch))

    def close(self, wait: float) -> bool:
        self.waited = wait
        return True


class Timer:
    """Keeps what is to be called, and when."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, seconds: float, call: Callable[[], None]) -> None:
        self.calls.append((seconds, call))


class Log:
    def __init__(self) -> None:
        self.written = Written()
        self.timer = Timer()
        self.clock = FakeClock(start=1_700_000_000.25)
        self.log = AccessLog(self.written, self.clock, self.timer)  # type: ignore[arg-type]

    def line(self, exchange: Exchange, outcome: Outcome) -> dict[str, Any]:
        self.log.write(exchange, outcome)
        self.log.flush()
        *_, line, nothing = self.written.batches[-1].split(b"\n")
        assert b"" == nothing
        assert line.isascii()
        assert line.decode().isprintable()
        parsed: dict[str, Any] = json.loads(line)
        return parsed


@pytest.fixture
def log() -> Log:
    return Log()


def an_exchange(target: str = "/api/tickets/7", method: str = "GET", **facts: Any) -> Exchange:
    path, _, query = target.partition("?")
    exchange = Exchange(
        Request(method, target, path, query),
        client_ip="192.0.2.7",
        request_id="r-1",
        decision_id="d-1",
        started=100.0,
    )
    exchange.route = RouteFacts("tickets", "/api/tickets/{id}")
    exchange.attempts = 1
    exchange.upstream_status = 200
    for name, value in facts.items():
        setattr(exchange, name, value)
    return exchange


FINE = Outcome(200, 100.0125, bytes_received=5, bytes_sent=1234)


def test_an_exchange_is_one_line_of_json(log: Log) -> None:
    line = log.line(an_exchange(), FINE)

    assert {
        "time": "2023-11-14T22:13:20.250Z",
        "request_id": "r-1",
        "decision_id": "d-1",
        "route": "tickets",
        "method": "GET",
        "path": "/api/tickets/7",
        "status": 200,
        "upstream_status": 200,
        "attempts": 1,
        "duration_ms": 12.5,
        "bytes_in": 5,
        "bytes_out": 1234,
        "client_ip": "192.0.2.7",
    } == line


async def test_the_time_goes_on(log: Log) -> None:
    times = []
    for pause in (0.0, 0.0015, 0.75, 3600.0):
        await log.clock.advance(pause)
        times.append(log.line(an_exchange(), FINE)["time"])

    assert [
        "2023-11-14T22:13:20.250Z",
        "2023-11-14T22:13:20.251Z",
        "2023-11-14T22:13:21.001Z",
        "2023-11-14T23:13:21.001Z",
    ] == times


@pytest.mark.parametrize(
    ("exchange", "outcome", "said"),
    [
        pytest.param(
            an_exchange("/a?page=2&token=s3cret"), FINE, {"query": "page=2&token=***"}, id="a query, masked"
        ),
        pytest.param(
            an_exchange(identity=Identity("ann", "jwt")), FINE, {"identity": "ann"}, id="who it was"
        ),
        pytest.param(
            an_exchange(refusal=Rejection(429, "rate_limit.exceeded"), upstream_status=None, attempts=0),
            Outcome(429, 100.0, "rate_limit.exceeded"),
            {"status": 429, "reason": "rate_limit.exceeded", "upstream_status": None, "attempts": 0},
            id="a refusal",
        ),
        pytest.param(
            an_exchange(refusal=Rejection(401, "api_key.invalid", "Not accepted.", cause='unknown "\n')),
            Outcome(401, 100.0, "api_key.invalid"),
            {"reason": "api_key.invalid", "cause": 'unknown "\n'},
            id="why it was refused, which the client is not told",
        ),
        pytest.param(
            an_exchange(),
            Outcome(200, 100.0, "upstream.reset", complete=False),
            {"status": 200, "reason": "upstream.reset", "complete": False},
            id="a body that broke off",
        ),
        pytest.param(
            an_exchange(shadowed=[Rejection(403, "ip_list.denied"), Rejection(413, "size_limit.body")]),
            FINE,
            {"status": 200, "shadow": ["ip_list.denied", "size_limit.body"], "reason": None},
            id="what would have been refused",
        ),
        pytest.param(
            an_exchange(route=NO_ROUTE, refusal=Rejection(404, "route.none")),
            Outcome(404, 100.0, "route.none"),
            {"route": "", "reason": "route.none"},
            id="no route",
        ),
        pytest.param(an_exchange("/%2e%2e/a//b"), FINE, {"path": "/%2e%2e/a//b"}, id="the path as it came"),
    ],
)
def test_what_is_special_is_said(
    log: Log, exchange: Exchange, outcome: Outcome, said: dict[str, object]
) -> None:
    line = log.line(exchange, outcome)

    assert said == {name: line.get(name) for name in said}


def test_what_is_not_special_is_left_out(log: Log) -> None:
    line = log.line(an_exchange(shadowed=[]), FINE)

    assert set() == {"query", "identity", "reason", "shadow", "complete"} & set(line)


def test_a_user_and_password_in_an_absolute_target_are_not_written(log: Log) -> None:
    exchange = an_exchange()
    exchange.request = Request("GET", "http://ann:pw@example.com/a?token=x", "/a", "token=x")

    line = log.line(exchange, FINE)

    assert ("/a", "token=***") == (line["path"], line["query"])


@pytest.mark.parametrize(
    ("target", "path"),
    [
        pytest.param('/a"b\\c', '/a"b\\c', id="quotes and backslashes"),
        pytest.param('/a\r\n{"forged": 1}', '/a\r\n{"forged": 1}', id="line breaks"),
        pytest.param("/\x1b[31m\x9b\x7f", "/\x1b[31m\x9b\x7f", id="terminal sequences"),
        pytest.param("/\u2028é😀", "/\u2028é😀", id="unicode"),
        pytest.param("/\udcff\ud800", "/\\udcff\\ud800", id="undecodable bytes, spelled out"),
        pytest.param("/" + "a" * 5000, "/" + "a" * 2047 + "...", id="too long, cut"),
    ],
)
def test_nothing_in_a_path_can_break_a_line(log: Log, target: str, path: str) -> None:
    assert path == log.line(an_exchange(target), FINE)["path"]


@given(text=st.text(st.characters(codec=None)))
def test_whatever_a_client_sends_each_exchange_is_one_line_of_printable_json(text: str) -> None:
    exchange = an_exchange(f"/{text}?{text}", method=text, identity=Identity(text, "jwt"))
    exchange.request_id = exchange.client_ip = text.encode("utf-8", "backslashreplace").decode()

    line = Log().line(exchange, Outcome(200, 100.0, "some.reason", complete=False))

    assert (200, "some.reason") == (line["status"], line["reason"])


def test_many_methods_of_a_clients_choice_are_told_apart_and_not_all_remembered(log: Log) -> None:
    methods = [f"M{number}" for number in range(5000)]

    assert methods == [log.line(an_exchange(method=method), FINE)["method"] for method in methods]
    assert len(log.log._heads) < 4100


def test_a_line_waits_a_fifth_of_a_second_at_most(log: Log) -> None:
    log.log.write(an_exchange(), FINE)
    log.log.write(an_exchange(), FINE)
    ((seconds, flush),) = log.timer.calls
    assert [] == log.written.batches

    flush()

    assert (0.2, [2]) == (seconds, [batch.count(b"\n") for batch in log.written.batches])


def test_no_timer_runs_while_there_is_nothing_to_write(log: Log) -> None:
    log.log.write(an_exchange(), FINE)
    log.timer.calls.pop()[1]()
    assert [] == log.timer.calls

    log.log.write(an_exchange(), FINE)

    assert 1 == len(log.timer.calls)


def test_many_lines_go_to_the_writer_before_their_time(log: Log) -> None:
    while not log.written.batches:
        log.log.write(an_exchange(), FINE)
    ((_, flush),) = log.timer.calls
    flush()

    assert 65_536 < len(log.written.batches[0]) < 66_536
    assert 1 == len(log.written.batches)


def test_closing_writes_what_is_left_and_waits_for_it(log: Log) -> None:
    log.log.write(an_exchange(), FINE)

    assert (True, 1, 0.5) == (log.log.close(0.5), len(log.written.batches), log.written.waited)


def test_what_is_lost_can_be_asked_for(log: Log) -> None:
    assert (3, "No space left on device") == (log.log.dropped, log.log.error)


def test_what_is_redacted_is_not_in_a_line(log: Log) -> None:
    log.log.redaction = Redaction(["client.ip", "auth.id", "path.id", "query:who"])
    exchange = an_exchange("/api/tickets/7?who=ann&page=2")
    exchange.identity = Identity("ann", "jwt")
    line = log.line(exchange, Outcome(200, 100.5))

    assert ("***", "***", "/api/tickets/***", "who=***&page=2") == (
        line["client_ip"],
        line["identity"],
        line["path"],
        line["query"],
    )


def test_what_looks_secret_in_a_path_is_not_in_a_line(log: Log) -> None:
    line = log.line(an_exchange("/api/tickets/7;jsessionid=hunter2"), FINE)

    assert "/api/tickets/7;jsessionid=***" == line["path"]


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("trusted", "fields", "expected"),
    [
        pytest.param(True, [TRACEPARENT], TRACE, id="a trusted proxy"),
        pytest.param(False, [TRACEPARENT], None, id="anybody else, who may be in nobody's trace"),
        pytest.param(True, [], None, id="no trace"),
        pytest.param(True, ["00-" + "x" * 52], None, id="what is none"),
        pytest.param(True, [TRACEPARENT, TRACEPARENT], None, id="two of them"),
    ],
)
def test_the_trace_of_a_request_is_told_where_a_trusted_proxy_says_it(
    log: Log, trusted: bool, fields: list[str], expected: str | None
) -> None:
    exchange = an_exchange()
    exchange.peer_trusted = trusted
    for value in fields:
        exchange.request.headers.add("traceparent", value)

    assert expected == log.line(exchange, FINE).get("trace_id")
