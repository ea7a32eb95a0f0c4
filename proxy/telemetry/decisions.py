"""The last decisions, to be asked for by id: what was refused or failed, why, and where that is written.

Kept are exchanges that were refused, that failed, or that a policy in shadow would have
refused. Everything is copied and cut to size: a kept exception would hold on to the whole
exchange, bodies included. The bound for each is some 20 KiB;
usual is 1 KiB.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from proxy.errors import Rejection
from proxy.exchange import Exchange, Outcome
from proxy.problem import encodable
from proxy.telemetry.access_log import path_of, reason_of
from proxy.telemetry.redaction import masked_query
from proxy.telemetry.timestamp import rfc3339

_LONGEST_TEXT = 512
_MOST_FACTS = 16
_MOST_SHADOWED = 16


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What one policy decided."""

    reason: str
    policy: str
    """Who decided: the first part of the reason."""
    mode: str
    """`enforce`; or `shadow`, where the client felt nothing of it."""
    detail: str = ""
    """What the client was told, and what it was not: `cause`."""
    cause: str = ""
    facts: dict[str, object] = {}
    """What was measured, and which threshold it crossed."""
    retry_after: float | None = None
    """Seconds after which it would have passed."""
    place: str = ""
    """`file:line` of the policy that is in force."""


class Decision(Verdict, frozen=True, omit_defaults=True, kw_only=True):
    """What was decided for one exchange: the verdict that the client felt, or else the first in shadow."""

    id: str
    time: str
    request_id: str
    route: str
    method: str
    path: str
    query: str = ""
    client_ip: str
    identity: str = ""
    status: int
    """What the client got."""
    complete: bool = True
    shadow: list[Verdict] = []

    def is_about(self, route: str | None, reason: str | None) -> bool:
        """`reason` may be a whole one or a policy's name; None fits everything."""
        if route is not None and route != self.route:
            return False
        return reason is None or any(reason in (each.reason, each.policy) for each in (self, *self.shadow))


class Decisions:
    """The last `size` decisions. For one thread."""

    def __init__(self, size: int = 1000) -> None:
        self._size = size
        self._kept: OrderedDict[str, Decision] = OrderedDict()

    def add(self, exchange: Exchange, outcome: Outcome, at: float) -> None:
        """Remember an exchange that ended at `at` (seconds since the epoch); it has a verdict."""
        request = exchange.request
        places = exchange.route.places
        shadow = [_of(each, "shadow", places) for each in (exchange.shadowed or ())[:_MOST_SHADOWED]]
        reason = reason_of(exchange.refusal, outcome)
        if exchange.refusal is not None:
            verdict = _of(exchange.refusal, "enforce", places)
        elif reason:
            verdict = {"reason": reason, "policy": _policy(reason), "mode": "enforce"}
        else:
            verdict = shadow[0]
        decision = Decision(
            id=exchange.decision_id,
            time=rfc3339(at),
            request_id=_cut(exchange.request_id),
            route=exchange.route.name,
            method=_cut(request.method),
            path=_cut(path_of(request)),
            query=_cut(masked_query(request.query[:_LONGEST_TEXT])),
            client_ip=exchange.client_ip,
            identity="" if exchange.identity is None else _cut(exchange.identity.id),
            status=outcome.status,
            complete=outcome.complete,
            shadow=[Verdict(**each) for each in shadow],
            **verdict,
        )
        self._kept.pop(decision.id, None)
        self._kept[decision.id] = decision
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def get(self, decision_id: str) -> Decision | None:
        """The decision with this id; None where it is unknown, or too long ago."""
        return self._kept.get(decision_id)

    def recent(self, limit: int = 100, route: str | None = None, reason: str | None = None) -> list[Decision]:
        """The last ones, newest first; of `route`, and with `reason` (or a policy's name) if given."""
        newest_first = reversed(self._kept.values())
        return list(islice((each for each in newest_first if each.is_about(route, reason)), limit))


def _of(rejection: Rejection, mode: str, places: Mapping[str, str]) -> dict[str, Any]:
    policy = _policy(rejection.reason)
    return {
        "reason": rejection.reason,
        "policy": policy,
        "mode": mode,
        "detail": _cut(rejection.detail),
        "cause": _cut(rejection.cause),
        "facts": dict(_facts(rejection.facts)),
        "retry_after": rejection.retry_after,
        "place": places.get(policy, ""),
    }


def _policy(reason: str) -> str:
    return reason.partition(".")[0]


def _facts(facts: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in islice(facts.items(), _MOST_FACTS):
        yield _cut(name), _fact(value)


def _fact(value: object) -> object:
    """Numbers that know their unit, such as `Size`, become plain ones, and all else text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else _cut(str(value))


def _cut(text: str) -> str:
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}..."
    return text if text.isascii() else encodable(text)
