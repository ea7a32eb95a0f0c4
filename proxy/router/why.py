"""Why a request belongs to one route and not to another: for people, not for the way of a request.

`RoutingTable.find` decides. This looks at each rule by itself and says what the request
lacks for it, or which more specific rule came before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar
from urllib.parse import parse_qsl

from proxy.headers import Headers
from proxy.router.rules import About, Entry, Match, Rule, imply_head

T = TypeVar("T")

_ANYWHERE = "/**"

Condition = Literal["path", "method", "host", "header", "query"]


@dataclass(frozen=True, slots=True)
class Miss:
    """A condition of a match that the request does not meet."""

    condition: Condition
    name: str
    """Of the header or the query parameter; else empty."""
    expected: tuple[str, ...]
    """Any of these would do."""
    found: tuple[str, ...]
    """What the request has."""


@dataclass(frozen=True, slots=True)
class Finding(Generic[T]):
    """What there is to say about one route."""

    target: T
    misses: tuple[Miss, ...]
    """Empty: the route matches. A path that does not match is all that is told."""
    less_specific_than: T | None = None
    """The route that was taken instead, where this one matches too."""

    @property
    def same_path(self) -> bool:
        """It could have been this one but for other conditions than the path."""
        return all(miss.condition != "path" for miss in self.misses)


def why(entries: Iterable[Entry[T]], path: str, about: About) -> list[Finding[T]]:
    """All routes, the most specific first. The first one without misses is taken.

    `path` comes from `normalize`. Of a preflight `about` has the announced method, and no
    headers. A path that a lenient upstream takes for that of another route is refused
    whatever is said here. Raises ValueError as `Rule` does.
    """
    rules = [Rule(entry, number) for number, entry in enumerate(entries)]
    rules.sort(key=lambda rule: rule.rank)
    imply_head(rules)
    segments = path[1:].split("/")
    missed = [tuple(_misses(rule, path, segments, about)) for rule in rules]
    taken = missed.index(()) if () in missed else None
    return [
        Finding(
            rule.target, misses, None if misses or number == taken or taken is None else rules[taken].target
        )
        for number, (rule, misses) in enumerate(zip(rules, missed, strict=True))
    ]


def _misses(rule: Rule[T], path: str, segments: Sequence[str], about: About) -> Iterator[Miss]:
    match = rule.match
    if not _has_path(rule, segments):
        yield Miss("path", "", (match.path,), (path,))
        return
    if rule.methods and about.method not in rule.methods:
        yield Miss("method", "", tuple(sorted(rule.methods)), (about.method,))
    if not _admits(Match(_ANYWHERE, hosts=match.hosts), about):
        yield Miss("host", "", match.hosts, (about.host,))
    if about.headers is not None:
        yield from _missing_fields(match, about, about.headers)


def _missing_fields(match: Match, about: About, headers: Headers) -> Iterator[Miss]:
    for name, value in match.headers:
        if not _admits(Match(_ANYWHERE, headers=((name, value),)), about):
            yield Miss("header", name, (value,), tuple(headers.get_all(name)))
    sent = parse_qsl(about.query, keep_blank_values=True)
    for name, value in match.query:
        if not _admits(Match(_ANYWHERE, query=((name, value),)), about):
            yield Miss("query", name, (value,), tuple(given for key, given in sent if key == name))


def _admits(condition: Match, about: About) -> bool:
    """One condition by itself, as the table asks for all of them."""
    return Rule(Entry(condition, None), 0).admits(about)


def _has_path(rule: Rule[T], segments: Sequence[str]) -> bool:
    wanted = rule.segments
    if len(segments) < len(wanted) or (len(segments) > len(wanted) and not rule.below):
        return False
    # A parameter stands for a segment that is not empty.
    return all(
        segment == want or (want is None and segment != "")
        for want, segment in zip(wanted, segments, strict=False)
    )
