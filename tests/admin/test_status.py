"""The status port, as kubelet and Prometheus see it."""

from __future__ import annotations

import pytest

from proxy.admin.status import status_app

from .conftest import Client, Connect, FakeRunning


@pytest.fixture
async def client(running: FakeRunning, connect: Connect) -> Client:
    return await connect(status_app(running))


@pytest.mark.parametrize(("path", "said"), [("/livez", b"live\n"), ("/readyz", b"ready\n")])
async def test_probes_are_answered(client: Client, path: str, said: bytes) -> None:
    status, headers, body = await client("GET", path)

    assert (200, "text/plain; charset=utf-8", said) == (status, headers["Content-Type"], body)


async def test_a_proxy_that_drains_is_live_and_not_ready(client: Client, running: FakeRunning) -> None:
    running.readiness = (False, "draining")

    assert [200, 503] == [(await client("GET", path))[0] for path in ("/livez", "/readyz")]


async def test_prometheus_gets_what_it_accepts(client: Client) -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    status, headers, body = await client("GET", "/metrics", headers={"Accept": accept})

    assert (200, "application/openmetrics-text; version=1.0.0; charset=utf-8") == (
        status,
        headers["Content-Type"],
    )
    assert body.endswith(b"# EOF\n")


async def test_any_name_of_the_pod_will_do_as_host(client: Client) -> None:
    assert 200 == (await client("GET", "/readyz", headers={"Host": "10.1.2.3:9902"}))[0]


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/routes", "/api/decisions", "/livez/", "/metrics/x"])
async def test_there_is_nothing_else(client: Client, path: str) -> None:
    status, headers, _ = await client("GET", path)

    assert (404, "text/plain; charset=utf-8") == (status, headers["Content-Type"])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_nothing_can_be_changed(client: Client, method: str) -> None:
    status, headers, _ = await client(method, "/readyz")

    assert (405, "GET,HEAD") == (status, headers["Allow"])
