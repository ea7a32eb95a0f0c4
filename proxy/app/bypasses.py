"""Methods that a route leaves out, and that get through by another route without its protection.

`{path: /hook, methods: [POST]}` with a signature, beside `/**` without one: a PUT of /hook reaches
the upstream unsigned, and many an upstream doesn't mind the method.

Not told of is what somebody can well have meant:

- Reading: where every method that changes something is protected, the rest may be open.
- What is written down: the other route names the method, and its path is the same or narrower.
- What the other route makes up for: by a policy of the same use (`jwt` there, `api_key` here), by
  networks that alone may use it, or since it calls another upstream.

Other spellings of the path need no warning: `router.paths` tells which are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from proxy.app.compile import Plan
from proxy.config.configuration import PolicyInstance, RouteConfig
from proxy.config.nodes import Node
from proxy.config.schema import PolicyConfig
from proxy.config.spelling import listed
from proxy.errors import Rejection
from proxy.policies.admission.ip_list import IpListConfig
from proxy.policies.identity import IDENTITY
from proxy.policies.identity.authenticate import AuthenticateConfig
from proxy.router.probes import Probe, ask, instances, unspelled
from proxy.router.rules import Entry, Found, Match, Rule
from proxy.router.table import RoutingTable

_CHANGING = ("POST", "PUT", "PATCH", "DELETE")
_USES: Mapping[str, str] = {
    **{kind.name: "proof" for kind in IDENTITY},
    **dict.fromkeys(("rate_limit", "quota"), "limit"),
    **{name: name for name in (
        "require_https", "ip_list", "csrf", "event_filter", "json_schema", "replay_guard"
    )},
}  # fmt: skip
"""Policies that protect -> what they are good for; one of the same use will do instead."""


def bypasses(plan: Plan) -> Iterator[tuple[Node, str, str]]:
    """Where such a route is, the key there, and what gets through."""
    routes, matches = plan.configuration.routes, [route.match for route in plan.routes]
    table = RoutingTable(Entry(match, number) for number, match in enumerate(matches))
    sample = unspelled(matches)
    urls = {name: upstream.url for name, upstream in plan.configuration.upstreams.items()}
    for number, (route, match) in enumerate(zip(routes, matches, strict=True)):
        if not match.methods or not _uses(route.policies):
            continue
        through: dict[tuple[str, str], list[str]] = {}
        for method in (each for each in _CHANGING if each not in match.methods):
            for other in _elsewhere(table, number, match, method, sample):
                same = urls[route.upstream] == urls[routes[other].upstream]
                lost = _lost(route, routes[other], method) if same else ""
                if lost and not _written_down(match, matches[other], method):
                    through.setdefault((routes[other].name, lost), []).append(method)
        for (name, lost), methods in through.items():
            yield route.node, "match.methods", _message(match, name, lost, methods)


def _message(match: Match, other: str, lost: str, methods: Sequence[str]) -> str:
    *more, last = methods
    go = f"{', '.join(more)} and {last} of {match.path} go" if more else f"{last} of {match.path} goes"
    return (
        f"{go} to {other}, without {lost}; "
        "expected no `methods` here, or a route with this path that names them"
    )


def _written_down(match: Match, other: Match, method: str) -> bool:
    ours, theirs = (Rule(Entry(each, None), 0).path_rank for each in (match, other))
    return method in other.methods and theirs <= ours


def _elsewhere(
    table: RoutingTable[int], number: int, match: Match, method: str, sample: str
) -> Iterator[int]:
    """Routes that get requests which but for their `method` belong to the route of that number."""
    found = {}
    for own in instances(match, (), sample):
        if _route_of(table, own) == number:
            found[_route_of(table, own._replace(method=method))] = True
    return (other for other in found if other not in (None, number))


def _route_of(table: RoutingTable[int], probe: Probe) -> int | None:
    try:
        found = ask(table, probe)
    except Rejection:
        return None
    return found.target if isinstance(found, Found) else None


def _lost(route: RouteConfig, other: RouteConfig, method: str) -> str:
    """The policies of `route` that `other` does without, for requests with that method."""
    if _for_some_only(route, other):
        return ""
    kept = _uses(other.policies, method)
    return listed([kind for kind, use in _uses(route.policies).items() if use not in kept.values()])


def _uses(policies: Sequence[PolicyInstance], method: str = "") -> dict[str, str]:
    """Those that protect, for requests with that method, and what they are good for."""
    return {
        policy.kind: _USES[policy.kind]
        for policy in policies
        if policy.kind in _USES and policy.mode != "shadow" and _asks(policy.config, method)
    }


def _asks(config: PolicyConfig, method: str) -> bool:
    """`authenticate` may ask for a credential for some methods alone."""
    methods = config.methods if isinstance(config, AuthenticateConfig) else None
    return not method or methods is None or method in methods


def _for_some_only(route: RouteConfig, other: RouteConfig) -> bool:
    """By their address, which `route` doesn't ask for: to them `other` may be open, or it is to nobody."""
    ours = [policy.config for policy in route.policies]
    for policy in other.policies:
        config = policy.config
        if isinstance(config, IpListConfig) and policy.mode == "enforce" and config not in ours:
            nobody = {each.network.version for each in config.deny if each.network.prefixlen == 0}
            if config.allow or config.files.allow or nobody == {4, 6}:
                return True
    return False
