"""Requests of a test as clients would send them, with the signatures and credentials that a route wants."""

from __future__ import annotations

import json
from collections.abc import Mapping

from proxy.app.compile import KINDS
from proxy.config.configuration import Configuration, RouteConfig
from proxy.config.simulated import SimulatedAnswer, SimulatedRequest
from proxy.errors import Rejection
from proxy.headers import Headers
from proxy.policy import Unsigned
from proxy.rehearsal.messages import Answer, Fault, Request
from proxy.router import Entry, Found, Match, RoutingTable, normalize


def request_of(
    stated: SimulatedRequest, configuration: Configuration, credentials: Mapping[str, str], now: float
) -> Request:
    """What is sent at `now` (seconds since the epoch). Raises ValueError where it can't be signed."""
    headers = [(str(name), str(value)) for name, value in stated.headers.items()]
    names = {name.lower() for name, _ in headers}
    if "host" not in names:
        headers.insert(0, ("Host", "localhost"))
    body = body_of(stated)
    if stated.json is not None and "content-type" not in names:
        headers.append(("Content-Type", "application/json"))
    unsigned = Unsigned(stated.method, stated.path, headers, body, now)
    if stated.sign is not None:
        sign(unsigned, stated.sign, configuration, credentials)
    return Request(
        unsigned.method,
        unsigned.target,
        tuple(unsigned.headers),
        unsigned.body,
        stated.client_ip,
        stated.https,
    )


def sign(
    unsigned: Unsigned, route: str, configuration: Configuration, credentials: Mapping[str, str]
) -> None:
    """Add what the policies of `route` want to see, in the order in which they will ask for it.

    Raises ValueError, in words for the operator, where they want nothing or it can't be made.
    """
    stated = next((each for each in configuration.routes if each.name == route), None)
    if stated is None:
        raise ValueError(f"the route {route} is not enabled")
    unsigned.params = _params(stated, unsigned)
    signed = False
    for policy in stated.policies:
        make = KINDS[policy.kind].sign
        if make is not None:
            make(policy.config, unsigned, credentials)
            signed = True
    if not signed:
        raise ValueError(f"no policy of the route {route} asks for a signature or a credential")


def _params(route: RouteConfig, unsigned: Unsigned) -> Mapping[str, str]:
    """What stands for each `{name}` in the path of the route; nothing where it does not match."""
    raw, _, query = unsigned.target.partition("?")
    table = RoutingTable([Entry(Match(route.match.path), route)])
    try:
        found = table.find(unsigned.method, "", normalize(raw), query, Headers())
    except Rejection:
        return {}
    return found.params if isinstance(found, Found) else {}


def answers_of(stated: SimulatedAnswer | tuple[SimulatedAnswer, ...] | None) -> tuple[Answer, ...]:
    """The script of a step; 200 without a body where nothing is said."""
    if stated is None:
        return (Answer(),)
    return tuple(map(_answer, (stated,) if isinstance(stated, SimulatedAnswer) else stated))


def _answer(stated: SimulatedAnswer) -> Answer:
    headers = [(str(name), str(value)) for name, value in stated.headers.items()]
    if stated.json is not None and "content-type" not in {name.lower() for name, _ in headers}:
        headers.append(("Content-Type", "application/json"))
    return Answer(stated.status, tuple(headers), body_of(stated), stated.latency, _fault(stated))


def _fault(stated: SimulatedAnswer) -> Fault:
    faults: dict[object, Fault] = {
        ("hang", True): "hang",
        ("hang", "connect"): "hang_connect",
        ("hang", "body"): "hang_body",
        ("reset", True): "reset",
        ("reset", "body"): "reset_body",
        ("refuse", True): "refuse",
    }
    given = (faults.get((key, getattr(stated, key))) for key in ("hang", "reset", "refuse"))
    return next(filter(None, given), "")


def body_of(stated: SimulatedRequest | SimulatedAnswer) -> bytes:
    """The bytes of the body, however it is stated."""
    if stated.body is not None:
        return stated.body.encode("utf-8", "surrogateescape")
    if stated.json is not None:
        return json.dumps(stated.json, ensure_ascii=False, separators=(",", ":")).encode()
    return b"x" * (stated.body_size or 0)
