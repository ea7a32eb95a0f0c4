"""The admin port: what the status port has, health in detail, decisions, shadow, routes, and reload."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from proxy.admin import bodies
from proxy.admin.access import METHOD_ANNOUNCED, Caller, Gate
from proxy.admin.answers import answer, as_json, last_reload
from proxy.admin.audit import Audit
from proxy.admin.endpoints import (
    ENDPOINTS,
    MOST_DECISIONS,
    DecisionsQuery,
    Endpoint,
    ShadowQuery,
    read_body,
    read_query,
)
from proxy.admin.openapi import document
from proxy.admin.origins import allow_origins
from proxy.admin.running import Running
from proxy.admin.site import new_app, reply
from proxy.admin.status import PATHS, add_status_routes
from proxy.errors import ConfigError, Rejection
from proxy.exchange import Response
from proxy.problem import problem
from proxy.state import Switched
from proxy.telemetry.shadow_report import ShadowedPolicy
from proxy.telemetry.timestamp import rfc3339

_Handle = Callable[[Any, Mapping[str, str]], Awaitable[Response]]
_REASONS = {403: "admin.origin", 404: "admin.not_found", 405: "admin.method"}
_NOT_KEPT = (
    f"Not kept: that exchange passed, or is older than the last {MOST_DECISIONS} that did not, "
    "or was another process's."
)
_log = logging.getLogger(__name__)


def admin_app(
    running: Running,
    *,
    token: str | None = None,
    names: Sequence[str] = (),
    origins: Sequence[str] = (),
) -> web.Application:
    """`names` are further values of Host that are welcome, beside loopback ones.

    Web pages of `origins` may call, as `proxy.admin.access.parse_origin` writes them.
    """
    app = new_app(_guard(Gate(token, names, origins), running))
    add_status_routes(app, running)
    api = _Api(running)
    for endpoint in ENDPOINTS:
        if endpoint.path not in PATHS:
            add = app.router.add_get if endpoint.method == "GET" else app.router.add_post
            add(endpoint.path, _handler(endpoint, getattr(api, endpoint.name)))
    if origins:
        allow_origins(app, origins)
    return app


class _Api:
    """A method for each endpoint, with its name: from the query, or the body, and the path to a response."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._document = as_json(200, document())

    async def health(self, _: object, __: Mapping[str, str]) -> Response:
        return answer("details", self._running, for_operator=True)

    async def revision(self, _: object, __: Mapping[str, str]) -> Response:
        details = self._running.details()
        return as_json(
            200,
            bodies.Revision(
                revision=details.revision,
                live_since=rfc3339(details.live_since),
                last_reload=last_reload(details),
                last_change=details.last_change,
                watching=details.watching,
            ),
        )

    async def routes(self, _: object, __: Mapping[str, str]) -> Response:
        return as_json(200, bodies.Routes(self._running.routes()))

    async def decisions(self, query: DecisionsQuery, _: Mapping[str, str]) -> Response:
        found = self._running.decisions.recent(query.limit, query.route or None, query.reason or None)
        return as_json(200, bodies.Decisions(found))

    async def decision(self, _: object, in_path: Mapping[str, str]) -> Response:
        found = self._running.decisions.get(in_path["id"])
        if found is None:
            raise Rejection(404, "admin.decision", _NOT_KEPT)
        return as_json(200, found)

    async def shadow(self, query: ShadowQuery, _: Mapping[str, str]) -> Response:
        found = self._running.shadow_report.summary(query.route or None, query.policy or None)
        told = [_with_examples(each, query.examples) for each in found[: query.limit]]
        return as_json(200, bodies.Shadow(len(found), told))

    async def breakers(self, _: object, __: Mapping[str, str]) -> Response:
        seen = self._running.breakers_seen()
        return as_json(200, bodies.Breakers([_breaker(name, each) for name, each in seen.items()]))

    async def force_breaker(self, wanted: bodies.BreakerSetting, in_path: Mapping[str, str]) -> Response:
        name = in_path["name"]
        seen = self._running.force_breaker(name, None if wanted.state == "automatic" else wanted.state)
        if seen is None:
            raise Rejection(404, "admin.breaker", "No such circuit breaker.")
        return as_json(200, _breaker(name, seen))

    async def reload(self, _: object, __: Mapping[str, str]) -> Response:
        try:
            revision = await self._running.reload()
        except ConfigError as error:
            raise _FilesRefused(error) from None
        return as_json(200, bodies.Reloaded(revision))

    async def openapi(self, _: object, __: Mapping[str, str]) -> Response:
        return self._document


class _FilesRefused(Rejection):
    """Carries what is wrong with the files."""

    def __init__(self, error: ConfigError) -> None:
        super().__init__(422, "config.refused", "The policy files have problems; those before stay.")
        self.problems = error.problems


def _breaker(name: str, seen: Switched) -> bodies.Breaker:
    return bodies.Breaker(
        name=name, state=seen.state, since=rfc3339(seen.since), forced=seen.forced, numbers=seen.numbers
    )


def _with_examples(policy: ShadowedPolicy, most: int) -> ShadowedPolicy:
    replace = msgspec.structs.replace
    findings = [replace(finding, examples=finding.examples[:most]) for finding in policy.findings]
    return replace(policy, findings=findings)


def _handler(endpoint: Endpoint, handle: _Handle) -> Handler:
    checks_query = 400 in endpoint.answers  # probes may send what they like

    async def handler(request: web.Request) -> web.Response:
        asked = read_query(endpoint.query, list(request.query.items())) if checks_query else None
        if endpoint.takes is not None:
            asked = read_body(endpoint.takes, await request.read())
        return reply(await handle(asked, request.match_info))

    return handler


def _guard(gate: Gate, running: Running) -> Middleware:
    """Who may not come in does not; whatever goes wrong is problem+json; changes are told."""
    audit = Audit(lambda: asyncio.get_running_loop().time(), has_token=gate.has_token, log=running.audit)

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        caller = _caller(request)
        reason = ""
        try:
            gate.admit(caller)
            if caller.changes:
                audit.check()
            response = await handler(request)
        except Rejection as rejection:
            more = {"problems": rejection.problems} if isinstance(rejection, _FilesRefused) else {}
            reason, response = rejection.reason, reply(problem(rejection, more=more))
        except web.HTTPException as error:
            reason = _REASONS.get(error.status, "admin.refused")
            allow = [("Allow", error.headers["Allow"])] if "Allow" in error.headers else []
            response = reply(problem(Rejection(error.status, reason, headers=allow)))
        except Exception:  # noqa: BLE001  # the last resort: logged, and answered without detail
            _log.exception("bug in the admin API")
            reason, response = "internal.error", reply(problem(Rejection(500, "internal.error")))
        if caller.changes:
            audit.tell(caller, response.status, reason)
        return response

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
        announced=request.headers.get(METHOD_ANNOUNCED),
    )
