"""Nodes -> frozen structs, noting every problem on the way instead of stopping at the first.

A schema with a rule for one value has a type for it; one with a rule across fields raises
ValueError in `__post_init__`, or has a method `check`, which yields each problem as the
field (`half_open.probes`) and `what is wrong; what is expected`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from proxy.config.context import ABSENT, DEVELOPMENT, INVALID, Context, unknown_key, unresolved, wrong
from proxy.config.documents import Document, PlaceInFile, read_document
from proxy.config.nodes import Node, Source, plain, quoted
from proxy.config.report import Report
from proxy.config.scalars import literal, outside, scalar, secret, unit
from proxy.config.shapes import (
    AnyShape,
    ListShape,
    LiteralShape,
    MapShape,
    PoliciesShape,
    ScalarShape,
    SecretShape,
    Shape,
    StructShape,
    UnionShape,
    UnitShape,
    shape_of,
    struct_shape,
)
from proxy.config.yaml12 import parse

S = TypeVar("S", bound=msgspec.Struct)

_INDEX = re.compile(r"\[([0-9]{1,9})\]")

_MAPPING = shape_of(dict[str, Any])
_BOOL = shape_of(bool)

_ON_MISSING_SECRET = "on_missing_secret"  # noqa: S105  # a key

EXTENSION = "x-"
"""Keys that begin so are the operator's own, for anchors."""


def to_struct(struct: type[S], node: Node, context: Context) -> S | None:
    """`node` as `struct`; None where it has problems, which are in the report then."""
    built = convert(struct_shape(struct), node, context)
    return None if built is INVALID else built


def convert(shape: Shape, node: Node, context: Context) -> Any:
    """`node` as `shape` says, or INVALID."""
    if unresolved(node, context):
        return INVALID
    return _CONVERTERS[type(shape)](shape, node, context)


def _any(_: AnyShape, node: Node, context: Context) -> Any:
    missing = sum(unresolved(leaf, context) for leaf in node.leaves())  # every one is reported
    return INVALID if missing else plain(node)


def _unit(shape: UnitShape, node: Node, context: Context) -> Any:
    value = unit(shape, node, context)
    return _document(value, node, context) if isinstance(value, Document) else value


def _document(file: Document, node: Node, context: Context) -> Any:
    """`file` with what stands in it; problems there are reported at their own lines."""
    if context.lenient:  # it need not exist
        return file
    try:
        data = read_document(Path(file), context.read)
    except ValueError as error:
        context.report.add(node, f"{quoted(file)} cannot be read: {error}; expected a YAML or JSON file")
        return INVALID
    source = Source(file, "", Path(file).parent)
    lines = file.read(data.decode("utf-8", "replace"))
    if lines is not None:
        content, faults = lines
        for fault in faults:
            context.report.add_at(source, fault.line, 1, fault.message)
        return INVALID if faults else file.holding(content)
    document = parse(data, source, context.report)
    if not file.public and (document is None or file.schema is None):
        context.report.conceal(source)  # keys by names that nobody here knows
    if document is None:
        return INVALID
    shape = _MAPPING if file.schema is None else struct_shape(file.schema)
    content = convert(shape, document, context)
    return INVALID if content is INVALID else file.holding(content)


def _policies(shape: PoliciesShape, node: Node, context: Context) -> Any:
    return node if isinstance(node.value, dict) else wrong(shape, node, context)


def _list(shape: ListShape, node: Node, context: Context) -> Any:
    if not isinstance(node.value, list):
        return wrong(shape, node, context)
    if context.partial:  # lists replace when they are merged, so what stands in one is complete
        context = replace(context, partial=False)
    stated = [convert(shape.item, item, context) for item in node.value]
    if any(item is INVALID for item in stated):
        return INVALID
    if expected := outside(stated, shape.bounds):
        return wrong(shape, node, context, expected)
    return shape.make([item for item in stated if item is not ABSENT])


def _map(shape: MapShape, node: Node, context: Context) -> Any:
    if not isinstance(node.value, dict):
        return wrong(shape, node, context)
    built: dict[Any, Any] = {}
    valid = True
    for text, child in node.value.items():
        if shape.named and text.startswith(EXTENSION):
            continue
        there = is_there(shape.value, child, context)
        key = convert(shape.key, key_node(text, child), context)
        value = convert(shape.value, child, context if there else replace(context, lenient=True))
        if there and INVALID in (key, value):
            valid = False
        elif there:
            built[key] = value
    return built if valid else INVALID


def is_there(shape: Shape, node: Node, context: Context) -> bool:
    """Whether an entry of a mapping counts: one of a `shape` that can be switched off may be."""
    return not (isinstance(shape, StructShape) and "enabled" in shape.fields) or is_enabled(node, context)


def is_enabled(node: Node, context: Context) -> bool:
    """By its `enabled`; with a wrong one it is."""
    child = node.value.get("enabled") if isinstance(node.value, dict) else None
    return child is None or convert(_BOOL, child, replace(context, report=Report())) is not False


def key_node(text: str, child: Node) -> Node:
    """The key of `child` as a node of its own, to be typed like a value."""
    line, column = child.key or (child.line, child.column)
    key = Node(text, child.source, line, column)
    key.text = text
    key.parent, key.step = child.parent, child.step
    return key


def _struct(shape: StructShape, node: Node, context: Context) -> Any:
    if not isinstance(node.value, dict):
        return wrong(shape, node, context)
    values: dict[str, Any] = {}
    valid = True
    context = _as_to_secrets(shape, node.value.get(_ON_MISSING_SECRET), context)
    for key, child in node.value.items():
        entry = shape.fields.get(key)
        if entry is None:
            valid &= key.startswith(EXTENSION) or unknown_key(shape, shape.fields, child, context)
        elif child.value is not None or _takes_null(entry.shape):  # else, as in a merge, nothing is there
            values[entry.name] = convert(entry.shape, child, context)
            valid &= values[entry.name] is not INVALID
    if context.partial:
        return INVALID
    for key, entry in shape.fields.items():
        if entry.required and entry.name not in values:
            context.report.add(node, f"`{key}` is missing; expected {entry.shape.words}", at_key=True)
            valid = False
    return _built(shape, values, node, context) if valid else INVALID


def _as_to_secrets(shape: StructShape, said: Node | None, context: Context) -> Context:
    """What a policy says of secrets that are not there: only a developer goes on without them."""
    if said is None or said.value != "allow" or _ON_MISSING_SECRET not in shape.fields:
        return context
    if context.environment != DEVELOPMENT:
        message = (
            "`allow` would let everybody in once a secret is missing, and is refused even where none is; "
            "expected reject, or the option --env dev, or a variable that developers set: "
            "${ON_MISSING_SECRET:-reject}"
        )
        context.report.add(said, message)
        return context
    return replace(context, secrets_may_be_absent=not context.lenient)


def _built(shape: StructShape, values: dict[str, Any], node: Node, context: Context) -> Any:
    try:
        built = shape.type(**values)
    except ValueError as error:
        context.report.add(node, str(error), at_key=True)
        return INVALID
    check: Callable[[], Iterator[tuple[str, str]]] | None = getattr(built, "check", None)
    if check is None:
        return built
    valid = True
    for path, message in check():
        at = located(node, path)
        context.report.add(_in_file(at, path, context) if isinstance(path, PlaceInFile) else at, message)
        valid = False
    return built if valid else INVALID


def _in_file(node: Node, path: PlaceInFile, context: Context) -> Node:
    """What is meant in the file that `node` names, parsed again since its nodes are not kept."""
    file = node.source.directory / str(node.value)
    try:
        data = read_document(file, context.read)
    except ValueError:  # gone in between
        return node
    source = Source(str(file), "", file.parent)
    document = parse(data, source, Report())
    context.report.conceal(source)  # which of it is secret was told of its first nodes
    return node if document is None else located(document, path.inside)


def located(node: Node, path: str) -> Node:
    """What stands at `path`, such as `half_open.probes` or `keys[1]`, or around it where it is absent."""
    value = node.value
    if isinstance(value, dict):
        for key in sorted(value, key=len, reverse=True):  # a key may have a dot in it
            rest = path.removeprefix(key)
            if path.startswith(key) and (not rest or rest[0] in ".["):
                return located(value[key], rest.removeprefix("."))
    elif isinstance(value, list) and (index := _INDEX.match(path)) and int(index[1]) < len(value):
        return located(value[int(index[1])], path[index.end() :].removeprefix("."))
    return node


def _takes_null(shape: Shape) -> bool:
    return isinstance(shape, AnyShape) or (isinstance(shape, UnionShape) and shape.nullable)


def _union(shape: UnionShape, node: Node, context: Context) -> Any:
    if node.value is None:
        return None if shape.nullable else wrong(shape, node, context)
    suited = [option for option in shape.options if _suits(option, node)]
    if not suited:
        return wrong(shape, node, context)
    if isinstance(node.value, dict):
        # Several schemas: the one that the keys speak for says what is wrong.
        suited.sort(key=lambda option: -_known_keys(option, node.value))
        return convert(suited[0], node, context)
    for option in suited if len(suited) > 1 else ():
        value = convert(option, node, replace(context, report=Report()))
        if value is not INVALID:
            return convert(option, node, context)
    return convert(suited[0], node, context) if len(suited) == 1 else wrong(shape, node, context)


def _suits(option: Shape, node: Node) -> bool:
    if isinstance(node.value, dict):
        return isinstance(option, StructShape | MapShape | AnyShape | SecretShape | PoliciesShape)
    if isinstance(node.value, list):
        is_set = isinstance(option, UnitShape) and issubclass(cast("type", option.unit), frozenset)
        return is_set or isinstance(option, ListShape | AnyShape)
    return not isinstance(option, StructShape | MapShape | ListShape)


def _known_keys(option: Shape, entries: Any) -> int:
    return sum(key in option.fields for key in entries) if isinstance(option, StructShape) else 0


_CONVERTERS: dict[type[Shape], Callable[[Any, Node, Context], Any]] = {
    AnyShape: _any,
    PoliciesShape: _policies,
    ScalarShape: scalar,
    UnitShape: _unit,
    SecretShape: secret,
    LiteralShape: literal,
    ListShape: _list,
    MapShape: _map,
    StructShape: _struct,
    UnionShape: _union,
}
