"""What is in force on a route: its policies merged, in order, each value with where it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from proxy.config.configuration import Configuration, PolicyInstance, RouteConfig
from proxy.config.context import Context
from proxy.config.excerpt import mask_userinfo
from proxy.config.instances import NO_ROUTE
from proxy.config.model import MatchConfig
from proxy.config.nodes import Node, plain, spell_step
from proxy.config.report import Report, looks_secret
from proxy.config.shapes import (
    ListShape,
    MapShape,
    ScalarShape,
    Shape,
    StructShape,
    UnionShape,
    hides,
    is_url,
    struct_shape,
)
from proxy.config.spelling import spelled
from proxy.config.typed import is_there
from proxy.config.yaml12 import typed_scalar

DEFAULT = "default"
"""Where a value comes from that no file sets."""
_HIDDEN = "***"


class Value(NamedTuple):
    """One value in force."""

    path: str
    value: Any
    """As it would stand in a file; `***` for what may not be shown."""
    origin: str
    """`file:line`, or `default`."""


def values(struct: type[msgspec.Struct], node: Node) -> list[Value]:
    """Every field of `struct`, from `node` where it says something, else from the schema."""
    return [
        Value(path.removeprefix("."), value, origin)
        for path, value, origin in _fields(struct_shape(struct), node, "")
    ]


def as_json(configuration: Configuration, route: str | None = None) -> dict[str, Any]:
    """For programs: the route called `route`, or all and what has no route."""
    shown: dict[str, Any] = {"revision": configuration.revision}
    shown["routes"] = [_route(entry, configuration) for entry in _chosen(configuration, route)]
    if route in (None, NO_ROUTE):
        shown[NO_ROUTE] = {"policies": [_policy(policy) for policy in configuration.no_route]}
    return shown


def as_text(configuration: Configuration, route: str | None = None) -> str:
    """For people: the route called `route`, or all and what has no route."""
    blocks = []
    for entry in _chosen(configuration, route):
        url = mask_userinfo(configuration.upstreams[entry.upstream].url)
        head = [value for value in values(MatchConfig, _match(entry)) if value.origin != DEFAULT]
        head.append(Value("upstream", f"{entry.upstream}, {url}", _origin(entry, "upstream")))
        lines = [f"route {entry.name}  ({entry.place})", *_rows(head, "  ")]
        blocks.append("\n".join([*lines, *_blocks(entry.policies)]))
    if route in (None, NO_ROUTE):
        blocks.append("\n".join(["no route", *_blocks(configuration.no_route)]))
    return "\n\n".join(blocks)


def _chosen(configuration: Configuration, route: str | None) -> Iterator[RouteConfig]:
    return (entry for entry in configuration.routes if route in (None, entry.name))


def _match(route: RouteConfig) -> Node:
    entries = route.node.value
    return entries["match"] if isinstance(entries, dict) else route.node


def _origin(route: RouteConfig, key: str) -> str:
    child = route.node.value.get(key) if isinstance(route.node.value, dict) else None
    return DEFAULT if child is None else child.place


def _route(route: RouteConfig, configuration: Configuration) -> dict[str, Any]:
    url = mask_userinfo(configuration.upstreams[route.upstream].url)
    return {
        "name": route.name,
        "place": route.place,
        "match": {value.path: value.value for value in values(MatchConfig, _match(route))},
        "upstream": {"name": route.upstream, "url": url},
        "policies": [_policy(policy) for policy in route.policies],
    }


def _policy(policy: PolicyInstance) -> dict[str, Any]:
    return {
        "kind": policy.kind,
        "state": policy.state_name,
        "mode": str(policy.mode),
        "place": policy.place,
        "values": [
            {"path": value.path, "value": value.value, "from": value.origin}
            for value in values(type(policy.config), policy.node)
        ],
    }


def _blocks(policies: Iterable[PolicyInstance]) -> Iterator[str]:
    for policy in policies:
        yield f"  {policy.kind}  [{policy.state_name}]"
        yield from _rows(values(type(policy.config), policy.node), "    ")


def _rows(rows: list[Value], indent: str) -> Iterator[str]:
    texts = [_text(value.value) for value in rows]
    path_width = max((len(value.path) for value in rows), default=0)
    text_width = min(max(map(len, texts), default=0), 60)
    for value, text in zip(rows, texts, strict=True):
        yield f"{indent}{value.path:<{path_width}}  {text:<{text_width}}  {value.origin}"


def _text(value: Any) -> str:
    """As it would stand in a file, on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    text = value if isinstance(value, str) else json.dumps(value)
    return "".join(c if c.isprintable() else "�" for c in text)


def _fields(shape: StructShape, node: Node | None, path: str) -> Iterator[Value]:
    entries = node.value if node is not None and isinstance(node.value, dict) else {}
    for key, field in shape.fields.items():
        here = path + spell_step(key)
        child = entries.get(key)
        if child is not None and child.value is not None:
            yield from _given(field.shape, child, here)
        elif shape.choice:
            continue  # another one was chosen
        elif isinstance(field.default, msgspec.Struct):
            yield from _fields(struct_shape(type(field.default)), None, here)
        else:
            yield Value(here, spelled(field.default), DEFAULT)


def _given(shape: Shape, node: Node, path: str) -> Iterator[Value]:
    shape = _option(shape, node)
    if isinstance(shape, StructShape) and isinstance(node.value, dict):
        yield from _fields(shape, node, path)
    elif isinstance(shape, MapShape) and isinstance(node.value, dict):
        for key, child in node.value.items():
            if is_there(shape.value, child, Context(Report())):
                yield from _given(shape.value, child, path + spell_step(key))
    elif isinstance(shape, ListShape) and isinstance(node.value, list) and _has_mappings(node.value):
        for index, child in enumerate(node.value):
            yield from _given(shape.item, child, path + spell_step(index))
    else:
        yield Value(path, _shown(shape, node), node.place)


def _option(shape: Shape, node: Node) -> Shape:
    """Of a union, the kind of shape that `node` has."""
    if isinstance(shape, UnionShape):
        for option in shape.options:
            is_mapping, is_list = isinstance(option, StructShape | MapShape), isinstance(option, ListShape)
            if (is_mapping and isinstance(node.value, dict)) or (is_list and isinstance(node.value, list)):
                return option
    return shape


def _has_mappings(items: list[Node]) -> bool:
    return any(isinstance(item.value, dict) for item in items)


def _shown(shape: Shape, node: Node) -> Any:
    if hides(shape, interpolated=node.interpolated) or (node.interpolated and looks_secret(str(node.step))):
        return _HIDDEN
    if isinstance(shape, ListShape) and isinstance(node.value, list):
        return [_shown(shape.item, item) for item in node.value]
    value = plain(node)
    if node.interpolated and isinstance(shape, ScalarShape) and shape.type is not str:
        value = typed_scalar(node.text)
    return mask_userinfo(value) if is_url(shape) and isinstance(value, str) else value
