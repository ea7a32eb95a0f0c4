"""Which values of a schema differ, where both are typed and each knows where it stands.

Typed values decide, so that `60s` and `1m` are the same; what a file says is what is shown.
Entries of a list that have an `id` or a `name` are told apart by it, others by their place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Literal, NamedTuple, cast

import msgspec

from proxy.config.documents import Document
from proxy.config.effective import DEFAULT, values
from proxy.config.nodes import Node, spell_step
from proxy.config.secrets import Secret
from proxy.config.shapes import ListShape, MapShape, Shape, StructShape, UnionShape, UnitShape, struct_shape
from proxy.config.spelling import fields_of, spelled

Change = Literal["added", "removed", "changed"]

HIDDEN = "***"
_INDEX = re.compile(r"\[\d+\]\Z")


Standing = tuple[msgspec.Struct, Node]
"""A typed value and where it stands."""


class Leaf(NamedTuple):
    """One value in force."""

    shown: Any
    """As it would stand in a file; `***` for what may not be shown."""
    typed: Any
    given: bool
    """A file says so; else it is a default."""


class Changed(NamedTuple):
    """One value that differs; None where there is none."""

    path: str
    kind: Change
    before: Any
    after: Any
    secret: bool = False


class Leaves:
    """All values of one struct, by path, and the entries of its lists and mappings."""

    def __init__(self, config: msgspec.Struct, node: Node) -> None:
        self.entries: set[str] = set()
        self.by_path: dict[str, Leaf] = {}
        self.secrets: dict[str, list[Secret]] = {}
        """Those under each path: a list of them has no order that would matter to who reads this."""
        typed = {raw.removeprefix("."): (path, value) for raw, path, value in self._parts(config, "", "")}
        for raw, shown, origin in values(type(config), node):
            path, value = typed.get(raw, (raw, shown))
            path = path.removeprefix(".")
            if secrets := _secrets(value):
                self.secrets.setdefault(_INDEX.sub("", path), []).extend(secrets)
            else:
                self.by_path[path] = Leaf(shown, value, origin != DEFAULT)

    def given(self) -> dict[str, Any]:
        """What files say of it, as shown."""
        said = {path: leaf.shown for path, leaf in self.by_path.items() if leaf.given}
        return said | dict.fromkeys(self.secrets, HIDDEN)

    def _parts(self, value: Any, raw: str, path: str) -> Iterator[tuple[str, str, Any]]:
        """Every part of `value`: its path by place, its path by name, and itself."""
        yield raw, path, value
        if isinstance(value, msgspec.Struct):
            for info in fields_of(type(value)):
                step = spell_step(info.encode_name)
                yield from self._parts(getattr(value, info.name), raw + step, path + step)
        elif isinstance(value, dict):
            for key, item in value.items():
                step = spell_step(str(key))
                yield from self._entry(item, raw + step, path + step)
        elif isinstance(value, list | tuple):
            for (index, item), name in zip(enumerate(value), _names(value), strict=True):
                yield from self._entry(item, raw + spell_step(index), f"{path}[{name}]")

    def _entry(self, value: Any, raw: str, path: str) -> Iterator[tuple[str, str, Any]]:
        if isinstance(value, msgspec.Struct):
            self.entries.add(path.removeprefix("."))
        return self._parts(value, raw, path)


def under(path: str, changed: Iterable[Changed]) -> Iterator[Changed]:
    """`changed`, as it stands under `path`."""
    for each in changed:
        yield each._replace(path=path + each.path if each.path.startswith("[") else f"{path}.{each.path}")


def compare(before: Standing, after: Standing) -> Iterator[Changed]:
    """What differs, in the order of the schema; first what is in `before`."""
    if _same(before[0], after[0]):
        return
    old, new = Leaves(*before), Leaves(*after)
    seen = [changed for path in {**old.by_path, **new.by_path} for changed in _value(path, old, new)]
    yield from seen
    for path in sorted(old.entries ^ new.entries):
        # An entry in which nothing is said, such as `{timeout: {}}`, has no value to tell of.
        if not any(changed.path.startswith(path) for changed in seen):
            yield Changed(path, "removed" if path in old.entries else "added", None, None)
    for path in {**old.secrets, **new.secrets}:
        yield from _secret(path, old.secrets.get(path, []), new.secrets.get(path, []))


def _value(path: str, before: Leaves, after: Leaves) -> Iterator[Changed]:
    old, new = before.by_path.get(path), after.by_path.get(path)
    if old is not None and new is not None:
        yield from _both(path, old, new)
        return
    shown_old, shown_new = (leaf.shown if leaf and leaf.given else None for leaf in (old, new))
    if shown_old is not None or shown_new is not None:
        yield Changed(path, "added" if shown_old is None else "removed", shown_old, shown_new)


def _both(path: str, old: Leaf, new: Leaf) -> Iterator[Changed]:
    same_contents = _contents(old.typed) == _contents(new.typed)
    if _as_json(old.shown) == _as_json(new.shown):
        hidden = HIDDEN in str(new.shown) and old.typed != new.typed
        if hidden or not same_contents:
            yield Changed(path, "changed", old.shown, new.shown, secret=hidden)
    elif not (same_contents and _alike(old.typed, new.typed)):
        kind: Change = "added" if old.shown is None else "removed" if new.shown is None else "changed"
        yield Changed(path, kind, old.shown, new.shown)


def _secret(path: str, before: list[Secret], after: list[Secret]) -> Iterator[Changed]:
    if before == after:
        return
    gone, new = any(one not in after for one in before), any(one not in before for one in after)
    kind: Change = "added" if new and not gone else "removed" if gone and not new else "changed"
    yield Changed(path, kind, HIDDEN if before else None, HIDDEN if after else None, secret=True)


def _secrets(value: Any) -> list[Secret]:
    items = value if isinstance(value, list | tuple) else [value]
    return list(items) if all(isinstance(item, Secret) for item in items) else []


def _names(items: list[Any] | tuple[Any, ...]) -> list[str]:
    """What tells the entries of a list apart."""
    names = [getattr(item, "id", None) or getattr(item, "name", None) for item in items]
    distinct = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    return [str(name) for name in names] if distinct else [str(index) for index in range(len(items))]


def _same(one: msgspec.Struct, other: msgspec.Struct) -> bool:
    """Nothing differs, as far as can be told at once."""
    return one == other and repr(one) == repr(other) and not _reads_documents(type(one))


@cache
def _reads_documents(struct: type[msgspec.Struct]) -> bool:
    return _names_documents(struct_shape(struct))


def _names_documents(shape: Shape) -> bool:
    """Some field stands for what is in another file."""
    if isinstance(shape, UnitShape):
        return issubclass(cast("type", shape.unit), Document)
    if isinstance(shape, StructShape):
        return any(_names_documents(entry.shape) for entry in shape.fields.values())
    if isinstance(shape, UnionShape):
        return any(map(_names_documents, shape.options))
    inner = (
        shape.item if isinstance(shape, ListShape) else shape.value if isinstance(shape, MapShape) else None
    )
    return inner is not None and _names_documents(inner)


def _contents(value: Any) -> list[Any]:
    """Of the files that are policy files of their own: what stands in them."""
    items = value if isinstance(value, list | tuple) else [value]
    return [item.content for item in items if isinstance(item, Document)]


def _alike(one: Any, other: Any) -> bool:
    if one != other:
        return False
    # To Python 1 and true are the same, to who reads JSON they are not.
    return isinstance(one, frozenset) or _as_json(one) == _as_json(other)


def _as_json(value: Any) -> str:
    return json.dumps(spelled(value), sort_keys=True)
