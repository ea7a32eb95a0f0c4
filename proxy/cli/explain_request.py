"""A request that is explained before it is sent: rehearsed with the production proxy, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec

from proxy.app.compile import chain_of, match_of
from proxy.config.configuration import Configuration, RouteConfig
from proxy.config.instances import in_force
from proxy.errors import Rejection
from proxy.headers import Headers
from proxy.policy import Unsigned
from proxy.rehearsal import Answer, Rehearsal, Rehearsed, Request, rehearse
from proxy.rehearsal.signing import sign
from proxy.router import Entry, Found, Missing, normalize
from proxy.router.rules import About
from proxy.router.why import Finding, why
from proxy.telemetry.redaction import masked_path, masked_query
from proxy.telemetry.stages import Fate, Stage, Trace
from proxy.wire.serving import Serving
from proxy.wire.target import host_of

MOST_OTHERS = 20
"""Routes of which it is told why they were not taken."""


class CannotSign(Exception):
    """There is nothing to sign, or nothing to sign with; says so in words for the operator."""


@dataclass(frozen=True, slots=True)
class Routing:
    """Which route, and why not another."""

    route: RouteConfig | None
    params: Mapping[str, str]
    findings: Sequence[Finding[RouteConfig]]
    refusal: Rejection | None = None
    answered_here: bool = False


def explain(
    configuration: Configuration, request: Request, answer: Answer, *, at: float, signed: bool = False
) -> dict[str, Any]:
    """What becomes of `request` at `at` (seconds since the epoch), the upstream answering as it is said.

    `signed`: with the signature and the credentials that its route wants, from
    `test_secrets`. Raises ConfigError where the configuration can't be built, CannotSign, and
    Stuck where no answer can ever come.
    """
    credentials = configuration.test_secrets.credentials
    with Rehearsal(configuration, at=at, credentials=credentials) as rehearsal:
        routing = routed(rehearsal.proxy.server.serving, configuration, request)
        if signed:
            request = _signed(request, routing, configuration, at)
        rehearsal.script((answer,))
        done = rehearsal.send(request)
    routing = _as_it_went(routing, done)
    route, tried = routing.route, _Tried(request, answer, at, credentials)
    return {
        "request": {
            "method": request.method,
            "target": _shown(request.target),
            "host": _field(request, "host"),
            "client_ip": request.client_ip,
            "https": request.https,
        },
        "routing": _routing(routing),
        "chain": [] if route is None else _chain(route, _fates(configuration, route, tried, done)),
        "upstream": _upstream(request, done),
        "answer": {
            "status": done.status,
            "reason": done.reason,
            "complete": done.complete,
            "headers": [list(field) for field in done.headers],
        },
        "decision": None if done.decision is None else msgspec.to_builtins(done.decision),
    }


def routed(serving: Serving, configuration: Configuration, request: Request) -> Routing:
    """As the wire routes `request`: the table decides, and each route says why it was not taken."""
    raw, _, query = request.target.partition("?")
    host = host_of(_field(request, "host"))
    if host is None:
        refusal = Rejection(400, "request.host", "The Host field is malformed.")
        return Routing(None, {}, (), refusal)
    try:
        path = normalize(raw)
    except Rejection as refusal:
        return Routing(None, {}, (), refusal)
    if path in serving.local and request.method in ("GET", "HEAD"):
        return Routing(None, {}, (), answered_here=True)
    headers = _headers(serving, request)
    announced = None
    if request.method == "OPTIONS" and headers.get("Origin") is not None:
        announced = headers.get("Access-Control-Request-Method")
    about = About(announced or request.method, host, query, None if announced else headers)
    findings = why([Entry(match_of(route), route) for route in configuration.routes], path, about)
    try:
        found = serving.table.find(request.method, host, path, query, headers, announced)
    except Rejection as refusal:
        return Routing(None, {}, findings, refusal)
    return _taken(found, configuration, findings)


def _as_it_went(routing: Routing, done: Rehearsed) -> Routing:
    """Before any route was looked for, the wire may have refused the request for its head or its framing."""
    decision = done.decision
    if decision is None or routing.route is None or decision.route == routing.route.name:
        return routing
    return Routing(
        None, {}, (), Rejection(decision.status, decision.reason, decision.detail, cause=decision.cause)
    )


def _taken(
    found: Found[Any] | Missing, configuration: Configuration, findings: Sequence[Finding[RouteConfig]]
) -> Routing:
    if isinstance(found, Missing):
        return Routing(None, {}, findings)
    name = found.target.facts.name
    route = next(route for route in configuration.routes if route.name == name)
    return Routing(route, found.params, findings)


def _headers(serving: Serving, request: Request) -> Headers:
    trusted = serving.peers.trusts(request.client_ip)
    dropped = serving.dropped_trusted if trusted else serving.dropped_untrusted
    fields = [(name.encode("latin-1"), value.encode("utf-8")) for name, value in request.headers]
    headers = Headers(fields)
    headers.drop(dropped)
    return headers


def _field(request: Request, name: str) -> str:
    return next((value for key, value in request.headers if key.lower() == name), "")


def _signed(request: Request, routing: Routing, configuration: Configuration, at: float) -> Request:
    if routing.route is None:
        raise CannotSign("no route matches, so nobody says what is to be signed")
    unsigned = Unsigned(request.method, request.target, list(request.headers), request.body, at)
    try:
        sign(unsigned, routing.route.name, configuration, configuration.test_secrets.credentials)
    except ValueError as error:
        raise CannotSign(str(error)) from None
    return replace(request, target=unsigned.target, headers=tuple(unsigned.headers), body=unsigned.body)


def _fates(configuration: Configuration, route: RouteConfig, tried: _Tried, done: Rehearsed) -> list[Fate]:
    """What became of the request at each policy of its route."""
    decision = done.decision
    stages = _passed(route) if decision is None else decision.chain
    fates = [stage.outcome for stage in stages]
    if done.reason or done.calls or not done.status:
        return fates
    # Nobody refused, and the upstream was not called: with ever more of the policies, who was it?
    for count in range(1, len(route.stated) + 1):
        some = route.stated[:count]
        shorter = replace(configuration, routes=(replace(route, policies=in_force(some), stated=some),))
        if not tried.again(shorter).calls:
            return [_once_answered(fate, index - count + 1) for index, fate in enumerate(fates)]
    return fates


def _once_answered(fate: Fate, behind: int) -> Fate:
    """Of a policy that stands so many places behind the one that answered."""
    if fate not in ("passed", "unknown"):
        return fate
    return "passed" if behind < 0 else "answered" if behind == 0 else "not reached"


class _Tried(NamedTuple):
    """A request and its circumstances, to be tried again with other policies."""

    request: Request
    answer: Answer
    at: float
    credentials: Mapping[str, str]

    def again(self, configuration: Configuration) -> Rehearsed:
        return rehearse(
            configuration, self.request, upstream=(self.answer,), at=self.at, credentials=self.credentials
        )


def _passed(route: RouteConfig) -> list[Stage]:
    return Trace(chain_of(route), None, (), called=True, late=False).stages()


def _chain(route: RouteConfig, fates: Sequence[Fate]) -> list[dict[str, Any]]:
    return [
        {
            "kind": policy.kind,
            "name": policy.state_name,
            "mode": str(policy.mode),
            "place": policy.place,
            "in_words": list(policy.config.in_words()),
            "outcome": fate,
        }
        for policy, fate in zip(route.stated, fates, strict=True)
    ]


def _routing(routing: Routing) -> dict[str, Any]:
    near = [each for each in routing.findings if each.same_path and each.target is not routing.route]
    refusal = routing.refusal
    return {
        "route": None if routing.route is None else routing.route.name,
        "place": "" if routing.route is None else routing.route.place,
        "params": dict(routing.params),
        "answered_here": routing.answered_here,
        "refusal": None
        if refusal is None
        else {name: getattr(refusal, name) for name in ("status", "reason", "detail", "cause")},
        "others": [_other(each) for each in near[:MOST_OTHERS]],
        "matching_left_out": max(0, len(near) - MOST_OTHERS),
        "others_left_out": sum(not each.same_path for each in routing.findings),
    }


def _other(finding: Finding[RouteConfig]) -> dict[str, Any]:
    taken = finding.less_specific_than
    return {
        "route": finding.target.name,
        "place": finding.target.place,
        "misses": [
            {
                "condition": miss.condition,
                "name": miss.name,
                "expected": list(miss.expected),
                "found": list(miss.found),
            }
            for miss in finding.misses
        ],
        "less_specific_than": None if taken is None else taken.name,
    }


def _shown(target: str) -> str:
    path, mark, query = target.partition("?")
    return masked_path(path) + mark + masked_query(query)


def _upstream(request: Request, done: Rehearsed) -> dict[str, Any]:
    """What of the first call is not as the client sent it."""
    if not done.calls:
        return {"calls": 0}
    first = done.calls[0]
    sent = {(name.lower(), value) for name, value in request.headers}
    return {
        "calls": len(done.calls),
        "name": first.upstream,
        "method": first.method,
        "target": _shown(first.target),
        "added": [[name, value] for name, value in first.headers if (name.lower(), value) not in sent],
    }
