"""Policies of one route that keep each other from acting, or that one makes useless for another.

What never acts is told of only where it is so on every route that has it: what `defaults` say may be
meant for others. What refuses everybody, or lets through what it should not, is told of each route.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from proxy.algorithms.timestamps import write_timestamp
from proxy.config.configuration import Configuration, PolicyInstance, RouteConfig
from proxy.config.keys import Key
from proxy.config.nodes import Node
from proxy.config.report import did_you_mean
from proxy.config.spelling import spelled
from proxy.config.units import Duration
from proxy.policies import PIPELINE_ORDER
from proxy.policies.admission.rate_limit import RateLimitConfig
from proxy.policies.checks.replay_guard import ReplayGuardConfig
from proxy.policies.edge.cors import CorsConfig
from proxy.policies.edge.deadline import DeadlineConfig
from proxy.policies.identity import IDENTITY
from proxy.policies.identity.api_key import ApiKeyConfig
from proxy.policies.identity.api_key.keys import keys_in
from proxy.policies.identity.webhook_signature import WebhookSignatureConfig
from proxy.policies.identity.webhook_signature.verification import verifications
from proxy.policies.resilience.circuit_breaker import CircuitBreakerConfig
from proxy.policies.resilience.timeout import TimeoutConfig

T = TypeVar("T")
Found = tuple[Node, str, str]
"""Where a policy stands, what of it is meant, and what is wrong with it."""
_PROVING = frozenset(kind.name for kind in IDENTITY)
_SIGNED = frozenset(("webhook_signature", "message_signature"))
_UNASKED = ("HEAD", "OPTIONS")
"""GET includes the one; a browser asks for no leave to preflight."""


@dataclass(slots=True)
class _Everywhere:
    """What is wrong with a value on all routes that have it; nothing where it is right on one."""

    found: dict[object, list[tuple[Node, str, str | None]]] = field(default_factory=dict)

    def note(self, value: object, policy: PolicyInstance, path: str, message: str | None) -> None:
        self.found.setdefault(value, []).append((policy.node, path, message))

    def __iter__(self) -> Iterator[Found]:
        for noted in self.found.values():
            node, path, message = noted[0]
            if message is not None and all(other is not None for _, _, other in noted):
                yield node, path, message


def contradictions(configuration: Configuration, now: float) -> Iterator[Found]:
    """At the time `now`, in seconds since the epoch."""
    for check in (_past_the_deadline, _unheard_methods, _looser_limits):
        noted = _Everywhere()
        for route in configuration.routes:
            for policy in route.policies:
                check(noted, route, policy)
        yield from noted
    for route in configuration.routes:
        for policy in route.policies:
            yield from _unknown_facts(route, policy)
            yield from _too_short_a_memory(route, policy)
            yield from _expired(policy, now)
    yield from _no_such_reasons(configuration)


def _past_the_deadline(noted: _Everywhere, route: RouteConfig, policy: PolicyInstance) -> None:
    deadline = _enforced(route, DeadlineConfig)
    total = None if deadline is None else deadline.total
    if isinstance(policy.config, TimeoutConfig):
        attempt = policy.config.attempt
        for name in ("connect", "response", "idle", "attempt"):
            limit = getattr(policy.config, name) or 0.0
            message = _ends(total) if total is not None and limit >= total else None
            if name != "attempt" and attempt is not None and limit >= attempt:
                message = f"it never acts: `attempt` ends each call after {spelled(attempt)}"
            _note_value(noted, policy, name, message)
    if isinstance(policy.config, CircuitBreakerConfig):
        slow = policy.config.trip.slow_after
        acts = total is None or slow is None or slow <= total
        message = None if acts or total is None else f"no call is ever that slow: {_whole(total)}"
        _note_value(noted, policy, "trip.slow_after", message)


def _ends(total: float) -> str:
    return f"it never acts: {_whole(total)}"


def _whole(total: float) -> str:
    return f"`deadline` ends the whole exchange after {spelled(total)}"


def _unheard_methods(noted: _Everywhere, route: RouteConfig, policy: PolicyInstance) -> None:
    if not isinstance(policy.config, CorsConfig):
        return
    methods = _given(policy.node, "methods")
    stated = methods.value if methods is not None and isinstance(methods.value, list) else []
    for index, node in enumerate(stated):
        method = policy.config.methods[index]
        heard = not route.match.methods or method in (*route.match.methods, *_UNASKED)
        message = None if heard else f"nobody is asked for it: no route with this policy takes {method}"
        noted.note(id(node), policy, f"methods[{index}]", message)


def _unknown_facts(route: RouteConfig, policy: PolicyInstance) -> Iterator[Found]:
    if getattr(policy.config, "on_missing_key", None) in ("allow", "ip"):
        return
    kinds = {each.kind for each in route.policies if each.mode != "shadow"}
    lacking = {
        "auth.id": "" if _PROVING & kinds else "proves who the caller is",
        "signature": "" if _SIGNED & kinds else "verifies a signature",
    }
    for index, key in enumerate(getattr(policy.config, "key", ())):
        lacks = lacking.get(key.fact) if isinstance(key, Key) else ""
        if lacks:
            message = f"{key} is never known on route {route.name}, where nothing {lacks}"
            yield policy.node, f"key[{index}]", message


def _looser_limits(noted: _Everywhere, route: RouteConfig, policy: PolicyInstance) -> None:
    config = policy.config
    if not isinstance(config, RateLimitConfig) or policy.mode != "enforce" or config.penalty is not None:
        return
    beside = (each for each in route.policies if each.kind == policy.kind and each.mode == "enforce")
    tighter = next((each for each in beside if _is_tighter(each.config, config)), None)
    message = None if tighter is None else f"it never refuses: {_called(tighter)} lets less through"
    noted.note(policy.state_name, policy, "limit", message)


def _is_tighter(mine: object, its: RateLimitConfig) -> bool:
    """Whatever `its` limit would refuse, `mine` has refused."""
    if not isinstance(mine, RateLimitConfig) or (mine.limit, mine.bucket) == (its.limit, its.bucket):
        return False
    alike = (mine.key, mine.cost, mine.on_missing_key) == (its.key, its.cost, its.on_missing_key)
    slower = mine.limit.limit * its.limit.period <= its.limit.limit * mine.limit.period
    return alike and slower and mine.bucket <= its.bucket


def _called(policy: PolicyInstance) -> str:
    return policy.state_name.partition("/")[2]


def _too_short_a_memory(route: RouteConfig, policy: PolicyInstance) -> Iterator[Found]:
    config = policy.config
    if not isinstance(config, ReplayGuardConfig) or policy.mode == "shadow":
        return
    signed, deadline = _enforced(route, WebhookSignatureConfig), _enforced(route, DeadlineConfig)
    if signed is not None:
        good = max((way.tolerance for way in verifications(signed) if way.scheme.stamp), default=0.0)
        if config.ttl < good:
            length = spelled(Duration(good))
            message = f"a message passes again after that, since its signature is good for {length}"
            yield policy.node, "ttl", message
    if deadline is not None and config.pending_for < deadline.total:
        message = (
            "a message that is worked on for longer passes a second time meanwhile; expected as much "
            f"as the `deadline`, {spelled(deadline.total)}"
        )
        yield policy.node, "pending_for", message


def _expired(policy: PolicyInstance, now: float) -> Iterator[Found]:
    config = policy.config
    if not isinstance(config, ApiKeyConfig):
        return
    for index, key in enumerate(config.keys):
        if key.expires is not None and key.expires <= now:
            yield policy.node, f"keys[{index}].expires", f"the key of {key.id!r} has expired"
    for key in keys_in(config.keys_file):
        if key.expires is not None and key.expires <= now:
            ended = write_timestamp(key.expires, "iso8601")
            yield policy.node, "keys_file", f"the key of {key.id!r} in it has expired, at {ended}"


def _no_such_reasons(configuration: Configuration) -> Iterator[Found]:
    for reason in configuration.errors.templates:
        known = _REASONS.get(reason.partition(".")[0])
        if known is not None and reason not in known:
            message = f"nothing is refused with this reason{did_you_mean(reason, known)}"
            yield configuration.sections["errors"], f"templates.{reason}", message


def _reasons() -> Mapping[str, tuple[str, ...]]:
    found = {}
    for kind in PIPELINE_ORDER:
        reasons = sys.modules[kind.config.__module__].REASONS
        found[kind.name] = tuple(reason for _, reason, _ in reasons)
    return found


_REASONS = _reasons()


def _enforced(route: RouteConfig, kind: type[T]) -> T | None:
    """The settings of the policy of that kind which is enforced for all."""
    enforced = (each.config for each in route.policies if each.mode == "enforce")
    return next((config for config in enforced if isinstance(config, kind)), None)


def _note_value(noted: _Everywhere, policy: PolicyInstance, path: str, message: str | None) -> None:
    """Of a value that somebody wrote; what is the default's is nobody's mistake."""
    node = _given(policy.node, path)
    if node is not None:
        noted.note(id(node), policy, path, message)


def _given(node: Node, path: str) -> Node | None:
    for step in path.split("."):
        below = node.value.get(step) if isinstance(node.value, dict) else None
        if below is None:
            return None
        node = below
    return node
