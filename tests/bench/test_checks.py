"""What a proxy has to show before it is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from http.client import HTTPMessage
from pathlib import Path

import pytest

from bench import checks
from bench.measure import Unfit
from bench.processes import Process
from bench.scenarios import KEY
from bench.servers import Server


class Proxy:
    """Answers in place of a real one: `limit` requests of each client, and an upstream's `failures`.

    What the upstream breaks off is `tried` so often.
    """

    def __init__(
        self, limit: int | None = 2, failures: int | None = 5, *, shared: bool = False, tried: int = 2
    ) -> None:
        self._tried = tried
        self._calls = 0
        self._limit = limit
        self._failures = failures
        self._shared = shared
        self._asked: Counter[str] = Counter()
        self._failed = 0

    def ask(
        self,
        _proxy: Server,
        _method: str = "GET",
        path: str = "/json",
        _body: bytes | None = None,
        _headers: Mapping[str, str] | None = None,
        source: str = "127.0.0.1",
        key: str | None = KEY,
    ) -> checks.Answer:
        return self._status(path, "all" if self._shared else source, key), HTTPMessage(), b""

    def answered(self, _upstream: int) -> int:
        self._calls += 1
        return self._calls

    def _status(self, path: str, client: str, key: str | None) -> int:
        if path == "/reset":
            self._calls += self._tried
            return 502
        if key != KEY:
            return 401
        self._asked[client] += 1
        if self._limit is not None and self._asked[client] > self._limit:
            return 429
        if self._failures is not None and self._failed >= self._failures:
            return 503
        self._failed = self._failed + 1 if path == "/broken" else 0
        return 500 if path == "/broken" else 200


def check(name: str, proxy: Proxy, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_ask", proxy.ask)
    monkeypatch.setattr(checks, "_PATIENCE", 0.01)
    monkeypatch.setattr(checks, "answered", proxy.answered)
    checks.check_limits(Server(Process(name, ["true"], 0, folder / "log"), 8080), 8081)


def test_a_proxy_that_limits_clients_and_spares_the_upstream_is_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check("envoy", Proxy(), tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("proxy", "missing"),
    [
        (Proxy(limit=None), "rate limit"),
        (Proxy(limit=1000), "rate limit"),
        (Proxy(limit=0), "rate limit, circuit breaker"),
        (Proxy(shared=True), "rate limit, circuit breaker"),
        (Proxy(failures=None), "circuit breaker"),
        (Proxy(failures=1000), "circuit breaker"),
        (Proxy(failures=0), "rate limit, circuit breaker"),
        (Proxy(tried=1), "retry"),
    ],
    ids=[
        "no limit",
        "a limit that is not reached",
        "a limit that lets nobody pass",
        "one limit for everybody",
        "no breaker",
        "a breaker that waits too long",
        "a breaker that is always open",
        "no second call",
    ],
)
def test_a_proxy_that_does_not_is_not_measured(
    proxy: Proxy, missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unfit, match=f"^policies that do not work: {missing}$"):
        check("envoy", proxy, tmp_path, monkeypatch)


def test_what_a_proxy_does_not_have_is_not_asked_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check("caddy", Proxy(limit=None), tmp_path, monkeypatch)
