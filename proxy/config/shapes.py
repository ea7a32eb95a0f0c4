"""Schemas taken apart once: what the types of a struct's fields mean in a policy file.

Typing, the JSON Schema and `seawall effective` all read shapes, so that they cannot
disagree about what a file may say.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta

from proxy.config.model import PolicyDefinitions, PolicyUses
from proxy.config.patterns import Name
from proxy.config.schema import Choice, PolicyConfig
from proxy.config.secrets import PublicText, Secret
from proxy.config.units import Duration, FilePath, HeaderValue, Share, Size, Unit
from proxy.config.upstream_url import UpstreamUrl

_SCALARS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_SEQUENCES: dict[Any, Callable[[Sequence[Any]], Any]] = {list: list, tuple: tuple, frozenset: frozenset}


@dataclass(frozen=True, slots=True)
class Shape:
    """What may stand somewhere; `words` name it to an operator."""

    words: str
    secret: bool = field(default=False, kw_only=True)
    """Somewhere in it a secret stands."""


@dataclass(frozen=True, slots=True)
class AnyShape(Shape):
    """Whatever YAML gives."""


@dataclass(frozen=True, slots=True)
class PoliciesShape(Shape):
    """Policies, which the loader types."""

    marker: type


@dataclass(frozen=True, slots=True)
class ScalarShape(Shape):
    """true or false, a number, text."""

    type: Any
    bounds: Meta | None


@dataclass(frozen=True, slots=True)
class UnitShape(Shape):
    """A type that parses itself."""

    unit: type[Unit]
    bounds: Meta | None


@dataclass(frozen=True, slots=True)
class SecretShape(Shape):
    """A reference to a secret, or to a text that anybody may see (`secret` is false then)."""


@dataclass(frozen=True, slots=True)
class LiteralShape(Shape):
    """One of a few values."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ListShape(Shape):
    """A list; `make` is the type to build of it."""

    item: Shape
    make: Callable[[Sequence[Any]], Any]
    bounds: Meta | None


@dataclass(frozen=True, slots=True)
class MapShape(Shape):
    """A mapping with keys of the operator's choice."""

    key: Shape
    value: Shape
    named: bool
    """The keys are names that policy files give, among which `x-` keys are free."""


@dataclass(frozen=True, slots=True)
class FieldShape:
    """One key of a struct."""

    name: str
    shape: Shape
    required: bool
    default: Any
    description: str


@dataclass(frozen=True, slots=True)
class StructShape(Shape):
    """A mapping with the keys of a schema."""

    type: type[msgspec.Struct]
    fields: dict[str, FieldShape]

    @property
    def choice(self) -> bool:
        """One of its keys stands there, and no other."""
        return issubclass(self.type, Choice)


@dataclass(frozen=True, slots=True)
class UnionShape(Shape):
    """One of several."""

    options: tuple[Shape, ...]
    nullable: bool


@cache
def struct_shape(struct: type[msgspec.Struct]) -> StructShape:
    """The shape of a schema. Raises TypeError for a type that no policy file can hold."""
    fields = {}
    for info in msgspec.structs.fields(struct):
        default = info.default_factory() if info.default_factory is not NODEFAULT else info.default
        description = " ".join(meta.description for meta in _metas(info.type) if meta.description)
        shape = shape_of(info.type)
        fields[info.encode_name] = FieldShape(info.name, shape, info.required, default, description)
    secret = any(entry.shape.secret for entry in fields.values())
    return StructShape("a mapping", struct, fields, secret=secret)


def shape_of(annotation: Any, bounds: Meta | None = None) -> Shape:
    """The shape of a field's type; `bounds` come from an `Annotated` around it."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        given = [meta for meta in _metas(annotation) if _bounds(meta)]
        return shape_of(args[0], given[0] if given else bounds)
    if origin in (Union, types.UnionType):
        return _union(args, bounds)
    if origin is Literal:
        return LiteralShape(either([_spelled(value) for value in args]), args)
    if origin in _SEQUENCES:
        item = shape_of(args[0])
        return ListShape("a list", item, _SEQUENCES[origin], bounds, secret=item.secret)
    if origin is dict:
        value = shape_of(args[1])
        return MapShape("a mapping", shape_of(args[0]), value, args[0] is Name, secret=value.secret)
    return _plain(annotation, bounds)


def either(words: Sequence[str]) -> str:
    """`a, b or c`."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def spelled_bound(shape: UnitShape | ScalarShape, bound: Any) -> str:
    """A bound as an operator would write it: `1s`, `20%`, `3`."""
    unit: Any = shape.unit if isinstance(shape, UnitShape) else None
    if unit is None:
        return str(bound)
    if issubclass(unit, Share):
        return f"{bound * 100:g}%"
    return f"{bound:g}" + ("s" if issubclass(unit, Duration) else "B" if issubclass(unit, Size) else "")


def hides(shape: Shape, *, interpolated: bool) -> bool:
    """A scalar of this shape is never shown: a secret, or a header's value out of the environment."""
    if isinstance(shape, UnionShape):
        return any(hides(option, interpolated=interpolated) for option in shape.options)
    header = isinstance(shape, UnitShape) and issubclass(shape.unit, HeaderValue)
    return (isinstance(shape, SecretShape | UnitShape) and shape.secret) or (header and interpolated)


def is_url(shape: Shape) -> bool:
    """What stands before an `@` in it is not shown."""
    if isinstance(shape, UnionShape):
        return any(map(is_url, shape.options))
    return isinstance(shape, UnitShape) and issubclass(shape.unit, UpstreamUrl)


def secret_names(shape: Shape) -> frozenset[str]:
    """The keys under which secrets stand, at any depth."""
    if isinstance(shape, StructShape):
        nested = [secret_names(entry.shape) for entry in shape.fields.values()]
        own = {
            key for key, entry in shape.fields.items() if entry.shape.secret and not secret_names(entry.shape)
        }
        return frozenset(own).union(*nested)
    if isinstance(shape, UnionShape):
        return frozenset[str]().union(*map(secret_names, shape.options))
    if isinstance(shape, ListShape):
        return secret_names(shape.item)
    return secret_names(shape.value) if isinstance(shape, MapShape) else frozenset()


def _plain(annotation: Any, bounds: Meta | None) -> Shape:
    if annotation is Any:
        return AnyShape("anything")
    if annotation in _SCALARS:
        return ScalarShape(_bounded(_SCALARS[annotation], bounds), annotation, bounds)
    if annotation in (Secret, PublicText):
        secret = annotation is Secret
        return SecretShape(
            "text, " * (not secret) + "{env: NAME}, {file: path} or {sealed: TEXT}", secret=secret
        )
    if annotation in (PolicyUses, PolicyDefinitions):
        return PoliciesShape("a mapping", annotation)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        shape = struct_shape(annotation)
        return _inner_policy(shape) if issubclass(annotation, PolicyConfig) else shape
    if isinstance(annotation, type) and isinstance(annotation, Unit):
        unit: Any = annotation
        words = "a file" if issubclass(unit, FilePath) else "a value"
        hidden = getattr(unit, "hidden", False)
        return UnitShape(f"{words} such as {unit.example}", unit, bounds, secret=hidden)
    raise TypeError(f"a policy file cannot hold {annotation!r}")


def _inner_policy(shape: StructShape) -> StructShape:
    """A policy within another has that one's mode, and none of its own."""
    return replace(shape, fields={key: entry for key, entry in shape.fields.items() if key != "mode"})


def _union(args: Sequence[Any], bounds: Meta | None) -> Shape:
    options = tuple(shape_of(arg, bounds) for arg in args if arg is not type(None))
    nullable = len(options) < len(args)
    secret = any(option.secret for option in options)
    words = list(dict.fromkeys(option.words for option in options))
    return UnionShape(either(words), options, nullable, secret=secret)


def _metas(annotation: Any) -> list[Meta]:
    return (
        [meta for meta in get_args(annotation)[1:] if isinstance(meta, Meta)]
        if _annotated(annotation)
        else []
    )


def _annotated(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated


def _bounds(meta: Meta) -> bool:
    numbers = (meta.gt, meta.ge, meta.lt, meta.le, meta.min_length, meta.max_length)
    return meta.pattern is not None or any(bound is not None for bound in numbers)


def _bounded(words: str, bounds: Meta | None) -> str:
    if bounds is None:
        return words
    if bounds.ge is not None and bounds.le is not None:
        return f"{words} from {bounds.ge} to {bounds.le}"
    limits = (
        ("of at least", bounds.ge),
        ("above", bounds.gt),
        ("of at most", bounds.le),
        ("below", bounds.lt),
    )
    given = [f"{what} {bound}" for what, bound in limits if bound is not None]
    return f"{words} {' and '.join(given)}" if given else words


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
