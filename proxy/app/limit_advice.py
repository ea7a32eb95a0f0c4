"""Limits that are probably not meant: of no effect, forgotten too soon, or by a key that says nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import floor

from proxy.algorithms.gcra import MICROSECONDS
from proxy.config.configuration import Configuration, PolicyInstance, RouteConfig
from proxy.config.nodes import Node
from proxy.config.spelling import about, spelled
from proxy.policies.admission.rate_limit import RateLimitConfig
from proxy.policies.checks.quota import QuotaConfig
from proxy.policies.edge.deadline import DeadlineConfig
from proxy.policies.identity import IDENTITY
from proxy.policies.limit_config import LimitConfig
from proxy.policies.resilience.pace import PaceConfig

_PROVING = {kind.name for kind in IDENTITY}
_WEBHOOKS = "webhook_signature"
_BY_ADDRESS = {"client.ip", "client.net"}
_SOON = 60 * MICROSECONDS
"""What comes back by itself in that time nobody misses after a restart."""
_OF_EVERYBODY = {"constant", "route.name"}
"""Keys that all callers share: what such a limit lets pass bounds what any caller can do."""

Found = tuple[Node, str, str]
"""Where, which key of it, and why."""


def limit_advice(configuration: Configuration, *, survives: bool) -> Iterator[Found]:
    """`survives`: what the store has outlives a restart."""
    used = Counter(policy.state_name for route in configuration.routes for policy in route.policies)
    for route in configuration.routes:
        limits = [(policy, policy.config) for policy in route.policies if policy.mode == "enforce"]
        for policy, config in limits:
            if isinstance(config, QuotaConfig):
                yield from _quota(policy, config, route, survives=survives)
                if used[policy.state_name] == 1:  # on several routes they add up
                    yield from _never_reached(policy, config, route)
            elif isinstance(config, RateLimitConfig):
                yield from _webhook(policy, config, route)
            elif isinstance(config, PaceConfig):
                yield from _waits(policy, config, route)


def _quota(
    policy: PolicyInstance, config: QuotaConfig, route: RouteConfig, *, survives: bool
) -> Iterator[Found]:
    soon = config.reset == "rolling" and config.quota.tolerance <= _SOON
    if not survives and not soon:
        expected = "expected `--store sqlite:///path` or `redis://host`"
        yield policy.node, "", f"a restart forgets what is used, where the store is memory://; {expected}"
    if "auth.id" in config.key and _PROVING.isdisjoint(each.kind for each in route.policies):
        refused = config.on_missing_key in (None, "refuse")
        so = "everybody is refused" if refused else "nobody is counted by it"
        message = f"no policy of this route proves who calls, so that {so}; expected one that does"
        yield policy.node, "key", message


def _never_reached(policy: PolicyInstance, config: QuotaConfig, route: RouteConfig) -> Iterator[Found]:
    for other in route.policies:
        rate = other.config
        if isinstance(rate, RateLimitConfig) and other.mode == "enforce" and _bounds(rate, config):
            most = _most(rate, config.limit.longest_period) * config.cost
            if most < config.bucket:
                at_most = f"{other.state_name} lets at most {floor(most)} through in that time"
                message = f"it is never reached: {at_most}"
                yield policy.node, "limit", message


def _bounds(rate: RateLimitConfig, quota: QuotaConfig) -> bool:
    """Who is counted by `quota` gets no more than one bucket of `rate`."""
    if quota.on_missing_key == "allow" or rate.on_missing_key == "allow":
        return False
    return set(rate.key) <= set(quota.key) | _OF_EVERYBODY


def _most(limit: LimitConfig, seconds: float) -> float:
    """Requests that it lets through in that time, from any start."""
    return (limit.bucket + limit.limit.limit * seconds / limit.limit.period) / limit.cost


def _webhook(policy: PolicyInstance, config: RateLimitConfig, route: RouteConfig) -> Iterator[Found]:
    """By addresses since nothing else is said; who writes `key` has thought of it."""
    signed = any(each.kind == _WEBHOOKS for each in route.policies)
    given = isinstance(policy.node.value, dict) and "key" in policy.node.value
    if signed and not given and _BY_ADDRESS.issuperset(config.key):
        message = (
            "a provider sends all its webhooks from a few addresses, so that this limits them all together; "
            "expected `key: [route.name]`, for what the service can bear, or to say `key: [client.ip]`"
        )
        yield policy.node, "", message


def _waits(policy: PolicyInstance, config: PaceConfig, route: RouteConfig) -> Iterator[Found]:
    stated = isinstance(policy.node.value, dict) and "max_wait" in policy.node.value
    enforced = [each.config for each in route.policies if each.mode == "enforce"]
    deadline = next((each for each in enforced if isinstance(each, DeadlineConfig)), None)
    if stated and deadline is not None and deadline.total <= config.max_wait:
        message = (
            f"nobody waits so long on {route.name}, since `deadline` ends the whole exchange after "
            f"{spelled(deadline.total)}; expected less"
        )
        yield policy.node, "max_wait", message
    interval = config.quota.interval / MICROSECONDS
    if config.max_wait < interval:
        message = f"most who come too early are refused at once, as a token takes {about(interval)} to come"
        yield policy.node, "max_wait" if stated else "", message
