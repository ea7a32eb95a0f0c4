"""Keys of senders by the URL of their certificate: fetched once, and not for everybody who asks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar

from proxy.errors import FetchError
from proxy.policies.identity.webhook_signature.chain import (
    Distrusted,
    Unvouched,
    Vouched,
    certificates_in,
    issuer_url,
    store_of,
    vouched,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import Certificate

    from proxy.clock import Clock
    from proxy.fetch import Fetch

T = TypeVar("T")

MOST_KEPT = 64
MOST_FAILURES = 256
MOST_AT_ONCE = 4
MOST_A_MINUTE = 30
"""Certificates that are fetched, whoever asks for them."""

_LARGEST = 64 * 1024
_WITHIN = 5.0
_REFUSED_FOR, _AWAY_FOR = 300.0, 5.0
"""Seconds in which a URL that led nowhere is not asked again."""
_MOST_ISSUERS = 2


class OutOfReach(Exception):
    """Nobody can tell now; says why, for the log."""


class Trust(NamedTuple):
    """Who may vouch for a sender, and what the sender is called."""

    authorities: bytes
    """In PEM."""
    names: Callable[[str], Iterable[str]]
    """Those of the certificate at a URL."""
    issuers: re.Pattern[str]
    """URLs of certificates of authorities that may be fetched, where a sender leaves them out."""


class Certificates:
    """What all routes with one policy share, over reloads.

    Kept: 64 keys, until their certificate ends; 256 URLs that led nowhere. One
    URL is fetched once at a time, four at once, thirty in a minute.
    """

    def __init__(self, trust: Trust, fetch: Fetch, clock: Clock) -> None:
        self._trust = trust
        self._trusted = store_of(trust.authorities)
        self._fetch = fetch
        self._clock = clock
        self._kept: dict[str, Vouched] = {}
        self._failures: dict[str, tuple[float, Exception]] = {}
        self._loading: dict[str, asyncio.Task[RSAPublicKey]] = {}
        self._began: list[float] = []

    async def key(self, url: str) -> RSAPublicKey:
        """Of the certificate at `url`, which the caller has found to be one of the sender's.

        Raises Distrusted, and OutOfReach.
        """
        kept = self._kept.get(url)
        if kept is not None and self._clock.now() < kept.until:
            return kept.key
        failed = self._failures.get(url)
        if failed is not None and self._clock.monotonic() < failed[0]:
            _raise_again(failed[1])
        task = self._loading.get(url)
        if task is None:
            self._admit()
            task = self._loading[url] = asyncio.get_running_loop().create_task(self._load(url))
            task.add_done_callback(lambda done: self._loaded(url, done))
        return await asyncio.shield(task)  # a client that leaves does not take it from the others

    def _admit(self) -> None:
        now = self._clock.monotonic()
        self._began = [began for began in self._began if now - began < 60]
        if len(self._loading) >= MOST_AT_ONCE or len(self._began) >= MOST_A_MINUTE:
            raise OutOfReach("too many other certificates are being fetched")
        self._began.append(now)

    async def _load(self, url: str) -> RSAPublicKey:
        chain = certificates_in(await self._get(url, plain=False))
        found = await self._vouched(url, chain)
        _put(self._kept, url, found, MOST_KEPT)
        return found.key

    async def _vouched(self, url: str, chain: list[Certificate]) -> Vouched:
        names = self._trust.names(url)
        for _ in range(_MOST_ISSUERS):
            try:
                return vouched(chain, names, self._trusted, self._clock.now())
            except Unvouched:
                issuer = issuer_url(chain[-1])
                if issuer is None or not self._trust.issuers.fullmatch(issuer):
                    raise
            chain = [*chain, certificates_in(await self._get(issuer, plain=True))[0]]
        return vouched(chain, names, self._trusted, self._clock.now())

    async def _get(self, url: str, *, plain: bool) -> bytes:
        try:
            return await self._fetch(url, at_most=_LARGEST, within=_WITHIN, plain=plain)
        except FetchError as error:
            if error.status is not None and 400 <= error.status < 500 and error.status not in (408, 429):
                raise Distrusted(str(error)) from None
            raise OutOfReach(str(error)) from None

    def _loaded(self, url: str, task: asyncio.Task[RSAPublicKey]) -> None:
        del self._loading[url]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Distrusted | OutOfReach):
            pause = _REFUSED_FOR if isinstance(error, Distrusted) else _AWAY_FOR
            _put(self._failures, url, (self._clock.monotonic() + pause, error), MOST_FAILURES)
        elif error is None:
            self._failures.pop(url, None)


def _put(kept: dict[str, T], url: str, value: T, most: int) -> None:
    """The newest stay."""
    kept.pop(url, None)
    while len(kept) >= most:
        del kept[next(iter(kept))]
    kept[url] = value


def _raise_again(error: Exception) -> NoReturn:
    raise type(error)(str(error))
