from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

import aiohttp
import pytest
from aiohttp import web

from proxy.admin.bodies import Route, RoutePolicy
from proxy.admin.running import Details, LastReload
from proxy.admin.site import serve
from proxy.errors import ConfigError
from proxy.state import Switched
from proxy.telemetry.audit_log import AuditLog
from proxy.telemetry.decisions import Decisions
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.shadow_report import ShadowReport


class FakeRunning:
    """A proxy that says what the test wants."""

    def __init__(self) -> None:
        self.decisions = Decisions()
        self.shadow_report = ShadowReport(lambda: self.counted)
        self.audit: AuditLog | None = None
        self.counted: dict[str, dict[str, int]] = {}
        self.is_live = True
        self.uptime = 12.3456
        self.readiness = (True, "")
        self.checks: dict[str, dict[str, object]] = {}
        self.store: dict[str, object] = {"kind": "memory", "reachable": True}
        self.upstreams: dict[str, object] = {"app": {"open": 2, "idle": 1}}
        self.last_reload = LastReload(ok=True, at=1_700_000_000.0)
        self.reloads: list[str | ConfigError] = []
        self.breakers: dict[str, Switched] = {
            "app": Switched("open", 1_700_000_000.0, forced=False, numbers={"opened_by": {"failures": 5}})
        }
        self._metrics = Metrics()

    def live(self) -> bool:
        return self.is_live

    def ready(self) -> tuple[bool, str]:
        return self.readiness

    def details(self) -> Details:
        return Details(
            version="1.2.3",
            revision="5f3a",
            live_since=1_700_000_000.0,
            last_change=["tickets: size_limit.body 10MiB → 5MiB"],
            uptime=self.uptime,
            last_reload=self.last_reload,
            watching="looking every 2 s",
            draining=False,
            in_flight=3,
            access_log_error="Broken pipe",
            checks=self.checks,
            upstreams=self.upstreams,
            store=self.store,
        )

    def metrics(self, accept: str) -> tuple[bytes, str]:
        return self._metrics.render(accept)

    def routes(self) -> Sequence[Route]:
        policies = [RoutePolicy(kind="size_limit", mode="shadow", place="a.yaml:7")]
        return [
            Route(
                name="tickets",
                path="/tickets/{id}",
                methods=["GET"],
                hosts=[],
                upstream="app",
                policies=policies,
                place="a.yaml:5",
            )
        ]

    def breakers_seen(self) -> Mapping[str, Switched]:
        return self.breakers

    def force_breaker(self, name: str, state: Literal["open", "closed"] | None) -> Switched | None:
        if name in self.breakers:
            self.breakers[name] = Switched(state or "half-open", 1_700_000_001.0, state is not None, {})
        return self.breakers.get(name)

    async def reload(self) -> str:
        result = self.reloads.pop(0)
        if isinstance(result, ConfigError):
            raise result
        return result


class Client:
    """Speaks to one port; each answer whole, as (status, headers, body)."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self.port = port

    async def __call__(self, method: str, path: str, **options: Any) -> tuple[int, Mapping[str, str], bytes]:
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self._session.request(method, url, **options) as response:
            return response.status, response.headers, await response.read()

    async def json(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        options.setdefault("headers", {})
        async with self._session.request(
            method, f"http://127.0.0.1:{self.port}{path}", **options
        ) as response:
            return response.status, await response.json(content_type=None)


@pytest.fixture
def running() -> FakeRunning:
    return FakeRunning()


Connect = Callable[[web.Application], Awaitable[Client]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Serve an application on a loopback port and give a client of it."""
    runners = []
    async with aiohttp.ClientSession() as session:

        async def start(app: web.Application) -> Client:
            runner = await serve(app, "127.0.0.1", 0)
            runners.append(runner)
            return Client(session, runner.addresses[0][1])

        yield start
    for runner in runners:
        await runner.cleanup()
