"""Scripts of ours in Redis or Valkey, over a bounded number of connections; its errors as StoreError."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from proxy.errors import StoreError
from proxy.stores.redis_url import RedisUrl

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.cluster import RedisCluster

_CONNECT = 5.0
"""Seconds, for those who wait for nobody; a request gives up with the store's own time-out."""


class Script:
    """Called by its digest; the server knows it once it has seen it."""

    def __init__(self, text: str, *, safe: bool = False) -> None:
        self.text = text
        self.digest = sha1(text.encode()).hexdigest()  # noqa: S324  # Redis's own name for it
        self.safe = safe
        """Doing it twice is doing it once, so that it is tried again where a connection has dropped."""


class RedisClient:
    """Raises ValueError where the package is missing, or files of the URL are of no use."""

    def __init__(self, url: RedisUrl) -> None:
        try:
            import redis.exceptions  # noqa: PLC0415  # an extra
        except ImportError:
            raise ValueError(
                "redis:// needs the package redis; expected an installation as seawall[redis]"
            ) from None
        self._errors = redis.exceptions
        self._client: Redis | RedisCluster = _client(url)
        self._connections = url.connections
        self._places = asyncio.Semaphore(url.connections)

    async def run(self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes | str | int]) -> Any:
        """One round trip; another where the server has never seen the script."""
        async with self._places:
            try:
                try:
                    return await self._evaluate(script, keys, arguments)
                except (self._errors.ConnectionError, self._errors.TimeoutError) as error:
                    if not script.safe or isinstance(error, self._errors.AuthenticationError):
                        raise
                    return await self._evaluate(script, keys, arguments)
            except (self._errors.RedisError, OSError) as error:
                full = isinstance(error, self._errors.OutOfMemoryError)
                raise StoreError(_words(error), full=full) from None

    async def check(self, scripts: Iterable[Script]) -> None:
        """Connect, so that no request has to wait for that, and make `scripts` known.

        Raises ValueError where the server will never let us in; StoreError where it is not there.
        """
        async with self._places:
            try:
                await self._client.ping()
                for script in scripts:
                    await self._client.script_load(script.text)
                pings = [self._client.ping() for _ in range(self._connections)]
                for answer in await asyncio.gather(*pings, return_exceptions=True):
                    if isinstance(answer, BaseException):
                        raise answer
            except (self._errors.AuthenticationError, self._errors.NoPermissionError) as error:
                raise ValueError(_words(error)) from None
            except (self._errors.RedisError, OSError) as error:
                # redis-py puts what the server says to a wrong password into an error of connections.
                if any(word in str(error) for word in ("WRONGPASS", "NOAUTH", "invalid username")):
                    raise ValueError(_words(error)) from None
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    raise ValueError(f"its certificate is not trusted: {_words(error)}") from None
                raise StoreError(_words(error)) from None

    async def close(self) -> None:
        """All connections."""
        await self._client.aclose()

    async def _evaluate(self, script: Script, keys: Sequence[bytes], arguments: Sequence[Any]) -> Any:
        try:
            return await self._client.evalsha(script.digest, len(keys), *keys, *arguments)
        except self._errors.NoScriptError:  # nothing was done
            return await self._client.eval(script.text, len(keys), *keys, *arguments)


def _client(url: RedisUrl) -> Redis | RedisCluster:
    from redis.asyncio import Redis  # noqa: PLC0415  # an extra
    from redis.asyncio.cluster import RedisCluster  # noqa: PLC0415
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    if url.ca_file is not None:
        try:
            ssl.create_default_context(cafile=url.ca_file)
        except OSError as error:
            raise ValueError(f"`ca_file` cannot be read: {error.strerror or error}; expected PEM") from None
    settings: dict[str, Any] = {
        "host": url.host,
        "port": url.port,
        "username": url.user,
        "password": url.password,
        "ssl": url.tls,
        "ssl_ca_certs": url.ca_file,
        "socket_timeout": None,
        "socket_connect_timeout": _CONNECT,
        "protocol": 2,
        "driver_info": None,  # one round trip less for each connection
        "max_connections": 2 * url.connections,  # those that are being given up count, too
    }
    once = Retry(NoBackoff(), 0)
    if url.cluster:
        return RedisCluster(**settings, retry=once)
    return Redis(**settings, db=url.database, retry=once)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0][:200]
