"""Requests made up from the matches of routes, to see where two routing tables disagree.

For each route: its own path, methods, hosts, headers and query. For each pair of a route that
differs and any other: what belongs to both, if their paths and conditions allow that. They
are examples: where no probe changes its route, another request still may.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import NamedTuple, TypeVar
from urllib.parse import urlencode

from proxy.errors import Rejection
from proxy.headers import Headers
from proxy.router.rules import Entry, Found, Match
from proxy.router.table import Missing, RoutingTable

T = TypeVar("T")

MAX_PAIRS = 200_000
"""Of routes that differ with others; about a second of work."""
_USUAL = frozenset(("GET", "POST"))


class Probe(NamedTuple):
    """One request, as far as routing looks at it."""

    method: str
    path: str
    host: str = ""
    query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


class Moved(NamedTuple):
    """A probe for which two tables have different answers: a name, or `404`, `405`, `400`."""

    probe: Probe
    before: str
    after: str


def rerouted(before: Mapping[str, Match], after: Mapping[str, Match]) -> tuple[int, list[Moved]]:
    """How many probes there are for these routes by name, and those whose route differs."""
    old, new = (_table(each) for each in (before, after))
    probes = dict.fromkeys(probes_for(before, after))
    found = []
    for probe in probes:
        was, is_now = _answer(old, probe), _answer(new, probe)
        if was != is_now:
            found.append(Moved(probe, was, is_now))
    return len(probes), found


def probes_for(before: Mapping[str, Match], after: Mapping[str, Match]) -> Iterator[Probe]:
    """Some of them several times."""
    matches = list(dict.fromkeys((*before.values(), *after.values())))
    methods = _USUAL.union(*(match.methods for match in matches))
    sample = unspelled(matches)
    for match in matches:
        yield from instances(match, methods, sample)
    same = {match for name, match in before.items() if after.get(name) == match}
    if [name for name in before if name in after] != [name for name in after if name in before]:
        same = {match for match in same if not _conditional(match)}  # the order of the file settles ties
    differing = [match for match in matches if match not in same]
    for one, other in islice(product(differing, matches), MAX_PAIRS):
        both = _intersection(one, other) if one is not other else None
        if both is not None:
            yield from instances(both, methods, sample)


def _table(matches: Mapping[str, Match]) -> RoutingTable[str]:
    return RoutingTable(Entry(match, name) for name, match in matches.items())


def ask(table: RoutingTable[T], probe: Probe) -> Found[T] | Missing:
    """As `RoutingTable.find`."""
    headers = Headers([(name.encode("latin-1"), value.encode()) for name, value in probe.headers])
    return table.find(probe.method, probe.host, probe.path, urlencode(probe.query), headers)


def _answer(table: RoutingTable[str], probe: Probe) -> str:
    try:
        found = ask(table, probe)
    except Rejection as refusal:
        return str(refusal.status)
    if isinstance(found, Found):
        return str(found.target)
    return "405" if found.allowed else "404"


def unspelled(matches: Iterable[Match]) -> str:
    """A segment that no path spells out."""
    literals = {segment.lower() for match in matches for segment in match.path.split("/")}
    names = ("x", *(f"x{number}" for number in range(1, len(literals) + 1)))
    return next(name for name in names if name not in literals)


def instances(match: Match, methods: Collection[str], sample: str) -> Iterator[Probe]:
    """Requests that belong to `match`, as far as no other wins; with `methods` where it names none."""
    asked = sorted(match.methods or methods)
    if "GET" in match.methods and "HEAD" in methods and "HEAD" not in match.methods:
        asked.append("HEAD")
    hosts = [f"{sample}{host[1:]}" if host.startswith("*") else host for host in match.hosts] or [""]
    for path, host, method in product(_paths(match.path, sample), hosts, asked):
        yield Probe(method, path, host, match.query, match.headers)


def _paths(pattern: str, sample: str) -> list[str]:
    above = pattern.removesuffix("/**")
    path = "/".join(sample if _is_param(segment) else segment for segment in above.split("/"))
    if above == pattern:
        return [path]
    return [path or "/", f"{path}/{sample}", f"{path}/{sample}/{sample}"]


def _conditional(match: Match) -> bool:
    return bool(match.methods or match.hosts or match.headers or match.query)


def _intersection(one: Match, other: Match) -> Match | None:
    """What belongs to both, or some of it; None where nothing does, or that is one of them again."""
    path = _common_path(one.path, other.path)
    methods = one.methods & other.methods if one.methods and other.methods else one.methods | other.methods
    hosts = _common_hosts(one.hosts, other.hosts)
    headers, query = dict((*one.headers, *other.headers)), dict((*one.query, *other.query))
    agree = all(headers[name] == value for name, value in one.headers)
    agree = agree and all(query[name] == value for name, value in one.query)
    if path is None or hosts is None or not agree or (one.methods and other.methods and not methods):
        return None
    return Match(path, methods, hosts, tuple(sorted(headers.items())), tuple(sorted(query.items())))


def _common_hosts(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...] | None:
    if not one or not other:
        return (*one, *other)
    common = {
        host for host, pattern in (*product(one, other), *product(other, one))
        if host == pattern or (pattern.startswith("*") and host.removeprefix("*").endswith(pattern[1:]))
    }  # fmt: skip
    return tuple(sorted(common)) or None


def _common_path(one: str, other: str) -> str | None:
    """A pattern of which every path belongs to both; None where there is none."""
    first, second = one.removesuffix("/**").split("/"), other.removesuffix("/**").split("/")
    if len(first) > len(second):
        one, other, first, second = other, one, second, first
    open_end = one.endswith("/**")
    if len(first) < len(second) and not open_end:
        return None
    common = []
    for index, segment in enumerate(second):
        beside = first[index] if index < len(first) else segment
        if segment != beside and not _is_param(segment) and not _is_param(beside):
            return None
        common.append(beside if _is_param(segment) else segment)
    return "/".join(common) + ("/**" if open_end and other.endswith("/**") else "") or "/"


def _is_param(segment: str) -> bool:
    return segment.startswith("{")
