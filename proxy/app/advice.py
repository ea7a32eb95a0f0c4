"""What is allowed in policy files and probably not meant, beside what the loader warns of.

Only what is wrong wherever it stands: a warning that may be false is one that teaches people
not to read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from proxy.app.bypasses import bypasses
from proxy.app.compile import Plan
from proxy.app.contradictions import contradictions
from proxy.app.exposed import exposed_secrets
from proxy.app.host_advice import host_advice
from proxy.app.limit_advice import limit_advice
from proxy.app.never_trips import never_trips
from proxy.app.retries import retries
from proxy.config.configuration import Configuration, PolicyInstance
from proxy.config.nodes import Node
from proxy.config.typed import located
from proxy.errors import Problem
from proxy.policies.admission.ip_list import IpListConfig
from proxy.policies.edge.cors import CorsConfig
from proxy.policies.edge.deadline import DeadlineConfig
from proxy.policies.resilience.circuit_breaker import CircuitBreakerConfig
from proxy.router.covered import never_reached


class _Finding(NamedTuple):
    node: Node
    path: str
    """Leads from the node to what is meant; the node itself where empty."""
    message: str


def advice(plan: Plan, now: float, *, survives: bool = True) -> tuple[Problem, ...]:
    """Each once, in no order. `now` is the time of day, in seconds since the epoch; `survives`: what the
    store has outlives a restart."""
    configuration = plan.configuration
    findings = [*_routes(plan), *_sections(configuration)]
    for more in (
        never_trips(configuration),
        contradictions(configuration, now),
        limit_advice(configuration, survives=survives),
        retries(configuration),
        bypasses(plan),
        host_advice(configuration),
    ):
        findings += [_Finding(*found) for found in more]
    seen: set[int] = set()
    for policy in configuration.instances():
        if id(policy.config) not in seen:
            seen.add(id(policy.config))
            findings += _policy(policy, configuration)
    problems = [configuration.problem(node, message, path) for node, path, message in findings]
    problems += [configuration.problem(node, message) for node, message in exposed_secrets(configuration)]
    return tuple(dict.fromkeys(problems))


def _routes(plan: Plan) -> Iterator[_Finding]:
    routes = plan.configuration.routes
    for number, winners in never_reached([route.match for route in plan.routes]):
        names = ", ".join(routes[winner].name for winner in sorted(winners))
        take = "take" if len(winners) > 1 else "takes"
        yield _Finding(routes[number].node, "match", f"no request gets here: {names} {take} them all")
    health, metrics = plan.configuration.health, plan.configuration.metrics
    before = dict.fromkeys(health.paths, "health.paths") | (
        {metrics.path: "metrics.path"} if metrics.path else {}
    )
    for route in routes:
        section = before.get(route.match.path)  # type: ignore[call-overload]  # both are text
        if section and (not route.match.methods or {"GET", "HEAD"}.intersection(route.match.methods)):
            message = f"GET {route.match.path} is answered before any route, by `{section}`"
            yield _Finding(route.node, "match.path", message)


def _sections(configuration: Configuration) -> Iterator[_Finding]:
    sections = configuration.sections
    for name, upstream in configuration.upstreams.items():
        if upstream.tls is not None and not upstream.tls.verify:
            message = "whoever is on the way can read and change what is sent; expected a `ca_file` to trust"
            yield _Finding(located(sections["upstreams"], name), "tls.verify", message)
    for name in _checked_for_nothing(configuration):
        message = (
            "nothing acts on it; expected `readiness: true` in it, or `health_check: true` in the "
            "circuit_breaker of a route that calls the upstream"
        )
        yield _Finding(located(sections["upstreams"], name), "health_check", message)
    for index, network in enumerate(configuration.clients.trusted_proxies):
        if network.network.prefixlen == 0:
            message = "every client is believed, and can claim any address; expected your proxies' networks"
            yield _Finding(sections["clients"], f"trusted_proxies[{index}]", message)
    if configuration.errors.expose_detail:
        message = "clients see causes that are meant for the log; expected false outside of development"
        yield _Finding(sections["errors"], "expose_detail", message)


def _checked_for_nothing(configuration: Configuration) -> Iterator[str]:
    """Upstreams whose health is looked at, though neither readiness nor a breaker goes by it."""
    heeded = {
        route.upstream
        for route in configuration.routes
        for policy in route.policies
        if isinstance(policy.config, CircuitBreakerConfig) and policy.config.health_check
    }
    for name, upstream in configuration.upstreams.items():
        if upstream.health_check is not None and not upstream.health_check.readiness and name not in heeded:
            yield name


def _policy(policy: PolicyInstance, configuration: Configuration) -> Iterator[_Finding]:
    config = policy.config
    if isinstance(config, IpListConfig):
        return (_Finding(policy.node, *found) for found in _never_admitting(config))
    if isinstance(config, CorsConfig) and config.credentials:
        return (_Finding(policy.node, *found) for found in _origins_that_anybody_can_have(config))
    nobody = not configuration.clients.trusted_proxies
    if isinstance(config, DeadlineConfig) and config.accept_from_clients and nobody:
        message = "nobody's time is accepted, since `clients.trusted_proxies` is empty"
        return iter((_Finding(policy.node, "accept_from_clients", message),))
    return iter(())


def _never_admitting(config: IpListConfig) -> Iterator[tuple[str, str]]:
    for index, network in enumerate(config.allow):
        over = [each for each in config.deny if _within(network.network, each.network)]
        if over:
            yield f"allow[{index}]", f"nobody is admitted by it: `deny` has {over[0]}"


def _origins_that_anybody_can_have(config: CorsConfig) -> Iterator[tuple[str, str]]:
    for index, origin in enumerate(config.origins):
        if origin == "null":
            message = "any page can make its origin null, and so read answers to a visitor's credentials"
            yield f"origins[{index}]", message
        elif origin.startswith("http://") and not _is_loopback(urlsplit(origin).hostname or ""):
            message = "whoever is on the way can act as a page over http; expected https beside credentials"
            yield f"origins[{index}]", message


def _within(network: object, other: object) -> bool:
    return type(network) is type(other) and network.subnet_of(other)  # type: ignore[attr-defined]


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False
