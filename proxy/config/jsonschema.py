"""The JSON Schema of policy files, from the same shapes as typing, for editors.

It allows what merging may complete and variables may fill in, so it says less than
`seawall check`; what it calls wrong is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Meta

from proxy.config.configuration import Kind
from proxy.config.model import PolicyFile, PolicyUses
from proxy.config.shapes import (
    AnyShape,
    FieldShape,
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
    struct_shape,
)
from proxy.config.spelling import spelled
from proxy.config.units import StatusSet

Json = dict[str, Any]

_EXTENSIONS: Json = {"^x-": {}}
_VARIABLE: Json = {
    "type": "string",
    "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(\.\.\.)?(:-[^{}]*)?\}",
    "description": "Filled in from the environment: ${NAME} or ${NAME:-default}; in a list, ${NAME...}.",
}
_SECRET: Json = {
    "type": "object",
    "description": "A reference to a secret.",
    "properties": {
        "env": {"type": "string", "description": "Name of a variable of the environment."},
        "file": {"type": "string", "description": "A file; a relative path starts beside this one."},
        "sealed": {"type": "string", "description": "The secret, as `seawall seal` encrypted it."},
    },
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
_NULL: Json = {"type": "null", "description": "Removes what a default or a named policy says."}
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}
_BOUNDS = (
    ("ge", "minimum"),
    ("gt", "exclusiveMinimum"),
    ("le", "maximum"),
    ("lt", "exclusiveMaximum"),
    ("pattern", "pattern"),
    ("min_length", "minLength"),
    ("max_length", "maxLength"),
)


def json_schema(kinds: Sequence[Kind]) -> Json:
    """Draft 2020-12, for one file; `kinds` are all kinds of policies."""
    document = _schema(struct_shape(PolicyFile))
    # The url of `app` may come from the command line.
    del document["properties"]["upstreams"]["additionalProperties"]["required"]
    uses = {kind.name: _ref(f"{kind.name}.use") for kind in kinds}
    definitions = {kind.name: _named({"anyOf": [_ref(kind.name), *_scalars(kind)]}) for kind in kinds}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Seawall policy file",
        **document,
        "$defs": {
            "variable": _VARIABLE,
            "secret": _SECRET,
            "uses": _object(uses),
            "definitions": _object(definitions),
            **{name: schema for kind in kinds for name, schema in _policy(kind)},
        },
    }


def _policy(kind: Kind) -> Iterable[tuple[str, Json]]:
    """The fields of a kind, none of them required, since a default may have it; and its uses."""
    shape = struct_shape(kind.config)
    fields = {key: _nullable(_field(field)) for key, field in shape.fields.items()}
    yield kind.name, _object(fields)
    use = {"use": {"type": ["string", "null"], "description": f"A name under policies.{kind.name}."}}
    name = {"name": {"type": "string", "description": "Tells the state of this entry from that of others."}}
    text: Json = {"type": "string", "description": f"A name under policies.{kind.name}."}
    single = [_object({**use, **fields}), *_scalars(kind), text]
    entry = [_object({**use, **name, **fields}), *_scalars(kind), text]
    yield f"{kind.name}.use", {"anyOf": [*single, {"type": "array", "items": {"anyOf": entry}}, _NULL]}


def _scalars(kind: Kind) -> list[Json]:
    """What a bare value may be, where the kind has a field for it."""
    return [_field(struct_shape(kind.config).fields[kind.scalar])] if kind.scalar else []


def _schema(shape: Shape) -> Json:
    schema: Json = _WRITERS[type(shape)](shape)
    return schema


def _any(_: AnyShape) -> Json:
    return {}


def _policies(shape: PoliciesShape) -> Json:
    return _ref("uses" if shape.marker is PolicyUses else "definitions")


def _scalar(shape: ScalarShape) -> Json:
    schema = {"type": _TYPES[shape.type], **_bounds(shape.bounds)}
    return schema if schema == {"type": "string"} else _or_variable(schema)


def _unit(shape: UnitShape) -> Json:
    unit: Any = shape.unit
    # Python's patterns leave out lone surrogates, which JSON cannot hold and other engines refuse.
    pattern = unit.pattern.replace(r"\ud800-\udfff", "")
    schema: Json = {"type": "string", "pattern": pattern, "examples": [unit.example]}
    if getattr(unit, "as_written", False):
        return _or_variable({**schema, "type": ["string", "number", "boolean"]})
    if issubclass(unit, StatusSet):
        item = {"anyOf": [schema, {"type": "integer", "minimum": 100, "maximum": 599}, _ref("variable")]}
        return {"anyOf": [*item["anyOf"], {"type": "array", "items": item}]}
    return _or_variable(schema)


def _literal(shape: LiteralShape) -> Json:
    return _or_variable({"enum": list(shape.values)})


def _secret(shape: SecretShape) -> Json:
    return _ref("secret") if shape.secret else {"anyOf": [{"type": "string"}, _ref("secret")]}


def _list(shape: ListShape) -> Json:
    bounds = {key.replace("Length", "Items"): value for key, value in _bounds(shape.bounds).items()}
    return {"type": "array", "items": _schema(shape.item), **bounds}


def _map(shape: MapShape) -> Json:
    schema = {"type": "object", "additionalProperties": _schema(shape.value)}
    if isinstance(shape.key, UnitShape):
        schema["propertyNames"] = {"pattern": _unit(shape.key)["anyOf"][0]["pattern"]}
    return {**schema, "patternProperties": _EXTENSIONS} if shape.named else schema


def _struct(shape: StructShape) -> Json:
    schema = _object({key: _field(field) for key, field in shape.fields.items()})
    if shape.choice:
        schema |= {"minProperties": 1, "maxProperties": 1}
    required = [key for key, field in shape.fields.items() if field.required]
    return {**schema, "required": required} if required else schema


def _union(shape: UnionShape) -> Json:
    options: list[Json] = []
    for option in shape.options:
        schema = _schema(option)
        for alternative in schema["anyOf"] if set(schema) == {"anyOf"} else [schema]:
            if alternative not in options:
                options.append(alternative)
    if shape.nullable:
        options.append({"type": "null"})
    return {"anyOf": options}


def _field(field: FieldShape) -> Json:
    schema = _schema(field.shape)
    if field.description:
        schema = {"description": field.description, **schema}
    default = spelled(field.default) if not field.required else None
    return (
        schema if default in (None, {}, []) or isinstance(default, dict) else {**schema, "default": default}
    )


def _object(properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": _EXTENSIONS,
        "additionalProperties": False,
    }


def _named(schema: Json) -> Json:
    return {"type": "object", "patternProperties": _EXTENSIONS, "additionalProperties": schema}


def _nullable(schema: Json) -> Json:
    """In a policy, null removes what a default says."""
    outer: Json = {key: schema[key] for key in ("description", "default") if key in schema}
    inner = {key: value for key, value in schema.items() if key not in outer}
    options = inner["anyOf"] if set(inner) == {"anyOf"} else [inner]
    return {**outer, "anyOf": [*options, *([] if _NULL in options else [_NULL])]}


def _or_variable(schema: Json) -> Json:
    return {"anyOf": [schema, _ref("variable")]}


def _ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def _bounds(bounds: Meta | None) -> Json:
    given = {word: getattr(bounds, name) for name, word in _BOUNDS} if bounds else {}
    return {word: value for word, value in given.items() if value is not None}


_WRITERS: dict[type[Shape], Any] = {
    AnyShape: _any,
    PoliciesShape: _policies,
    ScalarShape: _scalar,
    UnitShape: _unit,
    LiteralShape: _literal,
    SecretShape: _secret,
    ListShape: _list,
    MapShape: _map,
    StructShape: _struct,
    UnionShape: _union,
}
