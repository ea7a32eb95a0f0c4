"""Who asks: a bounded number of requests at random times, of clients at addresses of their own."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import aiohttp

_PATIENCE = 15.0
_CLIENTS = 6


@dataclass(frozen=True)
class Kind:
    """Requests of one kind: so many a second, from and until such a share of the time."""

    rate: float
    method: str
    path: str
    body: int = 0
    """Bytes of it."""
    keyed: bool = True
    """With an Idempotency-Key, where it is a POST."""
    client: str = ""
    """Its address; empty: one of several."""
    begin: float = 0.0
    end: float = 1.0


SHOP = (
    Kind(14, "GET", "/orders"),
    Kind(14, "GET", "/orders", client="203.0.113.9", begin=0.3, end=0.6),  # who asks too often
    Kind(10, "GET", "/orders/17"),
    Kind(9, "GET", "/search"),
    Kind(130, "GET", "/search", begin=0.72, end=0.84),  # a crowd
    Kind(4, "POST", "/checkout", body=200),
    Kind(0.7, "POST", "/checkout", body=5000),
    Kind(0.7, "POST", "/checkout", body=200, keyed=False),
    Kind(2, "GET", "/reports"),
    Kind(0.8, "GET", "/favicon.ico"),
    Kind(0.4, "DELETE", "/orders"),
)
GATEWAY = (Kind(4, "GET", "/rates"), Kind(12, "GET", "/rates", begin=0.55, end=0.65))


async def ask(scheme: str, ports: Sequence[int], kinds: Sequence[Kind], seconds: float, seed: int) -> int:
    """All of them, in turn at each of `ports`; returns how many there were."""
    chosen = random.Random(seed)
    began = time.monotonic()
    due = sorted(
        ((when, kind) for kind in kinds for when in _times(kind, seconds, chosen)), key=lambda each: each[0]
    )
    urls = [f"{scheme}://127.0.0.1:{port}" for port in ports]
    asking = set()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=False), timeout=aiohttp.ClientTimeout(total=_PATIENCE)
    ) as session:
        for number, (when, kind) in enumerate(due):
            await asyncio.sleep(max(0.0, began + when - time.monotonic()))
            one = asyncio.create_task(_one(session, urls[number % len(urls)], kind, number, chosen))
            asking.add(one)
            one.add_done_callback(asking.discard)
        await asyncio.gather(*asking)
    return len(due)


def _times(kind: Kind, seconds: float, chosen: random.Random) -> Iterator[float]:
    when, end = kind.begin * seconds, kind.end * seconds
    while (when := when + chosen.expovariate(kind.rate)) < end:
        yield when


async def _one(
    session: aiohttp.ClientSession, url: str, kind: Kind, number: int, chosen: random.Random
) -> None:
    headers = {"X-Forwarded-For": kind.client or f"10.0.0.{1 + chosen.randrange(_CLIENTS) ** 2}"}
    if kind.method == "POST" and kind.keyed:
        headers["Idempotency-Key"] = f"order-{number}"
    body = b"x" * kind.body if kind.body else None
    with suppress(aiohttp.ClientError, TimeoutError):  # what was answered, Seawall counts
        async with session.request(kind.method, f"{url}{kind.path}", headers=headers, data=body) as answer:
            await answer.read()
