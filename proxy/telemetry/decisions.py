"""The last decisions, to be asked for by id: what was refused or failed, why, and where that is written.

Each says which policy it was, which number crossed which threshold, the smallest edit or
wait with which the request would have passed, and what became of it at each policy of its
route.

Kept are exchanges that were refused, that failed, or that a policy in shadow would have
refused. Everything is copied and cut to size: a kept exception would hold on to the whole
exchange, bodies included. The bound for each is some 20 KiB;
usual is 1 KiB.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import msgspec

from proxy.config.spelling import spelled
from proxy.errors import Change, Rejection
from proxy.exchange import Exchange, Outcome
from proxy.problem import encodable
from proxy.telemetry.access_log import path_of, reason_of
from proxy.telemetry.redaction import Redaction, masked_query
from proxy.telemetry.stages import Mark, Stage, Trace, position_of, trace_of
from proxy.telemetry.timestamp import rfc3339

_LONGEST_TEXT = 512
_MOST_FACTS = 16
_MOST_SHADOWED = 16


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest edit of the policy with which its check would have let the request pass."""

    key: str
    """Field of the policy, such as `burst` or `trip.consecutive_failures`."""
    value: int | float | str | list[str]
    """As it stands in a policy file."""
    how: str
    """`at_least`: raise it to this; `add`: one more, or several more, of the list; `set`: make it this."""
    text: str
    """In words: `burst ≥ 14`."""


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What one policy decided."""

    reason: str
    policy: str
    """Who decided: the name of the policy's state, such as `rate_limit/per_client`; or where it was
    no policy of the route, the first part of the reason."""
    mode: str
    """`enforce`; or `shadow`, where the client felt nothing of it."""
    detail: str = ""
    """What the client was told, and what it was not: `cause`."""
    cause: str = ""
    facts: dict[str, object] = {}
    """What was measured, and which threshold it crossed."""
    retry_after: float | None = None
    """Seconds after which it would have passed."""
    change: Edit | None = None
    place: str = ""
    """`file:line` of the policy that is in force."""


class Repeated(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A call of the upstream that came to nothing, and what was done about it."""

    error_class: str
    """By the words of the policy `retry`."""
    cause: str
    """The status, or the reason of the failure."""
    wait: float | None = None
    """Seconds until the next call; absent where there was none."""
    outcome: str
    """What became of the next call, or why there was none."""


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
    upstream: str = ""
    """What was called, where a policy chose another upstream than the route's."""
    revision: str = ""
    """Of the policy files that were live for it."""
    attempts: int = 0
    """How often the upstream was called."""
    retries: list[Repeated] = []
    """Why it was called again, or was not, in order."""
    shadow: list[Verdict] = []
    chain: list[Stage] = []
    """What became of it at each policy of the route; left out where several decisions are listed."""

    def is_about(self, route: str | None, reason: str | None) -> bool:
        """`reason` may be a whole one, or the kind or the name of a policy; None fits everything."""
        if route is not None and route != self.route:
            return False
        return reason is None or any(
            reason in (each.reason, each.policy, _kind(each.reason)) for each in (self, *self.shadow)
        )


class Decisions:
    """The last `size` decisions. For one thread."""

    def __init__(self, size: int = 1000) -> None:
        self._size = size
        self.redaction: Redaction | None = None
        """What is not to be seen, beside what looks secret."""
        self._kept: OrderedDict[str, tuple[Decision, Trace]] = OrderedDict()

    def add(self, exchange: Exchange, outcome: Outcome, at: float) -> None:
        """Remember an exchange that ended at `at` (seconds since the epoch); it has a verdict."""
        request, hidden = exchange.request, self.redaction
        tell = _of if hidden is None else partial(_hidden, hidden, exchange)
        shadow = [tell(each, "shadow") for each in (exchange.shadowed or ())[:_MOST_SHADOWED]]
        reason = reason_of(exchange.refusal, outcome)
        if exchange.refusal is not None:
            verdict = tell(exchange.refusal, "enforce")
        elif reason:
            verdict = {"reason": reason, "policy": _kind(reason), "mode": "enforce"}
        else:
            verdict = shadow[0]
        path, query = path_of(request), request.query[:_LONGEST_TEXT]
        if hidden is not None:
            path = hidden.path(path, exchange.route.template)
        decision = Decision(
            id=exchange.decision_id,
            time=rfc3339(at),
            request_id=_cut(exchange.request_id),
            route=exchange.route.name,
            method=_cut(request.method),
            path=_cut(path),
            query=_cut(masked_query(query) if hidden is None else hidden.query(query)),
            client_ip=exchange.client_ip if hidden is None else hidden.client_ip(exchange),
            identity=_identity(exchange, hidden),
            status=outcome.status,
            complete=outcome.complete,
            upstream=exchange.upstream or "",
            revision=exchange.route.revision,
            attempts=exchange.attempts,
            retries=_retries(exchange),
            shadow=[Verdict(**each) for each in shadow],
            **verdict,
        )
        trace = trace_of(exchange, _MOST_SHADOWED)
        if hidden is not None:
            trace = _without_what_is_hidden(trace, hidden, exchange)
        self._kept.pop(decision.id, None)
        self._kept[decision.id] = decision, trace
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def get(self, decision_id: str) -> Decision | None:
        """The decision with this id; None where it is unknown, or too long ago."""
        found = self._kept.get(decision_id)
        return None if found is None else msgspec.structs.replace(_told(*found), chain=found[1].stages())

    def recent(self, limit: int = 100, route: str | None = None, reason: str | None = None) -> list[Decision]:
        """The last ones, newest first; of `route`, and with `reason` (or a policy's name) if given."""
        newest_first = (_told(*kept) for kept in reversed(self._kept.values()))
        return list(islice((each for each in newest_first if each.is_about(route, reason)), limit))


def _retries(exchange: Exchange) -> list[Repeated]:
    return [
        Repeated(error_class=each.error_class, cause=_cut(each.cause), wait=each.wait, outcome=each.outcome)
        for each in exchange.retries or ()
    ]


def _of(rejection: Rejection, mode: str) -> dict[str, Any]:
    """What can't wait until somebody asks: a rejection is not kept."""
    return {
        "reason": rejection.reason,
        "policy": _kind(rejection.reason),
        "mode": mode,
        "detail": _cut(rejection.detail),
        "cause": _cut(rejection.cause),
        "facts": dict(_facts(rejection.facts)),
        "retry_after": rejection.retry_after,
    }


def _hidden(hidden: Redaction, exchange: Exchange, rejection: Rejection, mode: str) -> dict[str, Any]:
    """The same, less what is named: before anything is cut, which would leave the beginning of it."""
    facts = {
        name: value if value is None or isinstance(value, int | float) else str(value)
        for name, value in islice(rejection.facts.items(), _MOST_FACTS)
    }
    told = {"detail": rejection.detail, "cause": rejection.cause, "facts": facts}
    shown = hidden.told(told, exchange)
    return {
        **_of(rejection, mode),
        "detail": _cut(shown["detail"]),
        "cause": _cut(shown["cause"]),
        "facts": dict(_facts(shown["facts"])),
    }


def _told(decision: Decision, trace: Trace) -> Decision:
    """With whose verdicts they are and what would have changed them: a refusal should cost little."""
    shadow = [
        msgspec.structs.replace(verdict, **_owner(mark, trace))
        for verdict, mark in zip(decision.shadow, trace.shadowed, strict=True)
    ]
    mark = trace.refusal
    if mark is None and decision.mode == "shadow":
        mark = trace.shadowed[0]
    return msgspec.structs.replace(decision, shadow=shadow, **({} if mark is None else _owner(mark, trace)))


def _owner(mark: Mark, trace: Trace) -> dict[str, Any]:
    told: dict[str, Any] = {} if mark.change is None else {"change": _edit(mark.change)}
    position = position_of(mark, trace.chain)
    if position is not None:
        told |= {"policy": trace.chain[position].name, "place": trace.chain[position].place}
    return told


def _without_what_is_hidden(trace: Trace, hidden: Redaction, exchange: Exchange) -> Trace:
    def shown(mark: Mark) -> Mark:
        change = mark.change
        if change is None or hidden.may_show(change.value, exchange):
            return mark
        return mark._replace(change=None)

    return trace._replace(
        refusal=None if trace.refusal is None else shown(trace.refusal),
        shadowed=tuple(map(shown, trace.shadowed)),
    )


def _identity(exchange: Exchange, hidden: Redaction | None) -> str:
    if exchange.identity is None:
        return ""
    return _cut(exchange.identity.id if hidden is None else hidden.identity(exchange))


def _kind(reason: str) -> str:
    return reason.partition(".")[0]


def _edit(change: Change) -> Edit:
    value = told = spelled(change.value)
    if isinstance(value, list):
        value = [_cut(str(item)) for item in value[:_MOST_FACTS]]
        told = ", ".join(value)
    elif isinstance(value, str):
        value = told = _cut(value)
    return Edit(key=change.key, value=value, how=change.how, text=str(replace(change, value=told)))


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
