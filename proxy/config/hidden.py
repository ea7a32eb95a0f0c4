"""Texts of a configuration that are shown nowhere, for what tells of messages made with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from proxy.config.configuration import Configuration
from proxy.config.nodes import Node
from proxy.config.secrets import Secret
from proxy.config.shapes import ListShape, MapShape, Shape, StructShape, UnionShape, hides, struct_shape

MASK = "***"
_SHORTEST = 4
"""Characters; what is shorter is no secret, and stands in many other words."""


def hidden_texts(configuration: Configuration) -> frozenset[str]:
    """Secrets, and values out of the environment where they are not shown, of all policies in force."""
    found: set[str] = set()
    for policy in configuration.instances():
        found.update(_secrets(policy.config))
        found.update(_from_environment(struct_shape(type(policy.config)), policy.node))
    return frozenset(text for text in found if len(text) >= _SHORTEST)


def masked(told: Any, hidden: frozenset[str]) -> Any:
    """`told`, as JSON could hold it, with `***` for each of the `hidden` texts in it."""
    if isinstance(told, str):
        for text in sorted(hidden, key=len, reverse=True):  # one may be a part of another
            told = told.replace(text, MASK)
        return told
    if isinstance(told, Mapping):
        return {key: masked(value, hidden) for key, value in told.items()}
    return [masked(item, hidden) for item in told] if isinstance(told, list | tuple) else told


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, Secret):
        yield value.reveal_text()
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secrets(item)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for item in value:
            yield from _secrets(item)


def _from_environment(shape: Shape, node: Node) -> Iterator[str]:
    if node.interpolated and hides(shape, interpolated=True):
        yield node.text
    for inner, child in parts(shape, node):
        yield from _from_environment(inner, child)


def parts(shape: Shape, node: Node) -> Iterator[tuple[Shape, Node]]:
    """What stands in `node`, each with its shape; of a union, `node` itself with each option."""
    if isinstance(shape, UnionShape):
        yield from ((option, node) for option in shape.options)
    elif isinstance(shape, ListShape) and isinstance(node.value, list):
        yield from ((shape.item, child) for child in node.value)
    elif isinstance(shape, MapShape) and isinstance(node.value, dict):
        yield from ((shape.value, child) for child in node.value.values())
    elif isinstance(shape, StructShape) and isinstance(node.value, dict):
        fields = shape.fields
        yield from ((fields[key].shape, child) for key, child in node.value.items() if key in fields)
