"""Repetitions that never happen, that may do harm, or that are more than somebody meant."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from proxy.config.configuration import Configuration, PolicyInstance, RouteConfig
from proxy.config.nodes import Node
from proxy.config.spelling import about, spelled
from proxy.exchange import DEFAULT_LIMITS
from proxy.policies.edge.deadline import DeadlineConfig
from proxy.policies.resilience.retry import IDEMPOTENT, RetryConfig
from proxy.policies.resilience.timeout import TimeoutConfig

_WORK_NOT_DONE = {"connect_error", "rate_limited"}
"""Classes after which an upstream has not worked on the request."""


def retries(configuration: Configuration) -> Iterator[tuple[Node, str, str]]:
    """Where such a policy is, which key of it, and what is wrong with it."""
    for route in configuration.routes:
        for policy in route.policies:
            if isinstance(policy.config, RetryConfig):
                yield from ((policy.node, *found) for found in _about(policy.config))
                yield from _on_route(route, policy, policy.config)


def _about(config: RetryConfig) -> Iterator[tuple[str, str]]:
    harmful = [method for method in config.methods if method not in IDEMPOTENT]
    classes = [
        name for name, each in config.stated.items() if name not in _WORK_NOT_DONE and not each.nothing_done
    ]
    if harmful and classes and not config.upstream_honours_idempotency_key:
        message = (
            f"a {harmful[0]} on which the upstream has worked is sent again after {classes[0]}: "
            "expected it to be left out, or only classes such as connect_error, or "
            "`upstream_honours_idempotency_key`"
        )
        yield "methods", message


def _on_route(
    route: RouteConfig, policy: PolicyInstance, config: RetryConfig
) -> Iterator[tuple[Node, str, str]]:
    enforced = [each.config for each in route.policies if each.mode == "enforce"]
    timeout = next((each for each in enforced if isinstance(each, TimeoutConfig)), None)
    deadline = next((each for each in enforced if isinstance(each, DeadlineConfig)), None)
    if timeout is None and config.most_retries:
        limit = about(DEFAULT_LIMITS.response)
        yield (
            policy.node,
            "",
            f"without a `timeout`, each call may take {limit}: expected one on {route.name}",
        )
    if deadline is None:
        yield from _unbounded(route, policy, config)
        return
    possible = [wait for wait in _shortest(config) if wait < deadline.total]
    if len(possible) < config.most_retries:
        message = (
            f"of {config.most_retries} repetitions {len(possible)} are possible on {route.name}, "
            f"since `deadline` ends the whole exchange after {spelled(deadline.total)}"
        )
        yield policy.node, "backoff", message
    elif timeout is not None and "timeout" in config.stated and timeout.longest_silence >= deadline.total:
        message = (
            f"an answer that takes too long is never asked for again on {route.name}: "
            f"`timeout` waits {about(timeout.longest_silence)} for it, which leaves nothing of `deadline`"
        )
        yield policy.node, "classes.timeout" if config.classes else "", message


def _unbounded(
    route: RouteConfig, policy: PolicyInstance, config: RetryConfig
) -> Iterator[tuple[Node, str, str]]:
    """More after one class: told in words alone where a `deadline` bounds all repetitions together."""
    for name, each in config.stated.items():
        if each.max_retries is not None and each.max_retries > config.max_retries:
            message = (
                f"it is more than `max_retries` {config.max_retries}, and counts instead of it: "
                f"expected a `deadline` on {route.name}, which bounds them all"
            )
            yield policy.node, f"classes.{name}.max_retries", message


def _shortest(config: RetryConfig) -> Iterator[float]:
    """Seconds that have passed at least before each repetition, were every call to fail at once."""
    waits, least = config.backoff.waits, min(each.multiplier for each in config.stated.values())
    return accumulate(waits.bounds(step, least)[0] for step in range(1, config.most_retries + 1))
