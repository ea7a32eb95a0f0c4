"""Last: how the upstream is called, and what happens when it is slow or down."""

from __future__ import annotations

from proxy.policies.resilience.circuit_breaker import CircuitBreaker, CircuitBreakerConfig
from proxy.policies.resilience.concurrency import Concurrency, ConcurrencyConfig
from proxy.policies.resilience.mask_errors import MaskErrors, MaskErrorsConfig
from proxy.policies.resilience.pace import Pace, PaceConfig
from proxy.policies.resilience.retry import Retry, RetryConfig
from proxy.policies.resilience.timeout import Timeout, TimeoutConfig
from proxy.policy import AnyPolicyType, PolicyType

RESILIENCE: tuple[AnyPolicyType, ...] = (
    PolicyType("mask_errors", MaskErrorsConfig, MaskErrors),
    PolicyType(
        "concurrency",
        ConcurrencyConfig,
        Concurrency,
        scalar="max",
        one=("max", "adaptive", "queue"),
        each_call=True,
    ),
    PolicyType(
        "retry",
        RetryConfig,
        Retry,
        no_shadow="a call is repeated or not, and refused is nothing",
        one=("budget",),
    ),
    PolicyType(
        "circuit_breaker",
        CircuitBreakerConfig,
        CircuitBreaker,
        one=("trip", "failures", "open_for", "half_open", "recovery", "health_check"),
        each_call=True,
        by_health=lambda config: config.health_check,
    ),
    PolicyType(
        "pace",
        PaceConfig,
        Pace,
        scalar="limit",
        one=("limit", "burst", "key", "on_missing_key", "max_keys", "queue", "when_store_fails"),
        each_call=True,
    ),
    PolicyType(
        "timeout",
        TimeoutConfig,
        Timeout,
        scalar="response",
        no_shadow="a limit on a call that is still running can only be kept or not",
    ),
)
