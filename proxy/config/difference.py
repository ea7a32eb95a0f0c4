"""What differs between two configurations as they are in force: in words, and as data.

Policies are compared merged and typed, route by route, so that a changed default shows on
each route that has it; what differs in the same way on many routes is said once. Of files
that policies name, those that are policy files of their own (keys, say) are compared by what
stands in them, the others by their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from proxy.config.configuration import Configuration
from proxy.config.effective import DEFAULT
from proxy.config.instances import NO_ROUTE
from proxy.config.leaves import Change, Changed, compare, under
from proxy.config.model import MatchConfig
from proxy.config.nodes import Node, Source, spell_step
from proxy.config.route_changes import RouteChanges
from proxy.config.wording import edited, on_routes, routes_called, written

ROUTES = "routes"
_ONCE = ("clients", "request_id", "metrics", "health", "errors", "log")
_UNSAID: tuple[object, ...] = (None, {})
_NOTHING = Node({}, Source(DEFAULT, ""))


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs, on one route or on several."""

    kind: Change
    section: str
    """Top-level key: `routes` (also for what has no route), `upstreams`, `clients` and so on."""
    path: str
    """What differs there: `rate_limit.limit`, `match.path`, `app.url`; empty for a whole route."""
    before: Any = None
    """As it would stand in a file, of types that JSON has. None where there is nothing.

    Of a policy that is there in one configuration only: all that files say of it, by path.
    """
    after: Any = None
    routes: tuple[str, ...] = ()
    """On which routes, `no_route` among them, in file order; none where the section has no routes."""
    secret: bool = False
    """Neither value is shown."""

    def __str__(self) -> str:
        if self.secret or (self.before in _UNSAID and self.after in _UNSAID):
            return f"{self._subject()}: {'secret ' * self.secret}{self.kind}"
        if self.kind == "added":
            return f"{self._subject()} added: {written(self.after)}"
        if self.kind == "removed":
            return f"{self._subject()} {written(self.before)} → removed"
        return f"{self._subject()} {edited(self.before, self.after)}"

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        shown = {name: getattr(self, name) for name in self.__slots__}
        return {**shown, "routes": list(self.routes), "words": str(self)}

    def _subject(self) -> str:
        if not self.routes:
            return f"{self.section}.{self.path}" if self.path else self.section
        return f"{on_routes(self.routes)}: {self.path}" if self.path else routes_called(self.routes)


def changes(before: Configuration, after: Configuration) -> tuple[Difference, ...]:
    """All that is in force differently in `after`: routes in its order, then the other sections."""
    found: dict[object, Difference] = {}
    routes: dict[object, list[str]] = {}
    for each in (*_routes(before, after), *_sections(before, after)):
        key = (each.section, each.path, each.kind, repr((each.before, each.after)), each.secret)
        found.setdefault(key, each)
        routes.setdefault(key, []).extend(each.routes)
    return tuple(
        replace(each, routes=tuple(routes[key])) if each.routes else each for key, each in found.items()
    )


def in_words(differences: Sequence[Difference], most: int = 20) -> list[str]:
    """A line for each; of more than `most`, the first of them and how many more there are."""
    lines = [str(difference) for difference in differences[:most]]
    return lines if len(differences) <= most else [*lines, f"and {len(differences) - most} more"]


def _routes(before: Configuration, after: Configuration) -> Iterator[Difference]:
    old, new = ({route.name: route for route in each.routes} for each in (before, after))
    comparison = RouteChanges(before, after)
    gone = {_matched(route.match): route for name, route in old.items() if name not in new}
    for name, route in new.items():
        known = old.get(name) or gone.pop(_matched(route.match), None)  # the same match: a new name for it
        if known is None:
            yield Difference("added", ROUTES, "", routes=(name,))
        else:
            yield from _differences(ROUTES, comparison.of(known, route), (name,))
    for route in gone.values():
        yield Difference("removed", ROUTES, "", routes=(route.name,))
    yield from _differences(ROUTES, comparison.of_no_route(), (NO_ROUTE,))


def _sections(before: Configuration, after: Configuration) -> Iterator[Difference]:
    for name in (*after.upstreams, *(name for name in before.upstreams if name not in after.upstreams)):
        old, new, path = before.upstreams.get(name), after.upstreams.get(name), spell_step(name).lstrip(".")
        if old is None or new is None:
            yield Difference("added" if old is None else "removed", "upstreams", path)
            continue
        nodes = (_node(each, "upstreams", name) for each in (before, after))
        yield from _differences("upstreams", under(path, compare(*zip((old, new), nodes, strict=True))))
    for section in _ONCE:
        standing = ((getattr(each, section), _node(each, section)) for each in (before, after))
        yield from _differences(section, compare(*standing))


def _differences(
    section: str, changed: Iterable[Changed], routes: tuple[str, ...] = ()
) -> Iterator[Difference]:
    for path, kind, before, after, secret in changed:
        yield Difference(kind, section, path, before, after, routes, secret)


def _matched(match: MatchConfig) -> object:
    return match.path, match.methods, match.hosts, tuple(match.headers.items()), tuple(match.query.items())


def _node(configuration: Configuration, section: str, *steps: str) -> Node:
    node = configuration.sections.get(section, _NOTHING)
    for step in steps:
        node = node.value[step] if isinstance(node.value, dict) else _NOTHING
    return node
