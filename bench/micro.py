"""What each policy costs a request by itself: CPU µs of its hooks, without sockets. `python -m bench.micro`.

The policies are built as `seawall run` builds them, from YAML, and their hooks are called in their order on
requests that are new each time. What a route without policies costs is taken off. Also, what a signed
body of 5 MiB takes, during which no other request has its turn.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

import jwt

from proxy.app.compile import Parts, compile_plan
from proxy.clock import SystemClock
from proxy.config.loader import load
from proxy.config.secrets import Secret
from proxy.exchange import Exchange, Outcome, Response
from proxy.headers import Known, arrived
from proxy.pipeline import Pipeline
from proxy.policies import PIPELINE_ORDER
from proxy.policies.identity.message_signature import MessageSignatureConfig
from proxy.policies.identity.message_signature.keys import KeyConfig
from proxy.policies.identity.message_signature.names import KeyId
from proxy.policies.identity.message_signature.signing import sign_message
from proxy.policy import Unsigned
from proxy.state import Shared
from proxy.stores.memory import MemoryStore
from proxy.testing import exchange

KEY = "0123456789abcdef" * 4
SECRET = "It's a Secret to Everybody"
LONG_SECRET = "correct-horse-battery-staple-is-long-enough"
BODY = b'{"action": "opened"}' + b" " * 2028
MiB = 2**20
BATCH = 2_000
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br",
    "Cookie": "session=0123456789abcdef; theme=dark",
}


class Case(NamedTuple):
    """A route's policies, and a request that passes them."""

    name: str
    policies: dict[str, object]
    request: Callable[[], Exchange]
    again: bool = False
    """The same fields have come on this connection before."""


def plain() -> Exchange:
    """As a browser asks."""
    return exchange(headers=BROWSER)


def with_a_key() -> Exchange:
    """And with an API key."""
    return exchange(headers={**BROWSER, "X-API-Key": KEY})


def signed(body: bytes = BODY) -> Exchange:
    """As GitHub sends it."""
    signature = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
    return exchange("POST", headers={**BROWSER, "X-Hub-Signature-256": f"sha256={signature}"}, body=body)


def with_a_token() -> Exchange:
    """And with a token; the same each time, so that its signature is remembered."""
    return exchange(headers={**BROWSER, "Authorization": f"Bearer {TOKEN}"})


def with_a_new_token() -> Exchange:
    """With one that nobody has seen."""
    return exchange(headers={**BROWSER, "Authorization": f"Bearer {_token()}"})


def signed_by_rfc_9421() -> Exchange:
    """With an HTTP message signature that covers a body of 2 KiB by its digest."""
    unsigned = Unsigned("POST", "/", [("Host", "app.example")], BODY, time.time())
    sign_message(_SIGNING, unsigned, {})
    return exchange("POST", headers={**BROWSER, **dict(unsigned.headers)}, body=BODY)


def with_an_idempotency_key() -> Exchange:
    """The same key each time, so that it is answered from memory."""
    return exchange("POST", headers={**BROWSER, "Idempotency-Key": "k"}, body=b"{}")


def _keys(count: int) -> list[dict[str, str]]:
    made = [{"id": f"caller-{n}", "sha256": sha256(b"%d" % n).hexdigest()} for n in range(count - 1)]
    return [*made, {"id": "me", "sha256": sha256(KEY.encode()).hexdigest()}]


def _token() -> str:
    return jwt.encode(
        {"sub": "me", "exp": time.time() + 3600, "jti": next(_numbers)}, LONG_SECRET, algorithm="HS256"
    )


_numbers = itertools.count()
TOKEN = _token()
_SIGNING = MessageSignatureConfig(
    keys={KeyId("me"): KeyConfig(algorithm="hmac-sha256", secret=Secret(LONG_SECRET))}
)
_JWT = {"algorithms": ["HS256"], "secrets": [{"env": "LONG_SECRET"}]}
_MESSAGE = {"keys": {"me": {"algorithm": "hmac-sha256", "secret": {"env": "LONG_SECRET"}}}}
_ONE_OF_THREE = [
    {"basic_auth": {"credentials": [{"env": "USER"}]}},
    {"jwt": _JWT},
    {"api_key": {"keys": _keys(1)}},
]
_GITHUB = {"scheme": "github", "secrets": [{"env": "SECRET"}]}

CASES = (
    Case("security_headers", {"security_headers": {"preset": "helmet"}}, plain),
    Case("cors", {"cors": {"origins": ["https://app.example"]}}, plain),
    Case("forwarded", {"forwarded": {}}, plain),
    Case("deadline", {"deadline": "30s"}, plain),
    Case("ip_list", {"ip_list": {"allow": ["192.0.2.0/24"], "deny": ["192.0.2.9/32"]}}, plain),
    Case("size_limit", {"size_limit": {"body": "1MiB", "headers": "32KiB", "header_count": 100}}, plain),
    Case("rate_limit", {"rate_limit": {"limit": "1000000/s"}}, plain),
    Case("api_key, one key", {"api_key": {"keys": _keys(1)}}, with_a_key),
    Case(
        "api_key, on a connection that has shown it", {"api_key": {"keys": _keys(1)}}, with_a_key, again=True
    ),
    Case("api_key, 10,000 keys", {"api_key": {"keys": _keys(10_000)}}, with_a_key),
    Case("webhook_signature, github, 2 KiB", {"webhook_signature": _GITHUB}, signed),
    Case("jwt, a token that was seen before", {"jwt": _JWT}, with_a_token),
    Case("jwt, a new token (HS256)", {"jwt": _JWT}, with_a_new_token),
    Case("message_signature, hmac, 2 KiB", {"message_signature": _MESSAGE}, signed_by_rfc_9421),
    Case(
        "authenticate, the last of three ways",
        {"authenticate": {"any_of": _ONE_OF_THREE, "forward": {"X-Auth-Id": "auth.id"}}},
        with_a_key,
    ),
    Case("quota", {"quota": {"limit": "1000000/day", "key": ["client.ip"]}}, plain),
    Case(
        "idempotency, a replay", {"idempotency": {"key": ["header:Idempotency-Key"]}}, with_an_idempotency_key
    ),
    Case("concurrency", {"concurrency": {"max": 100, "queue": {"size": 100}}}, plain),
    Case("circuit_breaker", {"circuit_breaker": {}}, plain),
    Case("retry, nothing fails", {"retry": {"max_retries": 2}}, plain),
    Case("mask_errors, nothing fails", {"mask_errors": {}}, plain),
    Case("pace, a token is there", {"pace": {"limit": "1000000/s", "burst": 1_000_000}}, plain),
    Case("timeout", {"timeout": {"response": "10s"}}, plain),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.micro", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help=f"of {BATCH} requests each")
    parser.add_argument("--only", default="", help="cases that have this in their name")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    options = parser.parse_args(arguments)
    figures = asyncio.run(_measured([case for case in CASES if options.only in case.name], options.rounds))
    width = max(map(len, figures), default=0)
    for name, figure in figures.items():
        print(f"{name:{width}}  {figure:8.2f} µs")
    stall = asyncio.run(_stall(options.rounds))
    print(f"\na body of 5 MiB, signed as GitHub does: {stall * 1e3:.1f} ms, in one piece")
    if options.json:
        options.json.write_text(json.dumps({"policies": figures, "stall": stall}, indent=2))


async def _measured(cases: Sequence[Case], rounds: int) -> dict[str, float]:
    """Name -> µs of the median round, less those of a route without policies; in turn, so that all meet
    the same machine."""
    routes = [(case, _route(case.policies), _route({})) for case in cases]
    found: dict[str, list[float]] = {case.name: [] for case in cases}
    for _ in range(rounds):
        for case, route, bare in routes:
            with_policies = await _round(route, case)
            found[case.name].append(with_policies - await _round(bare, case))
    return {name: median(times) for name, times in found.items()}


async def _round(route: Pipeline, case: Case) -> float:
    """µs of one request."""
    shown: Known = {}
    asked = [_as_on_the_wire(case.request(), shown if case.again else {}) for _ in range(BATCH)]
    outcome = Outcome(200, 0.0)
    run = _plainly if route.plain else _waiting
    start = time.process_time()
    await run(route, asked, outcome)
    return (time.process_time() - start) / BATCH * 1e6


def _as_on_the_wire(asked: Exchange, known: Known) -> Exchange:
    """Its fields as the parser leaves them: in one piece, and in lower case too; `known` is of them."""
    lines = asked.request.headers.serialize()
    asked.request.headers = arrived(lines, lines, lines.lower(), known)
    return asked


async def _plainly(route: Pipeline, asked: Sequence[Exchange], outcome: Outcome) -> None:
    for each in asked:
        answer = route.admit(each)
        route.dress(each, answer if isinstance(answer, Response) else _answer())
        route.finish(each, outcome)


async def _waiting(route: Pipeline, asked: Sequence[Exchange], outcome: Outcome) -> None:
    for each in asked:
        await route.respond(each)
        route.finish(each, outcome)


async def _stall(rounds: int) -> float:
    """Seconds; the shortest, since others only make it longer."""
    route = _route({"webhook_signature": _GITHUB})
    times = []
    for _ in range(rounds):
        asked = signed(BODY + b" " * (5 * MiB))
        start = time.perf_counter()
        answer = await route.respond(asked)
        times.append(time.perf_counter() - start)
        if answer.status != 200:
            raise RuntimeError(f"it was not let through: {answer.content!r}")
    return min(times)


def _answer() -> Response:
    return Response(200, from_upstream=True)


async def _upstream(_: Exchange) -> Response:
    return _answer()


def _route(policies: dict[str, object]) -> Pipeline:
    document = {
        "version": 1,
        "upstreams": {"app": {"url": "http://127.0.0.1:3000"}},
        "routes": [{"name": "all", "match": {"path": "/**"}, "policies": policies}],
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "policies.yaml"
        file.write_text(json.dumps(document))  # which is YAML too
        configuration = load(
            file,
            PIPELINE_ORDER,
            env={"SECRET": SECRET, "LONG_SECRET": LONG_SECRET, "USER": "me:hunter2"},
        )
    clock = SystemClock()
    parts = Parts(clock, Random(), MemoryStore(clock), Shared())
    return compile_plan(configuration, parts, _upstream).routes[0].pipeline


if __name__ == "__main__":
    main()
