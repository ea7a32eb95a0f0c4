"""What the wire is given of the files: routes, and paths of its own for health and metrics."""

from __future__ import annotations

import pytest

from tests.app.served import served
from tests.app.test_proxy import HARDENED
from tests.app.trial import Files
from tests.wire.harness import RawUpstream

HEALTH = "health: {paths: {/health: details, /health/ready: readiness, /health/live: liveness}}\n"


async def test_health_is_answered_before_routing(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream, more=HEALTH) as running:
        live, ready = await running.get("/health/live"), await running.get("/health/ready")
        details = await running.get("/health")

    assert [(200, "live\n"), (200, "ready\n")] == [(each.status_code, each.text) for each in (live, ready)]
    assert {"status": "ready"}.items() <= details.json().items()
    assert 0 == upstream.connections


async def test_health_on_the_data_port_tells_strangers_little(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream, more=HEALTH) as running:
        details = (await running.get("/health")).json()

    assert {"status", "uptime_seconds"} == set(details)


async def test_health_carries_what_has_no_route(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream, more=HEALTH) as running:
        answer = await running.get("/health")

    assert HARDENED == (answer.headers["X-Content-Type-Options"], answer.headers["Cache-Control"])


async def test_health_says_that_it_is_draining(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream, more=HEALTH) as running:
        running.proxy.draining = True
        ready, live = await running.get("/health/ready"), await running.get("/health/live")

    assert (503, "not ready: draining\n", 200) == (ready.status_code, ready.text, live.status_code)


@pytest.mark.parametrize(("method", "status", "text"), [("HEAD", 200, ""), ("POST", 404, None)])
async def test_health_is_for_those_who_only_look(
    files: Files, upstream: RawUpstream, method: str, status: int, text: str | None
) -> None:
    async with served(files, upstream, more=HEALTH) as running:
        answer = await running.get("/health/live", method)

    assert status == answer.status_code
    assert text is None or text == answer.text


async def test_metrics_are_answered_where_the_file_says(files: Files, upstream: RawUpstream) -> None:
    more = "metrics: {namespace: ingestion, path: /internal/metrics}\n"
    async with served(files, upstream, more=more) as running:
        await running.get()
        answer = await running.get("/internal/metrics")

    assert 200 == answer.status_code
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert 'ingestion_http_requests_total{endpoint="/app/**",method="GET",status="200"} 1.0' in answer.text


async def test_metrics_are_not_on_the_data_port_by_themselves(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream) as running:
        assert 404 == (await running.get("/metrics")).status_code


async def test_health_on_the_data_port_moves_with_the_file(files: Files, upstream: RawUpstream) -> None:
    more = "health: {paths: {/health: liveness}}\n"
    async with served(files, upstream, more=more) as running:
        running.edit("/health", "/status")
        await running.proxy.reload()

        assert [404, 200] == [(await running.get(path)).status_code for path in ("/health", "/status")]
