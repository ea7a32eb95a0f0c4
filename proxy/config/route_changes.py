"""What differs on a route between two configurations: its name, match, upstream and policies.

A policy is known again by its name, or as the route's own, wherever it stands in a list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from proxy.config.configuration import Configuration, PolicyInstance, RouteConfig
from proxy.config.instances import NO_ROUTE
from proxy.config.leaves import Change, Changed, Leaves, compare, under
from proxy.config.nodes import Node, Source

OFF = "disabled"


class _Label(NamedTuple):
    """Which of the policies of its kind on a route: a named one, or the route's own."""

    use: str | None
    name: str | None


_Labelled = Mapping[_Label, PolicyInstance]


class RouteChanges:
    """Compares route by route; what many routes share is compared once."""

    def __init__(self, before: Configuration, after: Configuration) -> None:
        self._before = before
        self._after = after
        self._compared: dict[tuple[int, int], tuple[Changed, ...]] = {}
        lists = [_stated(route) for each in (before, after) for route in each.routes]
        lists += [before.no_route, after.no_route]
        self._told_apart = {kind for policies in lists for kind in _repeated(policies)}
        """Kinds of which some route has several: everywhere, the path says which is meant."""

    def of(self, before: RouteConfig, after: RouteConfig) -> Iterator[Changed]:
        """Of one route, in the order in which a file has it and a request meets it."""
        if before.name != after.name:
            yield Changed("name", "changed", before.name, after.name)
        if before.match != after.match:
            standing = ((route.match, _match(route)) for route in (before, after))
            yield from under("match", compare(*standing))
        if before.upstream != after.upstream:
            yield Changed("upstream", "changed", before.upstream, after.upstream)
        old, new = _by_kind(_stated(before), before.name), _by_kind(_stated(after), after.name)
        yield from self._policies(old, new)

    def of_no_route(self) -> Iterator[Changed]:
        """Of what holds for requests without a route."""
        old, new = (_by_kind(each.no_route, NO_ROUTE) for each in (self._before, self._after))
        return self._policies(old, new)

    def _policies(self, old: Mapping[str, _Labelled], new: Mapping[str, _Labelled]) -> Iterator[Changed]:
        for kind in (*new, *(kind for kind in old if kind not in new)):
            yield from self._kind(kind, old.get(kind, {}), new.get(kind, {}))

    def _kind(self, kind: str, old: _Labelled, new: _Labelled) -> Iterator[Changed]:
        gone = [label for label in old if label not in new]
        come = [label for label in new if label not in old]
        # One for one: it is called something else now, and its state with it.
        moved = {come[0]: gone[0]} if len(gone) == len(come) == 1 else {}
        for label, policy in new.items():
            path = self._path(kind, label)
            known = old.get(moved.get(label, label))
            if known is not None:
                if label in moved:
                    yield from under(path, _called(moved[label], label))
                yield from under(path, self._changed(known, policy))
            elif policy.mode != OFF:
                yield Changed(path, "added", None, _said(policy))
        for label in gone:
            if label not in moved.values() and old[label].mode != OFF:
                yield Changed(self._path(kind, label), "removed", _said(old[label]), None)

    def _changed(self, before: PolicyInstance, after: PolicyInstance) -> tuple[Changed, ...]:
        key = id(before.config), id(after.config)
        if key not in self._compared:
            self._compared[key] = tuple(_compared(before, after))
        return self._compared[key]

    def _path(self, kind: str, label: _Label) -> str:
        called = label.use or label.name
        return f"{kind}[{called}]" if called and kind in self._told_apart else kind


def _compared(before: PolicyInstance, after: PolicyInstance) -> Iterator[Changed]:
    if OFF in (before.mode, after.mode):  # of what is not in force, nothing else matters
        if before.mode != after.mode:
            yield Changed("mode", "changed", str(before.mode), str(after.mode))
        return
    yield from compare((before.config, before.node), (after.config, after.node))


def _said(policy: PolicyInstance) -> dict[str, object]:
    return Leaves(policy.config, policy.node).given()


def _called(before: _Label, after: _Label) -> Iterator[Changed]:
    for key in _Label._fields:
        old, new = getattr(before, key), getattr(after, key)
        if old != new:
            kind: Change = "added" if old is None else "removed" if new is None else "changed"
            yield Changed(key, kind, old, new)


def _stated(route: RouteConfig) -> tuple[PolicyInstance, ...]:
    return route.stated or route.policies


def _repeated(policies: Iterable[PolicyInstance]) -> Iterator[str]:
    seen = set()
    for policy in policies:
        if policy.kind in seen:
            yield policy.kind
        seen.add(policy.kind)


def _by_kind(policies: Iterable[PolicyInstance], owner: str) -> dict[str, _Labelled]:
    found: dict[str, dict[_Label, PolicyInstance]] = {}
    for policy in policies:
        _, holder, *name = policy.state_name.split("/")
        label = _Label(None if holder == owner else holder, name[0] if name else None)
        found.setdefault(policy.kind, {})[label] = policy
    return {**found}


def _match(route: RouteConfig) -> Node:
    entries = route.node.value
    return entries["match"] if isinstance(entries, dict) else Node({}, Source("", ""))
