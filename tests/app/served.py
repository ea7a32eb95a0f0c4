"""A `Proxy` with its data port open, inside the test's own process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from proxy.app.proxy import Proxy, read_policies
from proxy.app.settings import Settings
from proxy.clock import Clock
from proxy.stores.opening import AnyStore
from proxy.wire.server import Listener
from tests.app.trial import Files
from tests.wire.harness import PATIENCE, RawUpstream

POLICIES = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:{port}"}}}}
routes:
  - name: all
    match: {{path: "/app/**", methods: [GET, POST]}}
    policies:
      security_headers: {{preset: none, set: {{X-Revision: one}}}}
"""


@dataclass
class Served:
    """What runs, and a client of it."""

    proxy: Proxy
    files: Files
    client: httpx.AsyncClient
    port: int

    async def get(self, path: str = "/app/x", method: str = "GET") -> httpx.Response:
        return await self.client.request(method, path)

    def edit(self, old: str, new: str) -> None:
        """Change the policy file, which must have `old` in it."""
        path = self.files.folder / "a.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def metrics(self) -> dict[str, str]:
        """Each series and its value, as Prometheus reads them."""
        lines = self.proxy.metrics("")[0].decode().splitlines()
        series = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: value for name, _, value in series}


@asynccontextmanager
async def served(
    files: Files,
    upstream: RawUpstream | None = None,
    *,
    more: str = "",
    default_upstream: str | None = None,
    clock: Clock | None = None,
    access_log: bool = False,
    store: AnyStore | None = None,
) -> AsyncIterator[Served]:
    """Serve the files; with `upstream`, first write one with a route to it and `more`."""
    if upstream is not None:
        files.write(POLICIES.format(port=upstream.port) + more)
    settings = Settings(files.folder, access_log=access_log, upstream=default_upstream)
    proxy = Proxy(settings, read_policies(settings), clock, store=store)
    listener = Listener(proxy.server, drain=1.0)
    address = await listener.open("127.0.0.1:0")
    try:
        async with httpx.AsyncClient(
            base_url=f"http://{address}", trust_env=False, verify=False, timeout=PATIENCE
        ) as client:
            yield Served(proxy, files, client, int(address.rpartition(":")[2]))
    finally:
        await listener.close()
        await proxy.close()
