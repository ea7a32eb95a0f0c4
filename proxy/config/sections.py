"""What stands under the top-level keys of all files together, each where it belongs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

import msgspec

from proxy.config.configuration import Kind
from proxy.config.context import INVALID, Context, hide, unknown_key, unresolved, wrong
from proxy.config.model import PolicyFile
from proxy.config.nodes import Node, quoted
from proxy.config.patterns import Name
from proxy.config.shapes import Shape, shape_of, struct_shape
from proxy.config.typed import EXTENSION, convert, key_node, to_struct
from proxy.config.uses import kinds_in

S = TypeVar("S", bound=msgspec.Struct)

_FILE = struct_shape(PolicyFile)
_NAME = shape_of(Name)
_MAPPING = Shape("a mapping")
_LISTS = {"routes": Shape("a list of routes"), "tests": Shape("a list of tests")}


class Sections:
    """Collects from one document after the other, and reports what cannot be collected."""

    def __init__(self, kinds: Mapping[str, Kind], context: Context) -> None:
        self._kinds = kinds
        self._context = context
        self._report = context.report
        self.once: dict[str, Node] = {}
        """Top-level key -> its value, for keys that stand in one file only."""
        self.upstreams: dict[str, Node] = {}
        self.definitions: dict[str, dict[str, Node]] = {}
        self.defaults: dict[Node, Node] = {}
        """Document -> what it says under `defaults`."""
        self.routes: dict[Node, list[Node]] = {}
        """Document -> what stands in its list of routes."""
        self.tests: list[Node] = []

    def add(self, document: Node) -> None:
        """All that stands in `document`."""
        if not isinstance(document.value, dict):
            wrong(_FILE, document, self._context, "a mapping that begins with `version: 1`")
            return
        self.routes[document] = []
        for key, child in document.value.items():
            if key not in _FILE.fields:
                if not key.startswith(EXTENSION):
                    unknown_key(_FILE, _FILE.fields, child, self._context)
            elif key != "version" and child.value is not None and not unresolved(child, self._context):
                self._section(document, key, child)
        version = document.value.get("version")
        if version is None:
            self._report.add(document, "`version` is missing; expected `version: 1`")
        else:
            convert(_FILE.fields["version"].shape, version, self._context)

    def typed(self, key: str, struct: type[S]) -> S | None:
        """The section `key`, as it is by default where no file has it; None where it has problems."""
        node = self.once.get(key)
        return struct() if node is None else to_struct(struct, node, self._context)

    def _section(self, document: Node, key: str, child: Node) -> None:
        expected = _LISTS.get(key, _MAPPING)
        if not isinstance(child.value, list if key in _LISTS else dict):
            wrong(expected, child, self._context)
        elif isinstance(child.value, list):
            if key == "tests":
                self.tests += child.value
            else:
                self.routes[document] = child.value
        elif key == "defaults":
            self.defaults[document] = child
        elif key == "upstreams":
            self._named(self.upstreams, child, "the upstream")
        elif key == "policies":
            self._definitions(child)
        elif self._is_first(self.once, key, child, f"`{key}`"):
            self.once[key] = child

    def _definitions(self, node: Node) -> None:
        for kind, child in kinds_in(node, self._kinds, self._report).items():
            if isinstance(child.value, dict):
                self._named(self.definitions.setdefault(kind, {}), child, f"the {kind} policy")
            elif child.value is not None:
                hide(struct_shape(self._kinds[kind].config), child, self._context)
                wrong(Shape("a mapping of names"), child, self._context)

    def _named(self, known: dict[str, Node], node: Node, what: str) -> None:
        for name, child in _entries(node):
            if name.startswith(EXTENSION):
                continue
            valid = convert(_NAME, key_node(name, child), self._context) is not INVALID
            if not valid:
                self._report.mask_untyped(child)
            elif self._is_first(known, name, child, f"{what} {quoted(name)}"):
                known[name] = child

    def _is_first(self, known: Mapping[str, Node], key: str, child: Node, what: str) -> bool:
        if key not in known:
            return True
        self._report.mask_untyped(child)
        first = known[key]
        self._report.add(child, f"{what} stands in {first.key_place} already; expected once", at_key=True)
        return False


def _entries(node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node.value, dict):
        yield from node.value.items()
