"""Keys and certificates from elsewhere, by aiohttp's client."""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from yarl import URL

from proxy.errors import FetchError

_MOST_CONNECTIONS = 16
_MOST_CONTEXTS = 16
_PIECE = 64 * 1024
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "seawall"}


class Fetcher:
    """Implements `proxy.fetch.Fetch`. Nothing is made before the first document is asked for.

    No cookies, no redirects, no proxy of the environment, no compression; a connection for each.
    """

    def __init__(self) -> None:
        self._session: ClientSession | None = None
        self._trusted: OrderedDict[bytes, ssl.SSLContext] = OrderedDict()

    async def __call__(
        self, url: str, *, at_most: int, within: float, authorities: bytes = b"", plain: bool = False
    ) -> bytes:
        if not url.startswith(("https://", "http://") if plain else "https://"):
            raise FetchError(f"{url} is not https")
        try:
            return await self._get(url, at_most, within, await self._context(authorities))
        except TimeoutError:
            raise FetchError(f"{url} has not answered within {within:g} s") from None
        except (ClientError, OSError, ValueError) as error:
            raise FetchError(f"{url} cannot be fetched: {why_failed(error)}") from None

    async def close(self) -> None:
        """Whatever is under way ends with a FetchError."""
        if self._session is not None:
            await self._session.close()

    async def _get(self, url: str, at_most: int, within: float, context: ssl.SSLContext) -> bytes:
        body, timeout = bytearray(), ClientTimeout(total=within)
        get = self._client().get(URL(url, encoded=True), ssl=context, allow_redirects=False, timeout=timeout)
        async with get as response:
            if response.status != 200:
                raise FetchError(f"{url} answered with {response.status}", response.status)
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise FetchError(f"{url} answered with a compressed document")
            async for piece in response.content.iter_chunked(_PIECE):
                body += piece
                if len(body) > at_most:
                    raise FetchError(f"{url} is larger than {at_most} bytes")
        return bytes(body)

    def _client(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(limit=_MOST_CONNECTIONS, force_close=True),
                cookie_jar=DummyCookieJar(),
                headers=_HEADERS,
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def _context(self, authorities: bytes) -> ssl.SSLContext:
        """In a thread, since reading the system's certificates takes a while."""
        if authorities not in self._trusted:
            text = authorities.decode("ascii", "replace") or None
            context = await asyncio.to_thread(ssl.create_default_context, cadata=text)
            self._trusted[authorities] = context
        self._trusted.move_to_end(authorities)
        while len(self._trusted) > _MOST_CONTEXTS:
            self._trusted.popitem(last=False)
        return self._trusted[authorities]


def why_failed(error: Exception) -> str:
    """aiohttp's own words for a connection that failed have an address in memory in them."""
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    return str(cause) or type(cause).__name__
