"""What health and metrics answer, whichever port asks.

On the data port anybody may ask, so that details are few there: no version, no problem of
a policy file, no upstream.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET

from proxy.admin import bodies
from proxy.admin.running import Details, Running
from proxy.exchange import Response
from proxy.headers import Headers
from proxy.telemetry.timestamp import rfc3339

Kind = Literal["details", "readiness", "liveness", "metrics"]


def answer(kind: Kind, running: Running, *, accept: str = "", for_operator: bool = False) -> Response:
    """The response to a GET. 503 says: not ready, or not live."""
    if kind == "details":
        return _details(running, for_operator=for_operator)
    if kind == "metrics":
        content, content_type = running.metrics(accept)
        return _response(200, content_type, content)
    if kind == "liveness":
        live = running.live()
        return _text(live, "live" if live else "not live")
    ready, why = running.ready()
    return _text(ready, "ready" if ready else f"not ready: {why}")


def as_json(status: int, value: object) -> Response:
    """A response that holds `value`."""
    return _response(status, "application/json", msgspec.json.encode(value, enc_hook=_plain))


def _plain(value: object) -> object:
    """Numbers that know their unit, such as `Size`, are numbers; whatever else comes is told as text."""
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else str(value)


def last_reload(details: Details) -> bodies.Reload:
    """For operators: a problem names files."""
    reload = details.last_reload
    return bodies.Reload(ok=reload.ok, at=rfc3339(reload.at), problems=reload.problems)


def _details(running: Running, *, for_operator: bool) -> Response:
    ready, why = running.ready()
    details = running.details()
    health = bodies.PublicHealth(
        status="ready" if ready else "not ready",
        reason=UNSET if ready else why,
        uptime_seconds=round(details.uptime, 3),
        checks={name: check["state"] for name, check in details.checks.items()} or UNSET,
    )
    if for_operator:
        health = bodies.Health(
            **{**msgspec.structs.asdict(health), "checks": details.checks or UNSET},
            version=details.version,
            revision=details.revision,
            live_since=rfc3339(details.live_since),
            last_reload=last_reload(details),
            draining=details.draining,
            in_flight=details.in_flight,
            access_log_error=details.access_log_error,
            audit_log_error=details.audit_log_error,
            upstreams=details.upstreams,
            store=details.store,
        )
    return as_json(200 if ready else 503, health)


def _text(good: bool, text: str) -> Response:
    return _response(200 if good else 503, "text/plain; charset=utf-8", f"{text}\n".encode())


def _response(status: int, content_type: str, content: bytes) -> Response:
    fields = [(b"Content-Type", content_type.encode("latin-1")), (b"Cache-Control", b"no-store")]
    return Response(status, Headers(fields), content)
