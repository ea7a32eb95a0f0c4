"""The status port: liveness, readiness and metrics for who comes from outside the pod; nothing else."""

from __future__ import annotations

from aiohttp import web

from proxy.admin.answers import Kind, answer
from proxy.admin.running import Running
from proxy.admin.site import new_app, reply

PATHS: dict[str, Kind] = {"/livez": "liveness", "/readyz": "readiness", "/metrics": "metrics"}


def status_app(running: Running) -> web.Application:
    """GET and HEAD; anything else is 404 or 405, in plain text."""
    app = new_app()
    add_status_routes(app, running)
    return app


def add_status_routes(app: web.Application, running: Running) -> None:
    """Have `app` answer the paths of the status port too."""

    async def handle(request: web.Request) -> web.Response:
        return reply(answer(PATHS[request.path], running, accept=request.headers.get("Accept", "")))

    for path in PATHS:
        app.router.add_get(path, handle)
