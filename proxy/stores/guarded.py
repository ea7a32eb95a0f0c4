"""A store that can be out of reach, such that nobody waits for one that is.

Each verb has a time-out, and all of them one circuit breaker: after so many failures in a row the
store is left alone for a while, and every verb raises StoreError at once. Then one caller tries
it; if that goes well, it is back. A store that is full, and says so, has not failed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, get_args

from proxy.algorithms.breaker import Breaker, OpenTime, Permit, Thresholds, Transition
from proxy.algorithms.gcra import Taken
from proxy.clock import Clock
from proxy.errors import StoreError
from proxy.stores.protocol import Buckets, LocalStore, Store, Wanted

T = TypeVar("T")

_LATE = 2
"""A time-out that comes after so many times its time was not kept by us: the process has no CPU."""
DURATIONS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
"""Seconds; upper bounds of the buckets that durations are counted in."""


@dataclass(frozen=True, slots=True)
class Patience:
    """With a store that does not answer."""

    timeout: float = 0.05
    """Seconds that a verb waits."""
    failures: int = 5
    """In a row, and the store is left alone..."""
    open_for: float = 30.0
    """...for so many seconds."""


Status = Literal["ok", "error", "timeout", "full", "skipped"]
STATUSES: tuple[Status, ...] = get_args(Status)


class Closable(Store, Protocol):
    """A store with connections or files."""

    async def close(self) -> None:
        """No verb is asked after it."""
        ...


@dataclass(slots=True)
class Operation:
    """What became of one verb, since the start."""

    statuses: dict[Status, int] = field(default_factory=dict)
    """`skipped` is what the breaker kept from the store."""
    counts: list[int] = field(default_factory=lambda: [0] * (len(DURATIONS) + 1))
    """Of what was asked, by duration; the last is what took longer than all bounds."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Condition:
    """How the store is, for operators."""

    kind: str
    where: str
    """Its URL without a password."""
    reachable: bool
    breaker: str
    """`closed`, `open`, or `half-open`."""
    since: float
    """Of the breaker's state, by the monotonic clock."""
    last_error: str
    """Empty where there has been none since it was reached last."""


Tell = Callable[[str, Mapping[str, object]], object]
"""Learns of each transition once: a sentence, and the numbers behind it."""


class GuardedStore:
    """Implements `proxy.stores.protocol.Remote`. `kind` is what metrics call it."""

    def __init__(
        self,
        store: Closable,
        local: LocalStore,
        clock: Clock,
        *,
        kind: str,
        where: str,
        patience: Patience,
        tell: Tell,
        error: str = "",
    ) -> None:
        self.local = local
        self.kind = kind
        self.where = where
        self.operations: dict[str, Operation] = {}
        self._store = store
        self._clock = clock
        self._timeout = patience.timeout
        self._tell = tell
        self._error = error
        """What was wrong last, before the first verb as well; empty where it was reached since."""
        thresholds = Thresholds(
            consecutive=patience.failures,
            open_time=OpenTime(patience.open_for),
            probe_time=max(10.0, 2 * patience.timeout),
        )
        self._breaker = Breaker(thresholds, clock.monotonic(), self._changed)

    async def take(self, buckets: Buckets, key: str, cost: int = 1) -> Taken:
        return await self._ask("take", self._store.take, buckets, key, cost)

    async def take_all(self, wanted: Sequence[Wanted]) -> list[Taken]:
        return await self._ask("take_all", self._store.take_all, wanted)

    async def claim(self, key: str, value: bytes, ttl: float) -> bytes | None:
        return await self._ask("claim", self._store.claim, key, value, ttl)

    async def confirm(self, key: str, expected: bytes, value: bytes, ttl: float) -> bool:
        return await self._ask("confirm", self._store.confirm, key, expected, value, ttl)

    async def get(self, key: str) -> bytes | None:
        return await self._ask("get", self._store.get, key)

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        await self._ask("set", self._store.set, key, value, ttl)

    async def lease(self, key: str, holder: str, limit: int, ttl: float) -> bool:
        return await self._ask("lease", self._store.lease, key, holder, limit, ttl)

    async def release(self, key: str, holder: str) -> None:
        await self._ask("release", self._store.release, key, holder)

    def condition(self) -> Condition:
        """As it is now."""
        breaker = self._breaker
        breaker.tick(self._clock.monotonic())
        reachable = breaker.state == "closed" and not self._error
        return Condition(self.kind, self.where, reachable, breaker.state, breaker.since, self._error)

    async def close(self) -> None:
        """No verb is asked after it."""
        await self._store.close()

    async def _ask(self, name: str, verb: Callable[..., Awaitable[T]], *arguments: object) -> T:
        breaker, clock = self._breaker, self._clock
        start = clock.monotonic()
        permit = breaker.passing or breaker.ask(start)
        if permit is None:
            self._count(name, "skipped")
            raise StoreError(f"the {self.kind} store is away ({self._error})")
        try:
            async with clock.timeout(self._timeout):
                answer = await verb(*arguments)
        except TimeoutError:
            self._error = f"no answer to {name} in {self._timeout * 1000:g} ms"
            if clock.monotonic() - start < _LATE * self._timeout:
                self._record(name, "timeout", permit, start)
            else:  # we are late ourselves, which says nothing of the store
                breaker.release(permit)
                self._count(name, "timeout", clock.monotonic() - start)
            raise StoreError(f"the {self.kind} store is away: {self._error}") from None
        except StoreError as error:
            self._error = "" if error.full else str(error)
            self._record(name, "full" if error.full else "error", permit, start)
            raise
        except BaseException:
            breaker.release(permit)  # the caller has left, and nobody knows
            raise
        self._error = ""
        self._record(name, "ok", permit, start)
        return answer

    def _record(self, name: str, status: Status, permit: Permit, start: float) -> None:
        end = self._clock.monotonic()
        self._breaker.record(permit, end, failed=status in ("error", "timeout"), seconds=end - start)
        self._count(name, status, end - start)

    def _count(self, name: str, status: Status, seconds: float | None = None) -> None:
        operation = self.operations.get(name)
        if operation is None:
            operation = self.operations[name] = Operation()
        operation.statuses[status] = operation.statuses.get(status, 0) + 1
        if seconds is not None:
            operation.counts[bisect_left(DURATIONS, seconds)] += 1
            operation.seconds += seconds

    def _changed(self, change: Transition) -> None:
        text = {
            "open": f"the {self.kind} store is away: {change.cause}",
            "half-open": f"the {self.kind} store is tried again: {change.cause}",
            "closed": f"the {self.kind} store is back: {change.cause}",
        }[change.after]
        numbers = {**change.numbers, "error": self._error} if change.after == "open" else change.numbers
        self._tell(text, numbers)
