"""What is asked of every proxy, and over how many connections at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

ROUTED_PATHS = 5_000
"""Asked for in turn where the number of routes matters: more than a cache of paths holds."""
VARIANTS = 1_000
"""Different requests where one of their headers is new each time."""
KEY_HEADER = "X-API-Key"
KEY = "a-key-for-nothing-but-this-benchmark"
"""What the policies of every proxy ask for."""

_HEADERS = {
    "Accept": "application/json, text/plain, */*",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.7",
    "Cache-Control": "no-cache",
    "Cookie": "session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; _ga=GA1.1.1870463921.1763769600",
    "Origin": "https://app.example",
    "Referer": "https://app.example/orders?page=2",
    "Sec-Fetch-Dest": "empty",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Site": "same-site",
    "Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "X-Requested-With": "XMLHttpRequest",
}


@dataclass(frozen=True)
class Scenario:
    """One kind of request. Several `paths` are asked for in turn."""

    name: str
    title: str
    paths: tuple[str, ...]
    connections: int = 32
    body: int = 0
    """Bytes that are sent with a POST; without, it is a GET."""
    headers: Mapping[str, str] = field(default_factory=dict)
    varied: str = ""
    """A header whose value is a number, another one for each of `paths`."""

    @property
    def method(self) -> str:
        return "POST" if self.body else "GET"


SCENARIOS = (
    Scenario("json", "GET of 123 bytes of JSON, 32 connections", ("/json",)),
    Scenario("headers", "With 12 headers and a cookie, 32 connections", ("/json",), headers=_HEADERS),
    Scenario(
        "varied",
        "The same, one header new each time, 32 connections",
        ("/json",) * VARIANTS,
        headers=_HEADERS,
        varied="Traceparent",
    ),
    Scenario("post", "POST of 1 KiB, 32 connections", ("/json",), body=1024),
    Scenario("10k", "GET of 10 KiB, 32 connections", ("/10k",)),
    Scenario("1m", "GET of 1 MiB, 32 connections", ("/1m",)),
    Scenario("c1", "GET of 123 bytes of JSON, 1 connection", ("/json",), connections=1),
)


TITLES = {
    **{scenario.name: scenario.title for scenario in SCENARIOS},
    "routes": f"GET of {ROUTED_PATHS:,} paths in turn, 32 connections",
}


def keyed(scenario: Scenario) -> Scenario:
    """The same with the key: what every proxy is asked where it has policies."""
    return replace(scenario, headers={**scenario.headers, KEY_HEADER: KEY})


def routed(routes: int) -> Scenario:
    """`ROUTED_PATHS` different paths that reach all of so many routes."""
    paths = (f"/routes/r{number % routes}/items/{number // routes}" for number in range(ROUTED_PATHS))
    return Scenario("routes", TITLES["routes"], tuple(paths))


def routes_yaml(routes: int) -> str:
    """The routes of a policy file that `routed` asks for."""
    lines = (
        f'  - {{name: r{number}, match: {{path: "/routes/r{number}/items/{{id}}", methods: [GET]}}}}'
        for number in range(routes)
    )
    return "\n".join(lines)
