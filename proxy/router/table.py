"""Finds the rule for a request, at the same cost among ten routes and among a thousand.

A path is looked up in a tree of segments, once as it is written and once as a lenient
upstream reads it (`paths` says why); what it can be is kept while it is asked for. Rules
that stand on one and the same path are tried one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

from proxy.errors import Rejection
from proxy.headers import Headers
from proxy.router.paths import REMEMBERED_LENGTH, REMEMBERED_PATHS, fold
from proxy.router.rules import About, Entry, Found, Rule, imply_head

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Missing:
    """No route. `allowed` are the methods that would have one: 405 where there are any, else 404."""

    allowed: tuple[str, ...] = ()


_NOTHING = Missing()


class RoutingTable(Generic[T]):
    """All routes of one revision. Raises ValueError as `Rule` does."""

    def __init__(self, entries: Iterable[Entry[T]]) -> None:
        rules = [Rule(entry, number) for number, entry in enumerate(entries)]
        rules.sort(key=lambda rule: rule.rank)
        imply_head(rules)
        look_up = _lookup(rules)
        # What a policy file spells out can't be pushed out of memory by what clients ask for.
        self._spelled = {rule.match.path: look_up(rule.match.path) for rule in rules if rule.exact}
        self._remembered = lru_cache(REMEMBERED_PATHS)(look_up)
        self._look_up = look_up

    def find(
        self,
        method: str,
        host: str,
        path: str,
        query: str,
        headers: Headers,
        preflight_method: str | None = None,
    ) -> Found[T] | Missing:
        """The route of a request, or which methods would have one.

        `path` comes from `normalize`; `host` is in lower case and without its port; `query`
        is as it came. `preflight_method` is the method that a CORS preflight announces, and
        None for other requests. Raises Rejection (400, `request.path`) for a path that a
        lenient upstream would take for that of another route.
        """
        reading = self._spelled.get(path)
        if reading is None:
            reading = self._remembered(path) if len(path) <= REMEMBERED_LENGTH else self._look_up(path)
        asked = method if preflight_method is None else preflight_method
        if reading.likely is not None and (not reading.methods or asked in reading.methods):
            return reading.likely
        about = About(asked, host, query, headers if preflight_method is None else None)
        rule = _first(reading.leaves, about)
        if rule is None:
            return _missing(reading.leaves, about)
        if reading.lenient is not None:
            _must_agree(rule, _first(reading.lenient, about))
        return rule.found(reading.segments)


_Leaf = tuple[int, list[Rule[T]]]
"""The rules of one path, the most specific in front; and where the path's rank is among all."""


class _Node(Generic[T]):
    """A place in the tree of segments."""

    __slots__ = ("below", "here", "literals", "param")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.param: _Node[T] | None = None
        self.here: _Leaf[T] | None = None
        self.below: _Leaf[T] | None = None

    def add(self, segments: Sequence[str | None], rule: Rule[T], order: int) -> None:
        """Put `rule` where its path ends. Rules come in the order of their rank."""
        node = self
        for segment in segments:
            if segment is not None:
                node = node.literals.setdefault(segment, _Node())
            else:
                node.param = node = node.param or _Node()
        if rule.below:
            node.below = node.below or (order, [])
            node.below[1].append(rule)
        else:
            node.here = node.here or (order, [])
            node.here[1].append(rule)

    def leaves(self, segments: Sequence[str]) -> list[_Leaf[T]]:
        """All that match a path, the most specific in front."""
        found: list[_Leaf[T]] = []
        self._collect(segments, 0, found)
        if len(found) > 1:
            found.sort()  # no two have the same order, so that it compares only that
        return found

    def _collect(self, segments: Sequence[str], start: int, found: list[_Leaf[T]]) -> None:
        node = self
        for at in range(start, len(segments)):
            if node.below is not None:
                found.append(node.below)
            segment = segments[at]
            deeper = node.literals.get(segment)
            if node.param is not None and segment:
                if deeper is not None:
                    node.param._collect(segments, at + 1, found)  # noqa: SLF001  # of the same tree
                else:
                    deeper = node.param
            if deeper is None:
                return
            node = deeper
        if node.here is not None:
            found.append(node.here)
        if node.below is not None:
            found.append(node.below)


class _Reading(Generic[T]):
    """What a path can be."""

    __slots__ = ("leaves", "lenient", "likely", "methods", "segments")

    def __init__(self, leaves: list[_Leaf[T]], lenient: list[_Leaf[T]] | None, segments: list[str]) -> None:
        self.leaves = leaves
        self.lenient = lenient
        """What it is to a lenient upstream, where that is something else."""
        self.segments = segments
        self.likely: Found[T] | None = None
        """The answer, where it depends on nothing but path and method..."""
        self.methods: frozenset[str] = frozenset()
        """...and this is the method, or any where this is empty."""
        if leaves and lenient is None:
            first = leaves[0][1][0]
            if first.open:
                self.likely = first.found(segments)
                self.methods = first.methods


def _lookup(rules: Sequence[Rule[T]]) -> Callable[[str], _Reading[T]]:
    # A function, since a cache of the table's own method would keep the table alive.
    strict: _Node[T] = _Node()
    lenient: _Node[T] = _Node()
    for order, rule in enumerate(rules):
        strict.add(rule.segments, rule, order)
        lenient.add(rule.shape[0], rule, order)
    alike = all(rule.segments in (rule.shape[0], ("",)) for rule in rules)
    # What is deeper than any rule is left in one piece, so that a thousand slashes cost nothing.
    depth = max((len(rule.segments) for rule in rules), default=0)

    def look_up(path: str) -> _Reading[T]:
        written = path[1:]
        segments = written.split("/", depth)
        leaves = strict.leaves(segments)
        folded = fold(written)
        if alike and folded == written:
            return _Reading(leaves, None, segments)
        read = lenient.leaves(folded.split("/", depth) if folded else ())
        same = _shapes(leaves) == _shapes(read)
        return _Reading(leaves, None if same else read, segments)

    return look_up


def _shapes(leaves: Sequence[_Leaf[T]]) -> list[object]:
    return [rule.shape for _, rules in leaves for rule in rules]


def _first(leaves: Sequence[_Leaf[T]], about: About) -> Rule[T] | None:
    for _, rules in leaves:
        for rule in rules:
            if (not rule.methods or about.method in rule.methods) and (rule.open or rule.admits(about)):
                return rule
    return None


def _missing(leaves: Sequence[_Leaf[T]], about: About) -> Missing:
    allowed = {name for _, rules in leaves for rule in rules if rule.admits(about) for name in rule.methods}
    return Missing(tuple(sorted(allowed))) if allowed else _NOTHING


def _must_agree(written: Rule[T], read: Rule[T] | None) -> None:
    if read is None or read.shape != written.shape:
        raise Rejection(
            400,
            "request.path",
            "The path can be read as that of another route; write it as that route does.",
            cause=f"as written it is {written.match.path}, to a lenient upstream "
            + (f"it is {read.match.path}" if read else "it has no route"),
        )
