"""What belongs to a route: the conditions of its match, taken apart once at load.

Paths: `/a/b` is that path alone; `{name}` stands for one whole segment that is not empty;
`/a/**` is `/a` and all below it. They are written decoded.

Methods: `GET` includes `HEAD`, as in nginx and Go, unless HEAD has a route of its own.

Hosts: `*.example.com` stands for one label or more in front, as in nginx, Envoy and the
Gateway API (in a certificate it stands for one), and not for `example.com` itself.

Headers and query: exact values. Where one comes several times, one equal value is enough,
since nobody knows which of them the upstream takes.

A CORS preflight belongs where the request that it announces would, whose header fields and
query are not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import parse_qsl

from proxy.headers import Headers
from proxy.router.paths import fold, never_requested

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Match:
    """What a request must be like to belong to a route; what is empty demands nothing."""

    path: str
    methods: frozenset[str] = frozenset()
    hosts: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A route: `target` is what is found where `match` matches."""

    match: Match
    target: T


class Found(NamedTuple, Generic[T]):
    """The route, and what stands for each `{name}` of its path. Shared: not to be changed."""

    target: T
    params: Mapping[str, str]


class About(NamedTuple):
    """What besides its path a request is asked about."""

    method: str
    host: str
    query: str
    headers: Headers | None
    """None for a preflight: those of the announced request are not known yet, nor its query."""


_NO_PARAMS: Mapping[str, str] = {}
_NAME = 1 << 16  # narrower than the longest wildcard


class Rule(Generic[T]):
    """One entry of a table. `number` is its place in the files.

    Raises ValueError, in words for the operator, for a path or a host that is none.
    """

    __slots__ = (
        "bare", "below", "exact", "hosts", "match", "methods", "open", "params", "path_rank", "rank",
        "segments", "shape", "suffixes", "target",
    )  # fmt: skip

    def __init__(self, entry: Entry[T], number: int) -> None:
        self.match = entry.match
        self.target = entry.target
        self.segments, self.below = _segments(entry.match.path)
        """None for a `{name}`; and whether all that is below belongs to it."""
        self.shape = _shape(self.segments), self.below
        """What of the path a lenient upstream heeds."""
        self.params = tuple((segment[1:-1], at) for at, segment in _named(entry.match.path))
        self.exact = not self.params and not self.below
        self.bare = None if self.params else Found(entry.target, _NO_PARAMS)
        self.methods = entry.match.methods
        self.hosts, self.suffixes = _hosts(entry.match.hosts)
        self.open = not (self.hosts or self.suffixes or entry.match.headers or entry.match.query)
        """Path and method decide."""
        self.path_rank = _path_rank(*self.shape, self.exact)
        """Of rules that match one path, the narrower one's is less."""
        self.rank = (*self.path_rank, *_conditions_rank(entry.match), number)
        """Sorts the more specific in front."""

    def found(self, segments: Sequence[str]) -> Found[T]:
        """The answer for a path that this rule matches, given as its segments."""
        if self.bare is not None:
            return self.bare
        params = {}
        for name, at in self.params:  # half the time of a comprehension
            params[name] = segments[at]
        return Found(self.target, params)

    def admits(self, about: About) -> bool:
        """Path and method aside, the request belongs to this rule."""
        if (self.hosts or self.suffixes) and not self._serves(about.host.removesuffix(".")):
            return False
        if about.headers is None:
            return True
        match = self.match
        if match.headers and any(value not in about.headers.get_all(name) for name, value in match.headers):
            return False
        return not match.query or set(match.query).issubset(parse_qsl(about.query, keep_blank_values=True))

    def _serves(self, host: str) -> bool:
        return host in self.hosts or (host.endswith(self.suffixes) and not host.startswith("."))


def imply_head(rules: Sequence[Rule[T]]) -> None:
    """Let GET include HEAD, but for the rules beside which the same match lists HEAD itself."""
    listed = {_but_for_method(rule) for rule in rules if "HEAD" in rule.methods}
    for rule in rules:
        if "GET" in rule.methods and _but_for_method(rule) not in listed:
            rule.methods |= {"HEAD"}


def _but_for_method(rule: Rule[T]) -> tuple[object, ...]:
    match = rule.match
    return rule.segments, rule.below, rule.hosts, rule.suffixes, match.headers, match.query


_PARAM = re.compile(r"\{[^\W\d]\w*\}")


def _segments(path: str) -> tuple[tuple[str | None, ...], bool]:
    above = path.removesuffix("/**")
    if never_requested(path) or "?" in path or "#" in path:
        raise ValueError(
            f"no request has the path {path!r}; expected one such as /orders, /orders/{{id}} or /orders/**, "
            "decoded, without a query, dot segments and double slashes"
        )
    names = [name for _, name in _named(path)]
    if len(set(names)) < len(names):
        raise ValueError(f"the path {path!r} has a name twice; expected each {{name}} once")
    segments = (
        tuple(None if _PARAM.fullmatch(part) else part for part in above[1:].split("/")) if above else ()
    )
    if any(part and not {"{", "}", "*"}.isdisjoint(part) for part in segments):
        raise ValueError(
            f"{path!r} is no path; expected {{name}} to be a whole segment, and ** to be the last"
        )
    return segments, above != path


def _named(path: str) -> list[tuple[int, str]]:
    return [(at, part) for at, part in enumerate(path[1:].split("/")) if _PARAM.fullmatch(part)]


def _shape(segments: tuple[str | None, ...]) -> tuple[str | None, ...]:
    return tuple(part if part is None else fold(part) for part in segments if part != "")


_HOST = re.compile(r"(?:\*\.)?[\w\-][\w\-.]*|\[[0-9a-fA-F:.]+\]", re.ASCII)


def _hosts(patterns: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Names, and ends of names beginning with a dot."""
    for host in patterns:
        if not _HOST.fullmatch(host):
            raise ValueError(
                f"{host!r} is no host; expected one such as example.com or *.example.com, without a port"
            )
    lower = [host.lower().removesuffix(".") for host in patterns]
    names = frozenset(host for host in lower if not host.startswith("*"))
    return names, tuple(sorted(host[1:] for host in lower if host.startswith("*")))


def _path_rank(shape: tuple[str | None, ...], below: bool, exact: bool) -> tuple[object, ...]:
    kinds = tuple(int(part is None) for part in shape)
    return not exact, sum(kinds) - len(kinds), (*kinds, 2) if below else kinds


def _conditions_rank(match: Match) -> tuple[int, int]:
    conditions = bool(match.methods) + bool(match.hosts) + len(match.headers) + len(match.query)
    widths = [len(host) if host.startswith("*") else _NAME for host in match.hosts]
    return -conditions, -min(widths, default=0)
