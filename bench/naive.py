"""The reverse proxy that everybody writes on aiohttp: web.Application, a middleware, ClientSession.

What Seawall's cost is compared with, so it does what Seawall does without a policy: no hop-by-hop
fields, a request id both ways. On uvloop, as Seawall. Usage: naive.py PORT UPSTREAM_PORT
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator

import uvloop
from aiohttp import ClientError, ClientSession, web
from aiohttp.typedefs import Handler
from multidict import CIMultiDict, CIMultiDictProxy

_REQUEST_ID = "X-Request-ID"
_SESSION = web.AppKey("session", ClientSession)
_HOP_BY_HOP = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    )
)


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)


@web.middleware
async def _request_id(request: web.Request, handler: Handler) -> web.StreamResponse:
    request[_REQUEST_ID] = os.urandom(16).hex()
    return await handler(request)


def application(upstream: str) -> web.Application:
    """Forwards everything to `upstream`, such as `http://127.0.0.1:3000`."""

    async def forward(request: web.Request) -> web.StreamResponse:
        headers = _end_to_end(request.headers)
        headers[_REQUEST_ID] = request[_REQUEST_ID]
        body = request.content if request.body_exists else None
        try:
            async with request.app[_SESSION].request(
                request.method, upstream + request.path_qs, headers=headers, data=body, allow_redirects=False
            ) as answer:
                response = web.StreamResponse(
                    status=answer.status, reason=answer.reason, headers=_end_to_end(answer.headers)
                )
                response.headers[_REQUEST_ID] = request[_REQUEST_ID]
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
        except ClientError:
            return web.Response(status=502, text="bad gateway")

    async def session(app: web.Application) -> AsyncIterator[None]:
        async with ClientSession(auto_decompress=False) as app[_SESSION]:
            yield

    app = web.Application(middlewares=[_request_id])
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


async def _serve(port: int, upstream_port: int) -> None:
    runner = web.AppRunner(application(f"http://127.0.0.1:{upstream_port}"), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
