"""Policies of a route: merged, typed, in pipeline order, each with the name of its state."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce

from proxy.config.configuration import Kind, PolicyInstance
from proxy.config.context import Context
from proxy.config.merge import merge
from proxy.config.nodes import Node, quoted
from proxy.config.schema import PolicyConfig
from proxy.config.shapes import struct_shape
from proxy.config.typed import convert, to_struct
from proxy.config.uses import Use, UseReader, Uses, kinds_in, layers, policy_of, scalar_fields

NO_ROUTE = "no_route"
"""Whose the state of policies for requests without a route is; no route may have this name."""


class PolicyTyper:
    """Makes the policies of all routes; what several share is merged and typed once."""

    def __init__(
        self, kinds: Sequence[Kind], definitions: Mapping[str, Mapping[str, Node]], context: Context
    ) -> None:
        self._kinds = {kind.name: kind for kind in kinds}
        self._definitions = {
            kind: {name: _mapping(self._kinds[kind], node) for name, node in named.items()}
            for kind, named in definitions.items()
        }
        self._context = context
        self._reader = UseReader(self._definitions)
        self._typed: dict[tuple[object, ...], tuple[Node, PolicyConfig | None, object]] = {}
        self._owners: dict[str, str] = {}

    def check_definitions(self) -> None:
        """Report what is wrong in a definition by itself, used or not."""
        for kind, named in self._definitions.items():
            for node in named.values():
                self._check_part(kind, node)

    def unused(self) -> Iterator[Node]:
        """Definitions that nothing refers to."""
        for kind, named in self._definitions.items():
            for name, node in named.items():
                if (kind, name) not in self._reader.used:
                    yield node

    def read_defaults(self, node: Node | None) -> dict[str, Uses]:
        """What `defaults` of one file say about each kind."""
        defaults: dict[str, Uses] = {}
        for kind, child in self._by_kind(node):
            uses = self._reader.read(kind, child, self._context) if child.value is not None else None
            if uses is None:
                continue
            defaults[kind.name] = uses
            for use in uses if isinstance(uses, tuple) else (uses,):
                self._check_part(kind.name, use.fields)
        return defaults

    def policies(
        self, node: Node | None, defaults: Mapping[str, Uses], owner: str, *, lenient: bool = False
    ) -> tuple[PolicyInstance, ...]:
        """The policies of the route `owner`; those with problems are left out, and reported.

        `lenient` is for a route that is not enabled: what its variables and secrets stand for
        is not asked, and nothing of it may be used.
        """
        return in_force(self.stated(node, defaults, owner, lenient=lenient))

    def stated(
        self, node: Node | None, defaults: Mapping[str, Uses], owner: str, *, lenient: bool = False
    ) -> tuple[PolicyInstance, ...]:
        """The same, with those that are disabled."""
        context = replace(self._context, lenient=lenient)
        said = dict(self._by_kind_name(node))
        found: list[PolicyInstance] = []
        for name, kind in self._kinds.items():
            default = defaults.get(name)
            child = said.get(name)
            if child is None:
                uses, default = default, None
            else:
                uses = self._reader.read(kind, child, context) if child.value is not None else None
            if uses is None:
                continue
            single = default if isinstance(default, Use) and isinstance(uses, Use) else None
            for use in uses if isinstance(uses, tuple) else (uses,):
                instance = self._instance(kind, use, single, owner, context)
                if instance is not None:
                    found.append(instance)
        return tuple(found)

    def _by_kind(self, node: Node | None) -> Iterator[tuple[Kind, Node]]:
        for name, child in self._by_kind_name(node):
            yield self._kinds[name], child

    def _by_kind_name(self, node: Node | None) -> Iterator[tuple[str, Node]]:
        if node is not None:
            yield from kinds_in(node, self._kinds, self._context.report).items()

    def _check_part(self, kind: str, node: Node) -> None:
        convert(
            struct_shape(self._kinds[kind].config), node, replace(self._context, partial=True, lenient=True)
        )

    def _instance(
        self, kind: Kind, use: Use, default: Use | None, owner: str, context: Context
    ) -> PolicyInstance | None:
        # What a use says itself is its own; a mere name, or a default, is shared by many routes.
        content: object = id(use) if use.fields.value or use.drops_policy else use.policy
        key = (kind.name, id(default), content, context.lenient)
        if key not in self._typed:
            parts = tuple(layers(use, default, self._definitions.get(kind.name, {})))
            node = reduce(merge, parts[1:], merge(None, parts[0]))
            config = to_struct(kind.config, node, context)
            if not self._mode_fits(kind, node):
                config = None
            self._typed[key] = (node, config, (use, default))  # kept alive: the key has their ids
        node, config, _ = self._typed[key]
        if config is None:
            return None
        named = policy_of(use, default)
        state = f"{kind.name}/{named}" if named else "/".join(filter(None, (kind.name, owner, use.label)))
        if not self._owns(state, named or owner, named is not None, use):
            return None
        return PolicyInstance(kind.name, state, config, config.mode, node.place, node)

    def _mode_fits(self, kind: Kind, node: Node) -> bool:
        mode = node.value.get("mode") if isinstance(node.value, dict) else None
        if not kind.no_shadow or mode is None or not re.fullmatch("shadow|.*%", str(mode.value)):
            return True
        message = f"{kind.name} has no mode {mode.text}: {kind.no_shadow}; expected enforce or disabled"
        self._context.report.add(mode, message)
        return False

    def _owns(self, state: str, owner: str, named: bool, use: Use) -> bool:
        """One name of state, one policy: a route may be called what a named policy is called."""
        claim = f"{'policy' if named else 'route'} {owner}"
        holder = self._owners.setdefault(state, claim)
        if holder == claim:
            return True
        message = f"the state {quoted(state)} would be shared by the {holder} and the {claim}"
        self._context.report.add(use.fields, f"{message}; expected different names", at_key=True)
        return False


def in_force(policies: Iterable[PolicyInstance]) -> tuple[PolicyInstance, ...]:
    """Those of `policies` that are to be built."""
    return tuple(policy for policy in policies if policy.mode != "disabled")


def _mapping(kind: Kind, node: Node) -> Node:
    return scalar_fields(kind, node) or node
