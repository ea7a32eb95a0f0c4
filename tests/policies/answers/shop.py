"""A shop whose upstream must not be called twice for one thing, and requests for it."""

from __future__ import annotations

from typing import Any

from proxy.config.keys import Key
from proxy.exchange import Exchange, Response
from proxy.headers import Headers
from proxy.policies.answers.idempotency import Idempotency, IdempotencyConfig
from proxy.policies.answers.idempotency.respond import RespondConfig
from proxy.policy import Services
from proxy.testing import Chunks, FakeClock, FakeUpstream, exchange, fake_services, route

BY_HEADER = (Key("header:Idempotency-Key"),)
BY_BODY = (Key("route.name"), Key("body:/external_source"), Key("body:/external_id"))
TICKET = b'{"external_source": "freshdesk", "external_id": 7, "subject": "A"}'
ALREADY = RespondConfig(
    json={
        "status": "already_exists",
        "ticket_id": "{{ stored.body.ticket.id }}",
        "message": "Ticket {{ stored.body.ticket.id }} already processed (idempotent)",
    }
)
CREATED = Response(
    201,
    Headers([(b"Content-Type", b"application/json"), (b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2")]),
    b'{"ticket": {"id": 42}}',
    "Made",
)
IN_FLIGHT = (409, "idempotency.in_flight")


def a_config(key: tuple[Key, ...] = BY_HEADER, **settings: Any) -> IdempotencyConfig:
    return IdempotencyConfig(key=key, **settings)


def asked(
    key: str | None = "k1",
    method: str = "POST",
    path: str = "/pay",
    body: bytes | Chunks = b"10",
    **more: Any,
) -> Exchange:
    headers: dict[str, str] = {} if key is None else {"Idempotency-Key": key}
    return exchange(method, path, body=body, headers=headers | more.pop("headers", {}), **more)


def ticket(body: bytes = TICKET) -> Exchange:
    return exchange("POST", "/tickets", body=body)


class Shop:
    """A route with the policy, in front of an upstream that plays a script."""

    def __init__(self, *script: Any, services: Services | None = None, **settings: Any) -> None:
        self.clock = FakeClock()
        self.services = services or fake_services(self.clock, name="idempotency/shop")
        self.upstream = FakeUpstream(*(script or (CREATED,)))
        key = settings.pop("key", BY_HEADER)
        self.policy = Idempotency(a_config(key, **settings), self.services)
        self.pipeline = route(self.policy, upstream=self.upstream)

    async def ask(self, request: Exchange | None = None) -> Response:
        return await self.pipeline.respond(request or asked())

    @property
    def calls(self) -> int:
        return len(self.upstream.seen)


def is_replayed(response: Response) -> bool:
    return response.headers.get("Idempotent-Replayed") == "true"
