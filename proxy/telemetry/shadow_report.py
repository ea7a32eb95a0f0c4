"""What policies in shadow would have done so far, summed up, so that one can decide to enforce them.

For each policy in shadow on each route: how many of the route's requests it would have
refused and for which reason, how many callers that would have been, and a few of them. The
count begins when the policy went live as it is now; an edit of it, of its mode or of the
route's match begins it anew, and any other reload leaves it alone. A policy that would have
refused nothing is listed too: that is what one waits for before enforcing it.

Kept are `MOST_FINDINGS` pairs of policy and reason, each with `MOST_CALLERS` callers and
`MOST_EXAMPLES` examples: 15 MiB at most, and usually some KiB. What comes beyond is counted.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from proxy.config.configuration import Configuration, PolicyInstance, RouteConfig
from proxy.config.model import MatchConfig
from proxy.telemetry.decisions import Decision, Verdict
from proxy.telemetry.metrics import METHODS
from proxy.telemetry.timestamp import rfc3339

MOST_FINDINGS = 1000
MOST_CALLERS = 100
MOST_EXAMPLES = 5

Effect = Literal["would have refused", "would have answered", "skipped"]
_EFFECTS: Mapping[str, Effect] = {"answered": "would have answered", "skipped": "skipped"}

Exchanges = Mapping[str, Mapping[str, int]]
"""Endpoint -> method -> how many exchanges are over."""


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A request that the policy would not have let pass; the last one of its caller."""

    decision_id: Annotated[str, Meta(description="For /api/decisions/{id}, while that is kept.")]
    time: str
    method: str
    path: str
    client_ip: str
    identity: Annotated[str, Meta(description="Who the caller was proved to be; empty where nobody asked.")]
    status: Annotated[int, Meta(description="What the client got, since nothing was enforced.")]
    detail: str
    facts: Annotated[
        dict[str, object], Meta(description="What was measured, and which threshold it crossed.")
    ]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy in shadow would have done for one reason."""

    reason: str
    effect: Annotated[
        Effect,
        Meta(description="`skipped`: it would have needed a body that nobody had read; decides nothing."),
    ]
    count: Annotated[int, Meta(description="Requests.")]
    share: Annotated[
        float | None, Meta(description="Of `requests`, 0 to 1; null where that count cannot tell.")
    ]
    callers: Annotated[
        int, Meta(description="Different ones, by identity where one was proved, else by address.")
    ]
    more_callers: Annotated[bool, Meta(description="There were more than `callers`; counting ended there.")]
    first: str
    last: str
    examples: Annotated[list[Example], Meta(description="Of different callers, the latest first.")]


class ShadowedPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """One policy in shadow, or in shadow for a share of the callers, on one route."""

    route: Annotated[str, Meta(description="Its name.")]
    policy: Annotated[str, Meta(description="Name of its state, such as `rate_limit/per_client`.")]
    kind: str
    mode: Annotated[str, Meta(description="`shadow`, or the share that is enforced: `10%`.")]
    place: Annotated[str, Meta(description="`file:line` of what is in force.")]
    since: Annotated[str, Meta(description="When it went live as it is now.")]
    requests: Annotated[int, Meta(description="Of the route since then, those that were refused included.")]
    counted_with: Annotated[
        list[str],
        Meta(description="Routes with the same path and methods, whose requests are in `requests`."),
    ]
    would_have_refused: Annotated[int, Meta(description="Findings with that effect, added up.")]
    unlisted: Annotated[int, Meta(description="Reports for which there was no place among the findings.")]
    findings: Annotated[list[Finding], Meta(description="The most frequent first.")]


class ShadowReport:
    """Counts on one thread. `exchanges` is asked when a policy goes live, and for a summary."""

    def __init__(self, exchanges: Callable[[], Exchanges]) -> None:
        self._exchanges = exchanges
        self._by_path: defaultdict[str, dict[str, MatchConfig]] = defaultdict(dict)
        self._followed: dict[tuple[str, str], _Followed] = {}
        self._findings = 0

    def follow(self, configuration: Configuration, at: float) -> None:
        """`configuration` is live from `at` (seconds since the epoch) on."""
        before, self._followed = self._followed, {}
        self._by_path = defaultdict(dict)
        for route in configuration.routes:
            self._by_path[route.match.path][route.name] = route.match
        counted: Exchanges | None = None
        for route, policy in _in_shadow(configuration):
            key, match = (route.name, policy.state_name), route.match
            old = before.get(key)
            if old is not None and old.is_of(match, policy):
                old.policy, old.match = policy, match  # nothing of the files before is kept
                self._followed[key] = old
            else:
                counted = self._exchanges() if counted is None else counted
                self._followed[key] = _Followed(route.name, match, policy, at, _requests(match, counted))
        self._findings = sum(len(each.findings) for each in self._followed.values())

    def add(self, decision: Decision, at: float) -> None:
        """Count what policies in shadow said of an exchange that ended at `at`, once for each reason."""
        for verdict in {(each.policy, each.reason): each for each in decision.shadow}.values():
            followed = self._followed.get((decision.route, verdict.policy))
            if followed is None:  # no longer in shadow: the exchange began under an earlier revision
                continue
            finding = followed.findings.get(verdict.reason)
            if finding is None:
                if self._findings >= MOST_FINDINGS:
                    followed.unlisted += 1
                    continue
                self._findings += 1
                finding = followed.findings[verdict.reason] = _Found(at)
            finding.add(decision, verdict, at)

    def summary(self, route: str | None = None, policy: str | None = None) -> list[ShadowedPolicy]:
        """Those that would have refused most first; of `route`, and with `policy` as kind or name."""
        counted = self._exchanges()
        chosen = [
            each.summary(counted, self._counted_with(each))
            for each in self._followed.values()
            if route in (None, each.route) and policy in (None, each.policy.kind, each.policy.state_name)
        ]
        return sorted(chosen, key=lambda each: -each.would_have_refused)

    def _counted_with(self, followed: _Followed) -> list[str]:
        """Metrics know the path and the method of a route, and not its hosts, headers and query."""
        methods, beside = _methods(followed.match), self._by_path[followed.match.path]
        return [
            name
            for name, match in beside.items()
            if name != followed.route and _overlap(_methods(match), methods)
        ]


class _Followed:
    """One policy in shadow on one route, as long as neither is edited."""

    __slots__ = ("_before", "_since", "findings", "match", "policy", "route", "unlisted")

    def __init__(
        self, route: str, match: MatchConfig, policy: PolicyInstance, since: float, before: int
    ) -> None:
        self.route = route
        self.match = match
        self.policy = policy
        self.findings: dict[str, _Found] = {}
        self.unlisted = 0
        self._since = since
        self._before = before

    def is_of(self, match: MatchConfig, policy: PolicyInstance) -> bool:
        return self.match == match and self.policy.config == policy.config

    def summary(self, counted: Exchanges, counted_with: list[str]) -> ShadowedPolicy:
        requests = _requests(self.match, counted) - self._before
        findings = [found.finding(reason, requests) for reason, found in self.findings.items()]
        return ShadowedPolicy(
            route=self.route,
            policy=self.policy.state_name,
            kind=self.policy.kind,
            mode=str(self.policy.mode),
            place=self.policy.place,
            since=rfc3339(self._since),
            requests=requests,
            counted_with=counted_with,
            would_have_refused=sum(each.count for each in findings if each.effect == "would have refused"),
            unlisted=self.unlisted,
            findings=sorted(findings, key=lambda each: -each.count),
        )


class _Found:
    """What one policy said for one reason."""

    __slots__ = ("_callers", "_count", "_examples", "_first", "_last", "_more_callers")

    def __init__(self, at: float) -> None:
        self._count = 0
        self._callers: set[str] = set()
        self._more_callers = False
        self._first = self._last = at
        self._examples: OrderedDict[str, Example] = OrderedDict()

    def add(self, decision: Decision, verdict: Verdict, at: float) -> None:
        self._count += 1
        self._last = at
        caller = decision.identity or decision.client_ip
        if len(self._callers) < MOST_CALLERS:
            self._callers.add(caller)
        elif caller not in self._callers:
            self._more_callers = True
        self._examples.pop(caller, None)  # one caller's flood leaves the others their places
        self._examples[caller] = Example(
            decision_id=decision.id,
            time=decision.time,
            method=decision.method,
            path=decision.path,
            client_ip=decision.client_ip,
            identity=decision.identity,
            status=decision.status,
            detail=verdict.detail or verdict.cause,
            facts=verdict.facts,
        )
        if len(self._examples) > MOST_EXAMPLES:
            self._examples.popitem(last=False)

    def finding(self, reason: str, requests: int) -> Finding:
        return Finding(
            reason=reason,
            effect=_EFFECTS.get(reason.partition(".")[2], "would have refused"),
            count=self._count,
            share=round(self._count / requests, 6) if requests >= self._count else None,
            callers=len(self._callers),
            more_callers=self._more_callers,
            first=rfc3339(self._first),
            last=rfc3339(self._last),
            examples=list(reversed(self._examples.values())),
        )


def _in_shadow(configuration: Configuration) -> Iterator[tuple[RouteConfig, PolicyInstance]]:
    """What has no route is left out: its policies are asked about responses only, and refuse nothing."""
    for route in configuration.routes:
        for policy in route.policies:
            if policy.mode != "disabled" and policy.mode.share < 1:
                yield route, policy


def _requests(match: MatchConfig, counted: Exchanges) -> int:
    methods = _methods(match)
    by_method = counted.get(match.path, {})
    return sum(count for method, count in by_method.items() if not methods or method in methods)


def _methods(match: MatchConfig) -> frozenset[str]:
    """Those under which metrics count a route's requests; none: all. GET includes HEAD."""
    told = {method if method in METHODS else "other" for method in match.methods}
    return frozenset(told | {"HEAD"} if "GET" in told else told)


def _overlap(one: frozenset[str], other: frozenset[str]) -> bool:
    return not one or not other or not one.isdisjoint(other)
