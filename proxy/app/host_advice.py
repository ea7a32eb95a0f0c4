"""What an API elsewhere is told by accident: the name that clients call Seawall by, and addresses inside.

For an application beside Seawall both are right, and so they are the defaults. Told of only where the
upstream is reached over https by a name that others know, and the files don't say what is meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from proxy.config.configuration import Configuration, PolicyInstance, RouteConfig
from proxy.config.nodes import Node
from proxy.config.typed import located
from proxy.policies.edge.forwarded import ForwardedConfig

Found = tuple[Node, str, str]
"""Where something stands, what of it is meant, and what is wrong with it."""
_INSIDE = ("localhost", "local", "internal", "svc", "lan", "home.arpa")
"""How names end that lead nowhere from outside (RFC 6761, 6762, 8375, ICANN's .internal, and usage)."""
_TOLD = (
    "{} is told the addresses of clients, in X-Forwarded-For and X-Real-IP; expected `emit: []`, "
    "or the fields that it is to have"
)
_CALLED = (
    "it gets the Host that a client calls Seawall by, on {}, and may not know it; expected "
    "`forwarded: {{emit: [], host: upstream}}`, or `host: preserve` where that is meant"
)


def host_advice(configuration: Configuration) -> Iterator[Found]:
    """Each upstream and each policy once."""
    told: set[int] = set()
    for name, upstream in configuration.upstreams.items():
        if upstream.url.scheme != "https" or not _is_elsewhere(upstream.url.host):
            continue
        node = located(configuration.sections["upstreams"], name)
        unsaid = []
        for route in _calling(configuration, name):
            policy = next((each for each in route.policies if isinstance(each.config, ForwardedConfig)), None)
            if policy is None or not (_names_it(policy) or _says(policy, "host")):
                unsaid.append(route.name)
            elif _names_it(policy) and not _says(policy, "emit") and id(policy.node) not in told:
                told.add(id(policy.node))
                yield policy.node, "", _TOLD.format(name)
        if unsaid:
            yield node, "url", _CALLED.format(_some(unsaid))


def _calling(configuration: Configuration, upstream: str) -> Iterator[RouteConfig]:
    for route in configuration.routes:
        others = {name for policy in route.policies for _, name in policy.config.other_upstreams()}
        if upstream == route.upstream or upstream in others:
            yield route


def _names_it(policy: PolicyInstance) -> bool:
    return isinstance(policy.config, ForwardedConfig) and policy.config.host == "upstream"


def _says(policy: PolicyInstance, key: str) -> bool:
    return isinstance(policy.node.value, dict) and key in policy.node.value


def _some(routes: list[str]) -> str:
    more = f" and {len(routes) - 3} more routes" if len(routes) > 3 else ""
    return f"{', '.join(routes[:3])}{more}"


def _is_elsewhere(host: str) -> bool:
    """A name with several labels that is not known to lead to the same machine, cluster or network."""
    host = host.rstrip(".")
    try:
        ip_address(host)
    except ValueError:
        return "." in host and not any(host == end or host.endswith(f".{end}") for end in _INSIDE)
    return False
