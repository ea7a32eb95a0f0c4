"""Circuit breakers that can't open, since limits let too few calls through in their window."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor, inf

from proxy.config.configuration import Configuration, PolicyInstance, RouteConfig
from proxy.config.nodes import Node
from proxy.config.spelling import spelled
from proxy.policies.admission.rate_limit import RateLimitConfig
from proxy.policies.resilience.circuit_breaker import CircuitBreakerConfig
from proxy.policies.resilience.pace import PaceConfig

_OF_EVERYBODY = {"constant", "route.name"}
"""Keys of limits that all clients share; others bound nothing that is not multiplied by clients."""


def never_trips(configuration: Configuration) -> Iterator[tuple[Node, str, str]]:
    """Where such a breaker is, which key of it, and why."""
    calls: dict[str, tuple[PolicyInstance, float]] = {}
    for route in configuration.routes:
        for policy in route.policies:
            config = policy.config
            if isinstance(config, CircuitBreakerConfig) and config.trip.consecutive_failures is None:
                first, before = calls.get(policy.state_name, (policy, 0.0))
                calls[policy.state_name] = first, before + _most(route, config.trip.window)
    for policy, most in calls.values():
        trip = policy.config.trip if isinstance(policy.config, CircuitBreakerConfig) else None
        if trip is not None and most < trip.min_requests:
            window = spelled(trip.window)
            message = f"it never opens by a ratio: limits let at most {floor(most)} calls through in {window}"
            yield policy.node, "trip.min_requests", message


def _most(route: RouteConfig, seconds: float) -> float:
    """Calls that the limits of a route let through in that time, from any start."""
    limits = [
        (policy.config.bucket + policy.config.limit.limit * seconds / policy.config.limit.period)
        / (policy.config.cost if isinstance(policy.config, RateLimitConfig) else 1)
        for policy in route.policies
        if isinstance(policy.config, RateLimitConfig | PaceConfig)
        and policy.mode == "enforce"
        and _OF_EVERYBODY.issuperset(policy.config.key)
    ]
    return min(limits, default=inf)
