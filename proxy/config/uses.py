"""What a route says about a kind of policy, and what is meant by it.

A name, a bare value and a list are short for mappings: `per_client` is `{use: per_client}`,
`30s` is `{total: 30s}`. Then they are merged (RFC 7386), the later over the earlier:

1. the policy that `defaults` name, where the route names no other;
2. what `defaults` say beside it;
3. the policy that the route names;
4. what the route says beside it.

So a named policy is not changed by defaults that were written for others, a route that
names another policy gets nothing of the one that `defaults` name, and what stands in the
route counts most. A list in a route replaces what the defaults say. A mapping over a list
does too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from proxy.config.configuration import Kind
from proxy.config.context import INVALID, Context, hide, unresolved, wrong
from proxy.config.merge import standing_for, without
from proxy.config.nodes import Node, quoted
from proxy.config.patterns import Name
from proxy.config.report import Report, did_you_mean
from proxy.config.shapes import Shape, shape_of, struct_shape
from proxy.config.typed import EXTENSION, convert

_OWN_KEYS = frozenset(("use", "name"))
_NAME = shape_of(Name)


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """One entry of what a route or `defaults` say about a kind."""

    fields: Node
    """What it says itself: a mapping, with the place of the entry."""
    policy: str | None = None
    """The named policy that it uses."""
    drops_policy: bool = False
    """`use: null`: without the policy that `defaults` name."""
    label: str | None = None
    """Of an inline entry in a list: the last part of its state's name."""


Uses = Use | tuple[Use, ...]
"""One, or those of a list."""


def layers(use: Use, default: Use | None, definitions: Mapping[str, Node]) -> Iterator[Node]:
    """What is to be merged for `use`, the weakest first; at least one mapping."""
    inherited = policy_of(replace(use, policy=None), default)
    if inherited is not None and use.policy in (None, inherited):
        yield definitions[inherited]
    else:
        inherited = None
    if default is not None:
        yield default.fields
    if use.policy is not None and use.policy != inherited:
        yield definitions[use.policy]
    if use.fields.value or (use.policy is None and default is None):
        yield use.fields


def policy_of(use: Use, default: Use | None) -> str | None:
    """The named policy that is in force, to which the state belongs."""
    if use.policy is not None or use.drops_policy or default is None:
        return use.policy
    return default.policy


class UseReader:
    """Reads what stands under a kind, given the policies that are defined by name."""

    def __init__(self, definitions: Mapping[str, Mapping[str, Node]]) -> None:
        self._definitions = definitions
        self.used: set[tuple[str, str]] = set()
        """Kind and name of each definition that something refers to."""

    def read(self, kind: Kind, node: Node, context: Context) -> Uses | None:
        """The entries of `node`; None where there is a problem, which is reported then."""
        if not isinstance(node.value, list):
            return self._one(kind, node, context)
        entries = [self._one(kind, item, context, in_list=True) for item in node.value]
        found = tuple(entry for entry in entries if entry is not None)
        if len(found) < len(entries) or not _told_apart(found, context.report):
            return None
        return found

    def _one(self, kind: Kind, node: Node, context: Context, *, in_list: bool = False) -> Use | None:
        if unresolved(node, context):
            return None
        if isinstance(node.value, dict):
            return self._mapping(kind, node, context, in_list=in_list)
        if isinstance(node.value, str) and self._is_name(kind, node, context):
            known = self._known(kind, node, context)
            return Use(standing_for(node, {}), known) if known else None
        fields = scalar_fields(kind, node)
        if fields is None:
            hide(struct_shape(kind.config), node, context)
            wrong(_expected(kind), node, context)
            return None
        return Use(fields)

    def _mapping(self, kind: Kind, node: Node, context: Context, *, in_list: bool) -> Use | None:
        entries = node.value if isinstance(node.value, dict) else {}
        policy = None
        use, name = entries.get("use"), entries.get("name")
        if use is not None and use.value is not None:
            policy = None if unresolved(use, context) else self._known(kind, use, context)
            if policy is None:
                return None
        if name is None or not in_list:  # elsewhere `name` is an unknown key, and the schema says so
            own = without(node, frozenset(("use",)))
            return Use(own, policy, drops_policy=use is not None and policy is None)
        label = convert(_NAME, name, context)
        if policy is not None:
            why = f"`name` is for entries without `use`; expected none, since the state is that of {policy}"
            context.report.add(name, why, at_key=True)
            return None
        return None if label is INVALID else Use(without(node, _OWN_KEYS), label=label)

    def _is_name(self, kind: Kind, node: Node, context: Context) -> bool:
        """A text is a name where it is one, or cannot be the bare value that the kind allows."""
        known = self._definitions.get(kind.name, {})
        if kind.scalar is None or node.value in known:
            return True
        shape: Shape = struct_shape(kind.config).fields[kind.scalar].shape
        fits = convert(shape, node, replace(context, report=Report())) is not INVALID
        return bool(known) and not fits and "did you mean" in did_you_mean(node.text, known)

    def _known(self, kind: Kind, node: Node, context: Context) -> str | None:
        known = self._definitions.get(kind.name, {})
        if isinstance(node.value, str) and node.value in known:
            self.used.add((kind.name, node.value))
            return node.value
        shape = struct_shape(kind.config)
        hide(shape, node, context)
        what = quoted(node.text) if isinstance(node.value, str) and not shape.secret else "this"
        hint = (
            context.report.hint(node.text, known)
            or f"; expected a mapping, or a name under policies.{kind.name}"
        )
        context.report.add(node, f"{what} is not the name of a {kind.name} policy{hint}")
        return None


def _told_apart(entries: tuple[Use, ...], report: Report) -> bool:
    """The state of each entry of a list has a name of its own."""
    seen: set[tuple[str | None, str | None]] = set()
    inline = sum(entry.policy is None for entry in entries)
    for entry in entries:
        key = (entry.policy, entry.label)
        if key == (None, None) and inline > 1:
            why = "`name` is missing; expected one in each inline entry, to tell their states apart"
            report.add(entry.fields, why)
            return False
        if key in seen:
            twice = quoted(entry.policy or entry.label or "")
            report.add(entry.fields, f"{twice} stands twice; expected once")
            return False
        seen.add(key)
    return True


def scalar_fields(kind: Kind, node: Node) -> Node | None:
    """`30s` as `{total: 30s}`; None where the kind has no field for a bare value, or there is none."""
    if kind.scalar is None or node.value is None or isinstance(node.value, list | dict):
        return None
    return standing_for(node, {kind.scalar: node})


def kinds_in(node: Node, kinds: Mapping[str, Kind], report: Report) -> dict[str, Node]:
    """What stands under each kind in the mapping `node`; unknown kinds are reported."""
    entries = node.value if isinstance(node.value, dict) else {}
    known = {}
    for key, child in entries.items():
        if key in kinds:
            known[key] = child
        elif not key.startswith(EXTENSION):
            report.mask_untyped(child)
            report.add(child, f"unknown policy {quoted(key)}{report.hint(key, kinds)}", at_key=True)
    return known


def _expected(kind: Kind) -> Shape:
    names = "a name, a mapping or a list of them"
    return Shape(names if kind.scalar is None else f"a value for `{kind.scalar}`, {names}")
