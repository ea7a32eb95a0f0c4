"""What the limits, waits and repetitions of a configuration come to, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from proxy.cli.worst_case import worst_case
from proxy.config.configuration import Configuration, PolicyInstance, RouteConfig
from proxy.config.instances import NO_ROUTE
from proxy.config.wording import routes_called


@dataclass(frozen=True, slots=True)
class Sentence:
    """What one policy comes to, on the routes that have it."""

    kind: str
    name: str | None
    """Of a policy that is defined by name, and so has one state on all its routes."""
    mode: str
    words: tuple[str, ...]
    routes: tuple[str, ...]

    def __str__(self) -> str:
        called = f"{self.kind} {self.name}" if self.name else self.kind
        told = [*self.words, *([] if self.mode == "enforce" else [_mode(self.mode)])]
        return f"{called}: {', '.join(told)}; {self._where()}"

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        return {field: getattr(self, field) for field in self.__slots__}

    def _where(self) -> str:
        if len(self.routes) == 1:
            return f"on {routes_called(self.routes)}" if self.routes[0] != NO_ROUTE else "without a route"
        return f"{'shared by' if self.name else 'on each of'} {len(self.routes)} routes"


def sentences(configuration: Configuration) -> list[Sentence]:
    """One for each policy that has something to say, and for those that are alike; first what many have."""
    found: dict[tuple[str, str | None, str, tuple[str, ...]], list[str]] = {}
    waits = {route.name: _pool_wait(route, configuration) for route in configuration.routes} | {NO_ROUTE: 0.0}
    for owner, policies in _by_route(configuration):
        for policy in policies:
            words = (*policy.config.in_words(), *worst_case(policy, policies, waits[owner]))
            if words:
                key = (policy.kind, _name(policy, owner), str(policy.mode), words)
                found.setdefault(key, []).append(owner)
    told = [Sentence(*key, tuple(dict.fromkeys(routes))) for key, routes in found.items()]
    return sorted(told, key=lambda sentence: -len(sentence.routes))


def not_enforced(configuration: Configuration) -> dict[str, list[str]]:
    """`deadline` -> which of its modes stand on which routes, for policies that are not enforced."""
    found: dict[str, dict[str, list[str]]] = {}
    for route in configuration.routes:
        for policy in route.stated or route.policies:
            if policy.mode != "enforce":
                found.setdefault(policy.kind, {}).setdefault(str(policy.mode), []).append(route.name)
    return {
        kind: [f"{mode} on {routes_called(on)}" for mode, on in modes.items()]
        for kind, modes in found.items()
    }


def _by_route(configuration: Configuration) -> list[tuple[str, Sequence[PolicyInstance]]]:
    routes = [(route.name, route.policies) for route in configuration.routes]
    return [*routes, (NO_ROUTE, configuration.no_route)]


def _pool_wait(route: RouteConfig, configuration: Configuration) -> float:
    """The longest wait for a connection, of whichever upstream may be called."""
    others = (name for policy in route.policies for _, name in policy.config.other_upstreams())
    return max(configuration.upstreams[name].pool.wait for name in (route.upstream, *others))


def _name(policy: PolicyInstance, owner: str) -> str | None:
    holder = policy.state_name.split("/")[1]
    return None if holder == owner else holder


def _mode(mode: str) -> str:
    return "in shadow" if mode == "shadow" else f"enforced for {mode} of the callers"
