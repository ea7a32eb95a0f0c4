"""What stands behind: a shop's application and somebody else's API. Usage: upstream.py PORT

`POST /mood/failing` makes it answer 503 to nearly everything, `POST /mood/well` ends that.
"""

from __future__ import annotations

import asyncio
import random
import sys

from aiohttp import web

SECONDS = {
    "/orders": (0.004, 0.03),
    "/search": (0.06, 0.2),
    "/checkout": (0.02, 0.06),
    "/reports": (0.1, 0.5),
    "/rates": (0.015, 0.04),
}
"""The shortest and the longest that it takes; an order 2 to 8 ms."""
_NO_ORDER, _FAILS, _BUSY, _SICK = 0.1, 0.02, 0.08, 0.9
"""Shares: of orders that are none, of failures of one that is well, of calls too many, of failures else."""


class Upstream:
    """All of it, with its mood."""

    def __init__(self) -> None:
        self._failing = False
        self._random = random.Random(8)

    async def mood(self, request: web.Request) -> web.Response:
        self._failing = request.match_info["mood"] == "failing"
        return web.Response()

    async def health(self, _: web.Request) -> web.Response:
        return web.Response(status=503 if self._failing else 200)

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        chance = self._random.random()
        if chance < (_SICK if self._failing else _FAILS) and request.path != "/rates":
            return web.json_response({"error": "the database is away"}, status=503)
        if request.path == "/rates" and chance < _BUSY:
            return web.json_response({"error": "too many"}, status=429, headers={"Retry-After": "1"})
        if request.path.startswith("/orders/") and chance > 1 - _NO_ORDER:
            return web.json_response({"error": "no such order"}, status=404)
        await asyncio.sleep(self._random.uniform(*SECONDS.get(request.path, (0.002, 0.008))))
        return web.json_response({"ok": True}, status=201 if request.method == "POST" else 200)


def app() -> web.Application:
    """Its routes."""
    upstream, application = Upstream(), web.Application()
    application.router.add_post("/mood/{mood}", upstream.mood)
    application.router.add_get("/health", upstream.health)
    application.router.add_route("*", "/{path:.*}", upstream.answer)
    return application


if __name__ == "__main__":
    web.run_app(app(), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
