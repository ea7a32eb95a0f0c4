"""Parsed files that nobody needs any more, freed at once.

A value knows the mapping that it stands in and the mapping its values, so that counting
references alone never frees them, and waiting for the garbage collector costs requests
more than all else in a reload.
"""

from __future__ import annotations

from collections.abc import Iterable

from proxy.config.configuration import Configuration
from proxy.config.nodes import Node


def dismantle(configuration: Configuration) -> None:
    """Nobody asks `configuration` any more where its values stand: cut the cycles in it."""
    cut_loose(configuration.sections.values())
    cut_loose(route.node for route in configuration.routes)
    cut_loose(policy.node for policy in configuration.instances())


def cut_loose(nodes: Iterable[Node]) -> None:
    """Let `nodes`, all that they stand in and all that stands in them, forget what they stand in."""
    pending, met = list(nodes), set[int]()
    while pending:
        node = pending.pop()
        if id(node) not in met:
            met.add(id(node))
            pending.extend(node.children())
            if node.parent is not None:
                pending.append(node.parent)
                node.parent = None
