"""What both side ports have in common: how they start, and how they answer."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware

from proxy.exchange import Response

_log = logging.getLogger(__name__)


class _OursOnly(logging.Filter):
    """aiohttp logs a traceback for each malformed request: a flood for whoever asks for one."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


_log.addFilter(_OursOnly())


def new_app(*middlewares: Middleware) -> web.Application:
    """An application that does not tell what it is made of."""
    app = web.Application(middlewares=middlewares)
    app.on_response_prepare.append(_harden)
    return app


def reply(response: Response) -> web.Response:
    """`response`, whose content is bytes, for aiohttp."""
    assert isinstance(response.content, bytes)  # noqa: S101  # nothing on a side port streams
    reply = web.Response(status=response.status, body=response.content)
    for name, value in response.headers:
        reply.headers.add(name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
    return reply


async def serve(app: web.Application, host: str, port: int) -> web.AppRunner:
    """Serve `app` until the runner's `cleanup`; `runner.addresses` has the port that 0 became.

    Raises OSError where the address cannot be had.
    """
    runner = web.AppRunner(app, access_log=None, logger=_log, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)
    response.headers["X-Content-Type-Options"] = "nosniff"
