"""JSON Merge Patch (RFC 7386) over nodes: mappings merge, null removes, everything else replaces.

What is merged keeps the place that it came from, value by value.
"""

from __future__ import annotations

from proxy.config.nodes import Node


def merge(target: Node | None, patch: Node) -> Node:
    """`patch` applied to `target`; neither is changed. A merged mapping has the place of `patch`."""
    if not isinstance(patch.value, dict):
        return patch
    merged: dict[str, Node] = {}
    if target is not None and isinstance(target.value, dict):
        merged.update(target.value)
    for key, child in patch.value.items():
        if child.value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), child)
    return standing_for(patch, merged)


def without(node: Node, keys: frozenset[str]) -> Node:
    """The mapping `node` less `keys`, in the same place."""
    entries = node.value if isinstance(node.value, dict) else {}
    if keys.isdisjoint(entries):
        return node
    return standing_for(node, {key: child for key, child in entries.items() if key not in keys})


def standing_for(node: Node, entries: dict[str, Node]) -> Node:
    """A mapping of `entries` in the place of `node`. The entries keep their own places and paths."""
    stand_in = Node(entries, node.source, node.line, node.column)
    stand_in.end = node.end
    stand_in.key = node.key
    stand_in.parent = node.parent
    stand_in.step = node.step
    return stand_in
