"""Web pages elsewhere that may call the admin API, by the origin that a browser sends for them.

A page of a listed origin may read what this machine may read, and change things with the
token. Browsers ask before (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol), and
are told nothing where the origin is not listed. Cookies are not used, so that credentials
are never allowed.
"""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web
from aiohttp_cors import CorsConfig

from proxy.admin.access import METHOD_ANNOUNCED

_OPTIONS = {
    "allow_headers": ("Authorization", "Content-Type"),
    "expose_headers": ("Retry-After", "WWW-Authenticate"),
    "max_age": 600,
}


def allow_origins(app: web.Application, origins: Iterable[str]) -> None:
    """Have browsers let pages of `origins` use every route that `app` has by now."""
    cors = CorsConfig(app, defaults=dict.fromkeys(origins, _OPTIONS))
    for route in list(app.router.routes()):
        cors.add(route)
    app.on_response_prepare.append(_vary)


async def _vary(_: web.Request, response: web.StreamResponse) -> None:
    """What is answered depends on who asks; aiohttp-cors leaves that unsaid."""
    response.headers["Vary"] = f"Origin, {METHOD_ANNOUNCED}"
