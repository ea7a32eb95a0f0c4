"""The routes of all files: typed, enabled or not, told apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from proxy.config.configuration import PolicyInstance, RouteConfig
from proxy.config.context import Context
from proxy.config.instances import NO_ROUTE, PolicyTyper, in_force
from proxy.config.keys import unknown_parameters
from proxy.config.model import MatchConfig, RouteEntry
from proxy.config.nodes import Node, quoted
from proxy.config.report import Report
from proxy.config.typed import is_enabled, located, to_struct
from proxy.config.uses import Uses

_PARAM = re.compile(r"\{[^/]*\}")


class RouteReader:
    """Types one route after the other, and remembers what must not come twice."""

    def __init__(self, typer: PolicyTyper, upstreams: Mapping[str, Node], context: Context) -> None:
        self._typer = typer
        self._upstreams = upstreams
        self._context = context
        self._report = context.report
        self._names: dict[str, Node] = {}
        self._matches: dict[object, Node] = {}
        self.used: set[str] = set()
        """Upstreams that some route calls."""

    def read(self, node: Node, defaults: Mapping[str, Uses]) -> RouteConfig | None:
        """The route in `node`; None where it is not enabled, or has problems."""
        enabled = is_enabled(node, self._context)
        entry = to_struct(RouteEntry, node, replace(self._context, lenient=not enabled))
        if not isinstance(node.value, dict):
            return None
        name = self._name(node.value)
        # Every part is looked at, whatever is wrong with the others, so that all is reported.
        stated = self._typer.stated(_mapping_at(node, "policies"), defaults, name, lenient=not enabled)
        if entry is not None:
            path = entry.match.path
            where = f"the path {path} of route {quoted(name)}"
            has_parameters(in_force(stated), path.params, where, self._report)
        upstream = self._upstream(node)
        if upstream is not None and enabled:
            self._others(in_force(stated), upstream, name)
        if entry is None or not enabled:
            return None
        is_new = self._is_new(node.value["match"], entry.match)
        if upstream is None or not is_new:
            return None
        return RouteConfig(name, entry.match, upstream, in_force(stated), node.place, node, stated)

    def _name(self, entries: Mapping[str, Node]) -> str:
        child = entries.get("name")
        if child is None or not isinstance(child.value, str):
            return ""
        name = child.value
        if name == NO_ROUTE:
            self._report.add(child, f"{NO_ROUTE} is what has no route; expected another name")
        first = self._names.setdefault(name, child)
        if first is not child:
            self._report.add(
                child, f"the route {quoted(name)} stands in {first.place} already; expected another name"
            )
        return name

    def _upstream(self, node: Node) -> str | None:
        child = node.value.get("upstream") if isinstance(node.value, dict) else None
        if child is None or child.value is None:
            if len(self._upstreams) == 1:
                (only,) = self._upstreams
                self.used.add(only)
                return only
            if self._upstreams:
                message = f"`upstream` is missing; expected one of {', '.join(sorted(self._upstreams))}"
                self._report.add(node, message, at_key=True)
            return None
        if not isinstance(child.value, str):
            return None  # reported with the rest of the route
        if child.value in self._upstreams:
            self.used.add(child.value)
            return child.value
        hint = self._report.hint(child.value, self._upstreams)
        self._report.add(child, f"{quoted(child.value)} is not an upstream{hint}")
        return None

    def _others(self, policies: Iterable[PolicyInstance], own: str, route: str) -> None:
        """Upstreams that policies name: each is there, and is another than the route's own."""
        for policy in policies:
            for path, name in policy.config.other_upstreams():
                child = located(policy.node, path)
                if name == own:
                    message = (
                        f"{quoted(name)} is what the route {quoted(route)} calls anyway; expected another"
                    )
                    self._report.add(child, message)
                elif name in self._upstreams:
                    self.used.add(name)
                else:
                    hint = self._report.hint(name, self._upstreams)
                    self._report.add(child, f"{quoted(name)} is not an upstream{hint}")

    def _is_new(self, node: Node, match: MatchConfig) -> bool:
        key = (
            _PARAM.sub("{}", match.path),
            frozenset(match.methods),
            frozenset(match.hosts),
            frozenset((name.lower(), value) for name, value in match.headers.items()),
            frozenset(match.query.items()),
        )
        first = self._matches.setdefault(key, node)
        if first is not node:
            message = f"the route in {first.place} has the same match; expected one that tells them apart"
            self._report.add(node, message, at_key=True)
        return first is node


def has_parameters(
    policies: Iterable[PolicyInstance], parameters: Sequence[str], where: str, report: Report
) -> None:
    """Report each key that asks for a parameter of the path which is not among `parameters`."""
    for policy in policies:
        for path, key, expected in unknown_parameters(policy.config, parameters):
            message = f"{key} is nothing that {where} has; expected {expected}"
            report.add(located(policy.node, path), message)


def _mapping_at(node: Node, key: str) -> Node | None:
    child = node.value.get(key) if isinstance(node.value, dict) else None
    return child if child is not None and isinstance(child.value, dict) else None
