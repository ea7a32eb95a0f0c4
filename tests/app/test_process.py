"""The life of the process, as an operator and a kubelet see it."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.app.seawall import POLICIES, Seawall, seawall, start
from tests.wire.harness import Peer, RawUpstream, until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def get(port: int, path: str = "/", **options: object) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(f"http://127.0.0.1:{port}{path}", **options)  # type: ignore[arg-type]


async def test_it_serves_and_tells_on_three_ports(policies: Path) -> None:
    async with seawall(policies) as running:
        answer = await get(running.data)
        ready = await get(running.status, "/readyz")
        metrics = await get(running.status, "/metrics")
        health = (await get(running.admin, "/healthz")).json()

    assert (200, "one") == (answer.status_code, answer.headers["X-Revision"])
    assert (200, "ready\n") == (ready.status_code, ready.text)
    assert 'seawall_http_requests_total{endpoint="/**",method="GET",status="200"} 1.0' in metrics.text
    assert "seawall_config_last_reload_success 1.0" in metrics.text
    assert health["last_reload"]["ok"]


async def test_sigterm_fails_readiness_then_finishes_what_is_in_flight(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await peer.head()
        await release.wait()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")

    async with RawUpstream(serve) as upstream:
        policies = tmp_path / "p.yaml"
        policies.write_text(POLICIES.format(port=upstream.port))
        async with seawall(policies) as running:
            peer = Peer(*await asyncio.open_connection("127.0.0.1", running.data))
            peer.send(GET)
            await until(lambda: upstream.connections == 1)
            running.signal(signal.SIGTERM)
            await running.said("draining: 1 in flight")
            ready = await get(running.status, "/readyz")
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", running.data)
            release.set()
            head, body = await peer.message()
            code = await running.exit_code()
            peer.close()

    assert (503, "not ready: draining\n") == (ready.status_code, ready.text)
    assert b"late" == body
    assert b"\r\nConnection: close\r\n" in head
    assert 0 == code


async def _hanging(running: Seawall, upstream: RawUpstream) -> Peer:
    peer = Peer(*await asyncio.open_connection("127.0.0.1", running.data))
    peer.send(GET)
    await until(lambda: upstream.connections == 1)
    running.signal(signal.SIGTERM)
    await running.said("draining: 1 in flight")
    return peer


async def _never(peer: Peer) -> None:
    await peer.rest()


async def test_drain_is_bounded(tmp_path: Path) -> None:
    async with RawUpstream(_never) as upstream:
        policies = tmp_path / "p.yaml"
        policies.write_text(POLICIES.format(port=upstream.port))
        async with seawall(policies, "--drain", "50ms") as running:
            peer = await _hanging(running, upstream)
            code = await running.exit_code()
            peer.close()

    assert 0 == code


async def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    async with RawUpstream(_never) as upstream:
        policies = tmp_path / "p.yaml"
        policies.write_text(POLICIES.format(port=upstream.port))
        async with seawall(policies, "--drain", "1h") as running:
            peer = await _hanging(running, upstream)
            running.signal(signal.SIGTERM)
            code = await running.exit_code()
            peer.close()

    assert 1 == code
    assert "stopped at once" in running.log[-1]


async def test_sighup_serves_what_the_files_say_now(policies: Path) -> None:
    async with seawall(policies) as running:
        policies.write_text(policies.read_text().replace("Revision: one", "Revision: two"))
        running.signal(signal.SIGHUP)
        await running.said(r"revision \w+ is live")

        assert "two" == (await get(running.data)).headers["X-Revision"]


async def test_a_broken_edit_changes_nothing_and_is_told(policies: Path) -> None:
    good = policies.read_text()
    async with seawall(policies) as running:
        policies.write_text(good + "      securty_headers: {}\n")
        running.signal(signal.SIGHUP)
        await running.said("did you mean")
        answer = await get(running.data)
        metrics = await get(running.status, "/metrics")
        health = (await get(running.admin, "/healthz")).json()
        policies.write_text(good)
        again = httpx.post(f"http://127.0.0.1:{running.admin}/api/reload")

    assert (200, "one") == (answer.status_code, answer.headers["X-Revision"])
    assert "seawall_config_last_reload_success 0.0" in metrics.text
    assert not health["last_reload"]["ok"]
    assert "securty_headers" in health["last_reload"]["problems"][0]
    assert 200 == again.status_code


async def test_a_refusal_can_be_looked_up_by_its_decision_id(policies: Path) -> None:
    policies.write_text(policies.read_text() + "      size_limit: {body: 1B}\n")
    async with seawall(policies) as running:
        refused = httpx.post(f"http://127.0.0.1:{running.data}/", content=b"too much").json()
        decision = (await get(running.admin, f"/api/decisions/{refused['decision_id']}")).json()

    assert ("size_limit.body", 413) == (refused["reason"], refused["status"])
    assert (f"{policies}:8", "size_limit/all") == (decision["place"], decision["policy"])
    assert {"limit": 1, "declared": 8} == decision["facts"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(["--listen", "nowhere"], "is no address", id="an address that is none"),
        pytest.param(["--drain", "20"], "is no duration", id="a duration without its unit"),
        pytest.param(["--no-such-flag"], "No such option", id="an unknown flag"),
        pytest.param(
            ["--admin", "0.0.0.0:0"], "--admin-token-file", id="an admin port for all without a token"
        ),
        pytest.param(
            ["--admin-token-file", "/nonexistent"], "cannot read the admin token", id="a token that is away"
        ),
    ],
)
async def test_wrong_usage_is_one_clear_line(policies: Path, arguments: list[str], says: str) -> None:
    process = await start("--policies", str(policies), *arguments)
    _, stderr = await process.communicate()

    assert 2 == process.returncode
    assert says in stderr.decode()
    assert "Traceback" not in stderr.decode()


async def test_a_port_that_is_taken_is_one_clear_line(policies: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await start("--policies", str(policies), "--listen", f"127.0.0.1:{port}")
        _, stderr = await process.communicate()

    assert 2 == process.returncode
    assert f"127.0.0.1:{port}" in stderr.decode()
    assert 1 == len(stderr.decode().splitlines())


async def test_problems_in_the_files_end_the_start(policies: Path) -> None:
    policies.write_text("version: 1\nroutes: 3\n")
    process = await start("--policies", str(policies))
    _, stderr = await process.communicate()

    assert 1 == process.returncode
    assert f"{policies}:2:9: routes: got the number 3" in stderr.decode()
