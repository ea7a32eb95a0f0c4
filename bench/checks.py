"""Before anything is measured: does a proxy do what it will be measured at?"""

from __future__ import annotations

import http.client
import itertools
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from bench.measure import Unfit
from bench.scenarios import KEY, KEY_HEADER, Scenario
from bench.servers import Server, answered
from bench.upstream import BODIES, JSON

RESPONSE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Content-Security-Policy": "default-src 'none'",
    "Permissions-Policy": "geolocation=(), microphone=()",
}
ORIGIN = "https://app.example"
DENIED_ADDRESS = "127.6.6.6"
TOO_LARGE = 3 * 2**20
SOON_REACHED = 2
"""Requests a second, for the trial of a limit."""
WITHOUT: Mapping[str, str] = {"caddy": "rate limit"}
"""What a proxy doesn't have."""

_SPENT = 20
_FAILURES = 6
_TRIED = 2
_PATIENCE = 5.0  # seconds until failures are noticed

Answer = tuple[int, http.client.HTTPMessage, bytes]


def check(proxy: Server, scenarios: Sequence[Scenario], *, policies: bool) -> None:
    """Raise Unfit unless every scenario gets the right answers over connections that are kept.

    With `policies`, unless each of those does its work too.
    """
    try:
        _check_answers(proxy, scenarios)
        if policies:
            _check_policies(proxy)
    except (OSError, http.client.HTTPException) as error:
        raise Unfit(f"no answer: {error!r}") from None


def _check_answers(proxy: Server, scenarios: Sequence[Scenario]) -> None:
    for scenario in scenarios:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
        for path in (scenario.paths * 3)[:3]:
            connection.request(scenario.method, path, b"x" * scenario.body or None, dict(scenario.headers))
            answer = connection.getresponse()
            body = answer.read()
            if (answer.status, body) != (200, BODIES.get(path, JSON)):
                said = body[:200].decode(errors="replace")
                raise Unfit(f"{scenario.title}: {answer.status}, {len(body)} bytes: {said}")
            if answer.will_close:
                raise Unfit(f"{scenario.title}: the connection to the client is not kept")
        connection.close()


def _check_policies(proxy: Server) -> None:
    wrong = [
        what
        for what, holds in {
            "no key": _ask(proxy, key=None)[0] in (401, 403),
            "another key": _ask(proxy, key=f"not-{KEY}")[0] in (401, 403),
            "response headers": _has_headers(proxy),
            "no Server of the upstream's": "nginx/" not in _ask(proxy)[1].get("Server", ""),
            "CORS for the origin": _allowed_origin(proxy, ORIGIN) == ORIGIN,
            "CORS for another origin": _allowed_origin(proxy, "https://other.example") is None,
            "CORS preflight": _answers_preflight(proxy),
            "a body over the limit": _ask(proxy, "POST", body=b"x" * TOO_LARGE)[0] == 413,
            "an address that is denied": _ask(proxy, source=DENIED_ADDRESS)[0] == 403,
            "X-Forwarded-*": _tells_the_upstream(proxy),
        }.items()
        if not holds
    ]
    if wrong:
        raise Unfit(f"policies that do not work: {', '.join(wrong)}")


def check_limits(proxy: Server, upstream: int) -> None:
    """Raise Unfit unless a proxy limits each client, repeats calls, and spares an upstream that fails.

    It was started with the limit `SOON_REACHED`, and is of no use afterwards. The upstream listens at
    the port `upstream`.
    """
    trials = {
        "rate limit": _limits,
        "retry": partial(_repeats, upstream),
        "circuit breaker": _spares_the_upstream,
    }
    try:
        wrong = [
            what for what, works in trials.items() if what != WITHOUT.get(proxy.name) and not works(proxy)
        ]
    except (OSError, http.client.HTTPException) as error:
        raise Unfit(f"no answer: {error!r}") from None
    if wrong:
        raise Unfit(f"policies that do not work: {', '.join(wrong)}")


def _limits(proxy: Server) -> bool:
    """One client, and not another."""
    statuses = {_ask(proxy, source="127.2.0.1")[0] for _ in range(_SPENT)}
    return statuses == {200, 429} and _ask(proxy, source="127.2.0.2")[0] == 200


def _repeats(upstream: int, proxy: Server) -> bool:
    """What the upstream breaks off is sent once more; by Go's HTTP client, over a kept connection, twice."""
    before = answered(upstream)
    status = _ask(proxy, path="/reset", source="127.4.0.1")[0]
    return status in (502, 503) and answered(upstream) - before - 1 >= _TRIED


def _spares_the_upstream(proxy: Server) -> bool:
    """After failures of the upstream, what it could answer is refused. Each request is another client's."""
    clients = (f"127.3.{number // 250}.{number % 250 + 1}" for number in itertools.count())
    if _ask(proxy, source=next(clients))[0] != 200:
        return False
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        for _ in range(_FAILURES):
            _ask(proxy, path="/broken", source=next(clients))
        if _ask(proxy, source=next(clients))[0] in (502, 503):
            return True
    return False


def _has_headers(proxy: Server) -> bool:
    headers = _ask(proxy)[1]
    return all(headers.get(name) == value for name, value in RESPONSE_HEADERS.items())


def _allowed_origin(proxy: Server, origin: str) -> str | None:
    return _ask(proxy, headers={"Origin": origin})[1].get("Access-Control-Allow-Origin")


def _answers_preflight(proxy: Server) -> bool:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    status, headers, _ = _ask(proxy, "OPTIONS", headers=asked, key=None)  # a browser sends none with it
    return status in (200, 204) and "POST" in headers.get("Access-Control-Allow-Methods", "")


def _tells_the_upstream(proxy: Server) -> bool:
    address, *rest = _ask(proxy, path="/seen")[2].decode().split(" ")
    # Envoy writes an address of this machine that is not on loopback, where the client's is.
    return bool(address) and rest == [f"127.0.0.1:{proxy.port}", "http", "127.0.0.1"]


def _ask(
    proxy: Server,
    method: str = "GET",
    path: str = "/json",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    source: str = "127.0.0.1",
    key: str | None = KEY,
) -> Answer:
    shown = {} if key is None else {KEY_HEADER: key}
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10, source_address=(source, 0))
    try:
        with suppress(BrokenPipeError):  # it answered the head alone and closed; the answer is there
            connection.request(method, path, body, {**shown, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()
