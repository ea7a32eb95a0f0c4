"""The keys of an issuer, fetched in the background: what requests see is always at hand, or not there."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from proxy.algorithms.strict_json import NotStrict, Structure, decode
from proxy.errors import FetchError
from proxy.policies.identity.jwt.keys import ASYMMETRIC, Ring, of_set
from proxy.policy import Services

LARGEST_SET = 1024 * 1024
_WITHIN = 10.0
"""Seconds that one attempt may take."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""After a failure; doubled each time."""
_DEEPEST, _MOST_MEMBERS = 8, 10_000


class Terms(NamedTuple):
    """How a policy wants its keys."""

    url: str
    authorities: bytes
    refresh_every: float


class RemoteKeys:
    """What all routes with one policy share; active while a live revision uses it.

    A task fetches the set every `refresh_every`, and again and again while it fails. One fetch
    is under way at a time, whoever asked for it.
    """

    def __init__(self, terms: Terms, services: Services) -> None:
        self._terms = terms
        self._clock = services.clock
        self._random = services.random
        self._fetch = services.fetch
        self._report = services.report
        self._name = services.name
        self._ring: Ring | None = None
        self._fetched = 0.0
        self._asked = float("-inf")
        self._failures = 0
        self._cause = "nothing has been fetched yet"
        self._work: asyncio.Task[None] | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._issued = 0
        self._adopted = 0

    # ---- called by Shared

    def start(self) -> None:
        """Fetch now, and from now on."""
        self._work = asyncio.get_running_loop().create_task(self._keep_fresh())

    def stop(self) -> None:
        """Fetch no more; what is there stays for the last requests of an old revision."""
        for task in (self._work, self._fetching):
            if task is not None:
                task.cancel()
        self._work = None

    # ---- called by policies

    def edition(self) -> int:
        """A number for a policy that is being built, higher than those before."""
        self._issued += 1
        return self._issued

    def adopt(self, edition: int, terms: Terms) -> None:
        """Go by the terms of the newest policy that was ever asked, since a revision may be refused."""
        if edition <= self._adopted:
            return
        self._adopted = edition
        before, self._terms = self._terms, terms
        if self._work is not None and before.refresh_every != terms.refresh_every:
            self._work.cancel()
            self.start()

    def ring(self, stale_for: float) -> Ring | None:
        """The keys, not later than `stale_for` seconds after they should have been replaced."""
        age = self._clock.monotonic() - self._fetched
        return self._ring if age <= self._terms.refresh_every + stale_for else None

    def look_again(self, every: float) -> bool:
        """A token names a key that is not there. Whether to wait and see: a fetch is under way, or begins.

        `every`: seconds from one such fetch to the next.
        """
        if self._fetching is None:
            now = self._clock.monotonic()
            if self._work is None or now - max(self._asked, self._fetched) < every:
                return False
            self._asked = now
            self._fetching = self._begin()
        return True

    @property
    def cause(self) -> str:
        """Why the last fetch failed; empty where it did not."""
        return self._cause

    # ---- the task

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.wait([self._begin()])
            await self._clock.sleep(self._pause())

    def _pause(self) -> float:
        if not self._failures:
            return self._terms.refresh_every
        longest = min(_LONGEST_PAUSE, self._terms.refresh_every)
        pause = min(longest, _FIRST_PAUSE * (1 << min(self._failures - 1, 10)))
        return pause * (0.5 + self._random.random() / 2)  # not all replicas at once

    def _begin(self) -> asyncio.Task[None]:
        """The fetch that is under way, or one that begins."""
        if self._fetching is None:
            self._fetching = asyncio.get_running_loop().create_task(self._fetch_once())
            self._fetching.add_done_callback(self._ended)
        return self._fetching

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch_once(self) -> None:
        terms = self._terms
        try:
            data = await self._fetch(
                terms.url, at_most=LARGEST_SET, within=_WITHIN, authorities=terms.authorities
            )
            ring = of_set(_document(data), ASYMMETRIC)
        except FetchError as error:
            self._failed(str(error))
        except ValueError as error:
            self._failed(f"{terms.url}: {error}")
        else:
            self._ring, self._fetched = ring, self._clock.monotonic()
            if self._failures:
                self._tell(f"the keys of {terms.url} can be fetched again", {"keys": len(ring.keys)})
            self._failures, self._cause = 0, ""

    def _failed(self, cause: str) -> None:
        self._failures, self._cause = self._failures + 1, cause
        if self._failures == 1:
            numbers = {"cause": cause, "keys": 0 if self._ring is None else len(self._ring.keys)}
            self._tell(f"the keys of {self._terms.url} cannot be fetched", numbers)

    def _tell(self, text: str, numbers: dict[str, object]) -> None:
        self._report(f"{self._name}: {text}", numbers)


def _document(data: bytes) -> object:
    structure = Structure(_DEEPEST, _MOST_MEMBERS)
    try:
        for _ in structure.count(data):
            pass
        return decode(data, structure)
    except NotStrict as error:
        raise ValueError(f"this is no JSON: {error}") from None
