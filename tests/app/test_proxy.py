"""What a client gets from the data port of a proxy that is put together from policy files."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator

import msgspec
import pytest

from tests.app.served import served
from tests.app.trial import UPSTREAM, Files, routes
from tests.wire.harness import Peer, RawUpstream, until

HARDENED = ("nosniff", "no-store, max-age=0")
"""Of `X-Content-Type-Options` and `Cache-Control` with the preset `owasp-api`."""


@pytest.fixture
def nowhere() -> str:
    """The url of an upstream that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


async def test_a_request_is_forwarded_and_dressed(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream) as running:
        answer = await running.get()

    assert (200, "ok", "one") == (answer.status_code, answer.text, answer.headers["X-Revision"])


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        pytest.param("GET", "/elsewhere", 404, "route.none", id="no such path"),
        pytest.param("DELETE", "/app/x", 405, "route.method", id="not this method"),
        pytest.param("GET", "/app/%2e%2e/x", 400, "request.path", id="a path that is refused"),
    ],
)
async def test_what_has_no_route_is_refused_with_security_headers(
    files: Files, upstream: RawUpstream, method: str, path: str, status: int, reason: str
) -> None:
    async with served(files, upstream) as running:
        answer = await running.get(path, method)

    assert (status, reason) == (answer.status_code, answer.json()["reason"])
    assert HARDENED == (answer.headers["X-Content-Type-Options"], answer.headers["Cache-Control"])
    assert "X-Revision" not in answer.headers


async def test_a_refused_method_is_told_which_are_allowed(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream) as running:
        answer = await running.get(method="DELETE")

    assert "GET, HEAD, POST" == answer.headers["Allow"]


async def test_no_route_says_what_it_carries(files: Files, upstream: RawUpstream) -> None:
    more = "no_route: {security_headers: {preset: none, set: {X-Nothing: here}}}\n"
    async with served(files, upstream, more=more) as running:
        answer = await running.get("/elsewhere")

    assert (404, "here") == (answer.status_code, answer.headers["X-Nothing"])
    assert "X-Content-Type-Options" not in answer.headers


async def test_templates_are_what_refusals_look_like(files: Files, nowhere: str) -> None:
    files.write(
        f'version: 1\nupstreams: {{app: {{url: "{nowhere}"}}}}\n'
        "errors:\n"
        "  templates:\n"
        '    route.none: {json: {error: "nothing here"}}\n'
        '    upstream.unreachable: {text: "come back later"}\n' + routes(a="{}")
    )
    async with served(files) as running:
        missing, unreachable = await running.get("/b"), await running.get("/a")

    assert (404, {"error": "nothing here"}) == (missing.status_code, missing.json())
    assert (502, "come back later") == (unreachable.status_code, unreachable.text)


async def test_the_upstream_may_come_from_the_command_line(files: Files, upstream: RawUpstream) -> None:
    files.write("version: 1\n" + routes(a="{}"))
    async with served(files, default_upstream=f"http://127.0.0.1:{upstream.port}") as running:
        answer = await running.get("/a")

    assert 200 == answer.status_code


# ---- what the other ports are told


async def test_routes_are_told_with_their_policies(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream) as running:
        (told,) = running.proxy.routes()

    path = files.folder / "a.yaml"
    assert {
        "name": "all",
        "path": "/app/**",
        "methods": ["GET", "POST"],
        "hosts": [],
        "upstream": "app",
        "policies": [{"kind": "security_headers", "mode": "enforce", "place": f"{path}:7"}],
        "place": f"{path}:4",
    } == msgspec.to_builtins(told, enc_hook=str)


async def test_details_tell_what_is_live_and_how_it_is_doing(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream) as running:
        await running.get()
        proxy = running.proxy
        details = proxy.details()

    assert (proxy.configuration.revision, False, 0) == (details.revision, details.draining, details.in_flight)
    assert details.last_reload.ok
    assert {"open": 1, "idle": 1, "opening": 0, "waiting": 0, "max": 100} == details.upstreams["app"]
    assert (True, (True, "")) == (proxy.live(), proxy.ready())


async def test_a_refusal_is_kept_as_a_decision(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream) as running:
        refused = (await running.get("/elsewhere")).json()
        await until(lambda: running.proxy.in_flight == 0)
        decision = running.proxy.decisions.get(refused["decision_id"])

    assert decision is not None
    assert ("route.none", 404) == (decision.reason, decision.status)


async def test_warnings_are_logged_when_files_go_live(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    files.write(UPSTREAM + "policies: {deadline: {unused: 3s}}\n" + routes(a="{}"))
    with caplog.at_level(logging.WARNING):
        async with served(files):
            assert "nothing uses this policy" in caplog.text


# ---- shadow, seen from outside


async def take_chunks(peer: Peer) -> None:
    while True:
        await peer.chunked()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def in_chunks() -> AsyncIterator[bytes]:
    yield b"more than "
    yield b"a byte"


@pytest.mark.parametrize(
    ("mode", "status", "counted_as"),
    [
        pytest.param("shadow", 200, "shadow", id="shadow"),
        pytest.param('"0%"', 200, "shadow", id="a share of nobody"),
        pytest.param('"100%"', 413, "enforce", id="a share of everybody"),
        pytest.param("enforce", 413, "enforce", id="enforce"),
    ],
)
async def test_a_mode_decides_whether_a_refusal_is_felt_or_counted(
    files: Files, mode: str, status: int, counted_as: str
) -> None:
    async with RawUpstream(take_chunks) as upstream:
        more = f"      size_limit: {{body: 1B, mode: {mode}}}\n"
        async with served(files, upstream, more=more) as running:
            answer = await running.client.post("/app/x", content=in_chunks())
            await until(lambda: running.proxy.in_flight == 0)
            metrics = running.metrics()
            (decision,) = running.proxy.decisions.recent(reason="size_limit.body")

    assert (status, "one") == (answer.status_code, answer.headers["X-Revision"])
    refusals = {name: count for name, count in metrics.items() if name.startswith("seawall_refusals_total")}
    series = f'seawall_refusals_total{{mode="{counted_as}",reason="size_limit.body",route="all"}}'
    assert {series: "1.0"} == refusals
    assert (counted_as, status, {"limit": 1}) == (decision.mode, decision.status, decision.facts)


async def test_a_mode_of_disabled_is_as_if_nothing_stood_there(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream, more="      size_limit: {body: 1B, mode: disabled}\n") as running:
        answer = await running.client.post("/app/x", content=b"more than a byte")
        await until(lambda: running.proxy.in_flight == 0)

        assert (200, []) == (answer.status_code, running.proxy.decisions.recent())
