"""The admin port: what the status port has, health in detail, decisions, routes, and reload."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from proxy.admin.access import Caller, Gate
from proxy.admin.answers import answer, as_json
from proxy.admin.running import Running
from proxy.admin.site import new_app, reply
from proxy.admin.status import add_status_routes
from proxy.errors import ConfigError, Rejection
from proxy.problem import problem

MOST_DECISIONS = 1000
_REASONS = {404: "admin.not_found", 405: "admin.method"}
_log = logging.getLogger(__name__)


def admin_app(running: Running, *, token: str | None = None, names: Sequence[str] = ()) -> web.Application:
    """`names` are further values of Host that are welcome, beside loopback ones."""
    api = _Api(running)
    app = new_app(_guard(Gate(token, names)))
    add_status_routes(app, running)
    app.router.add_get("/healthz", api.health)
    app.router.add_get("/api/decisions", api.decisions)
    app.router.add_get("/api/decisions/{id}", api.decision)
    app.router.add_get("/api/routes", api.routes)
    app.router.add_post("/api/reload", api.reload)
    return app


class _Api:
    def __init__(self, running: Running) -> None:
        self._running = running

    async def health(self, _: web.Request) -> web.Response:
        return reply(answer("details", self._running, for_operator=True))

    async def decisions(self, request: web.Request) -> web.Response:
        query = request.query
        found = self._running.decisions.recent(
            _limit(query.get("limit", "100")), query.get("route"), query.get("reason")
        )
        return reply(as_json(200, {"decisions": found}))

    async def decision(self, request: web.Request) -> web.Response:
        found = self._running.decisions.get(request.match_info["id"])
        if found is None:
            raise Rejection(404, "admin.decision", "No such decision among the last ones.")
        return reply(as_json(200, found))

    async def routes(self, _: web.Request) -> web.Response:
        return reply(as_json(200, {"routes": self._running.routes()}))

    async def reload(self, _: web.Request) -> web.Response:
        try:
            revision = await self._running.reload()
        except ConfigError as error:
            refusal = Rejection(422, "config.refused", "The policy files have problems; those before stay.")
            return reply(problem(refusal, more={"problems": error.problems}))
        return reply(as_json(200, {"revision": revision}))


def _guard(gate: Gate) -> Middleware:
    """Who may not come in does not; whatever goes wrong is problem+json."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            gate.admit(_caller(request))
            return await handler(request)
        except Rejection as rejection:
            return reply(problem(rejection))
        except web.HTTPException as error:
            allow = [("Allow", error.headers["Allow"])] if "Allow" in error.headers else []
            return reply(
                problem(Rejection(error.status, _REASONS.get(error.status, "admin.refused"), headers=allow))
            )
        except Exception:  # noqa: BLE001  # the last resort: logged, and answered without detail
            _log.exception("bug in the admin API")
            return reply(problem(Rejection(500, "internal.error")))

    return guard


def _caller(request: web.Request) -> Caller:
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport else None
    local = transport.get_extra_info("sockname") if transport else None
    return Caller(
        method=request.method,
        path=request.path,
        peer=peer[0] if peer else "",
        local=(local[0], local[1]) if local else ("", 0),
        hosts=request.headers.getall("Host", ()),
        authorization=request.headers.get("Authorization", ""),
        origin=request.headers.get("Origin"),
        fetch_site=request.headers.get("Sec-Fetch-Site"),
    )


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_DECISIONS):
        raise Rejection(400, "admin.parameter", f"limit is a number from 1 to {MOST_DECISIONS}.")
    return int(text)
