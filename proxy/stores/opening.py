"""`--store` -> a store: `memory://`, `sqlite:///path`, `redis://host:6379/0`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from proxy.clock import Clock
from proxy.errors import StoreError
from proxy.stores.guarded import GuardedStore, Patience, Tell
from proxy.stores.memory import MemoryStore
from proxy.stores.redis_url import SCHEMES, RedisUrl

if TYPE_CHECKING:
    from proxy.stores.redis import RedisStore

MEMORY = "memory://"
_LONGEST_CHECK = 2.0


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """Which store, and where. As text it has no password."""

    kind: str
    """`memory`, `sqlite`, or `redis`: what metrics call it."""
    path: Path | None = None
    redis: RedisUrl | None = None

    @classmethod
    def parse(cls, url: str) -> StoreUrl:
        """Raises ValueError, without what could be a secret."""
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ValueError("this is no URL of a store") from None
        if parts.scheme == "memory" and url == MEMORY:
            return cls("memory")
        if parts.scheme == "sqlite":
            path = Path(unquote(parts.path))
            if parts.netloc or parts.query or parts.fragment or not path.is_absolute() or not path.name:
                raise ValueError(
                    "expected sqlite:// and a path from the root, as in sqlite:///data/seawall.db"
                )
            return cls("sqlite", path=path)
        if parts.scheme in SCHEMES:
            return cls("redis", redis=RedisUrl.parse(url))
        raise ValueError("this is no store; expected memory://, sqlite:///path or redis://host:6379/0")

    def __str__(self) -> str:
        return str(self.redis) if self.redis else f"sqlite://{self.path}" if self.path else MEMORY


AnyStore = MemoryStore | GuardedStore


async def open_store(url: StoreUrl, clock: Clock, patience: Patience, tell: Tell) -> AnyStore:
    """Raises ValueError where only an operator can help; a server that is away may come back."""
    guarded = partial(GuardedStore, clock=clock, where=str(url), patience=patience, tell=tell)
    memory = MemoryStore(clock)
    if url.kind == "memory":
        return memory
    if url.redis is not None:
        from proxy.stores.redis import RedisStore  # noqa: PLC0415  # an extra

        redis, away = RedisStore(url.redis), ""
        try:
            await _checked(redis, clock)
        except StoreError as error:
            away = str(error)
            tell(f"the redis store {url} is away, and is tried again with each request", {"error": away})
        except ValueError as error:
            await redis.close()
            raise ValueError(f"the store {url} cannot be used: {error}") from None
        return guarded(redis, memory, kind="redis", error=away)
    from proxy.stores.sqlite import SqliteStore  # noqa: PLC0415  # sqlite3 is 2 MiB that memory needs not

    sqlite = SqliteStore(url.path or Path(), clock)
    return guarded(sqlite, memory, kind="sqlite")


async def _checked(redis: RedisStore, clock: Clock) -> None:
    try:
        async with clock.timeout(_LONGEST_CHECK):
            await redis.check()
    except TimeoutError:
        raise StoreError(f"no answer in {_LONGEST_CHECK:g} s") from None


async def close_store(store: AnyStore) -> None:
    """Files and connections."""
    if isinstance(store, GuardedStore):
        await store.close()
