"""Call the upstream no faster than it may be called: who comes too early waits for its turn.

```yaml
pace: {limit: 2/s, burst: 5, max_wait: 30s}
```

For APIs that allow so many calls in a time: their own limit answers the call that is one too many
with an error, and some lock out who goes on. Here each call takes a token and waits until there is one,
first come first served. `burst` calls may be made at once, and tokens come back evenly, at the
rate of `limit`: at `2/s` with a burst of 5, five calls are made at once, and then one each 500 ms; at
`0.5/s`, one each two seconds. So in any time no more calls are made than the burst and what the rate gives
in that time. Without `burst` that is one by one; an API that allows 100 in a minute, in whichever minute, is
kept to by a `limit` and `burst` that are no more than 100 together, such as `90/min` with a burst of 10.

**Each call.** A repetition by `retry` takes a token of its own. What other policies answer or refuse takes
none. A call for which `circuit_breaker` has no use does not stand in line. The time in line counts for
`deadline`, not for `timeout`. A request that is sent again, since its connection had been closed while it
was idle, takes no other token: an upstream that had closed it counts the second one alone. Where it may
count both, `retry` with `methods: []` has nothing sent again.

**Whose pace it is.** One for all by default (`key: [constant]`): the upstream counts its callers' calls, not
their clients. With other keys each has a line of its own, and `on_missing_key` says what becomes of
requests that lack one.

**What the client sees.** Its answer, later. Where the turn would come after `max_wait`, or after the
end of `deadline`, `503` at once, with a `Retry-After` after which there would be one
(`pace.exceeded`); who has waited for `max_wait` in vain gets the same. Where no more may wait, too
(`pace.queue_full`).

**State.** Tokens are in the store, by the policy's name: on several routes a named policy is one pace, which
must have the same settings on each but for `max_wait`. A reload keeps it and who waits; where `limit` or
`burst` change, the same share of the bucket is used, and who waits goes by the new rate. Who waits stands in
memory: `queue.size` at most, all keys together, and `queue.per_key` with the same. A token is taken when the
call is made and not before, so that who leaves the line delays nobody. Metrics show who waits
(`pace_waiting`). With `--store redis://host` all replicas keep to one rate. Each has a line of its own,
whose first asks the store when the next token is due, so that among replicas the order is that of arrival
about, and under constant load may favour one for a while. Only the first of a line asks: with a store that
takes a millisecond, one process makes fewer than a thousand calls in a second with a key.

**Without the store.** `when_store_fails` says: `local`, the default, goes on in memory, where each replica
keeps to the rate by itself and from a full bucket; `allow` calls without a pace; `refuse` answers
`503`. Who waits meanwhile goes by the same.

**In shadow.** With a bucket of its own. Nobody waits; what is reported would have found no turn within
`max_wait` (or no place, by `queue.per_key`), had the others waited for theirs.

**Hardened against.** Places that get lost, also where a client leaves in the turn in which it is told;
newcomers that overtake; floods, since one who would wait too long is refused before it waits; keys made up by
clients, which are forgotten with the last who waits.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Annotated

from msgspec import Meta

from proxy.algorithms.gcra import MICROSECONDS, Quota, Taken
from proxy.algorithms.lines import Turn
from proxy.config import keys
from proxy.config.keys import Key
from proxy.config.spelling import about, spelled
from proxy.config.units import Duration, Share
from proxy.errors import Rejection, StoreError
from proxy.exchange import Exchange, ExchangeKey, Outcome
from proxy.policies.limit_config import BucketConfig
from proxy.policies.limit_keys import BucketKey, buckets_of, uncounted
from proxy.policies.resilience.pace.crossing import Crossing, QueueConfig
from proxy.policy import Later, Services
from proxy.stores.protocol import AtHand, Buckets, Remote

EXCEEDED = (503, "pace.exceeded", "Too many calls wait for their turn. Try again later.")
QUEUE_FULL = (503, "pace.queue_full", "Too many calls wait for their turn. Try again later.")
KEY_MISSING = (400, "pace.key_missing", "The request does not say what its pace goes by.")
UNAVAILABLE = (503, "pace.unavailable", "It cannot be told now how many calls there were.")

REASONS = (EXCEEDED, QUEUE_FULL, KEY_MISSING, UNAVAILABLE)


class PaceConfig(BucketConfig, frozen=True, kw_only=True):
    """See the module's docstring."""

    burst: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000_000)] | Annotated[Share, Meta(gt=0)],
        Meta(description="Size of the bucket: how many calls at once; a number, or a share of `limit`."),
    ] = 1
    key: Annotated[
        tuple[Key, ...],
        Meta(min_length=1, max_length=8, description="Who shares one pace; several facts are one key."),
    ] = (Key("constant"),)
    max_wait: Annotated[Duration, Meta(gt=0, description="How long a call waits at most.")] = Duration(30)
    queue: Annotated[QueueConfig, Meta(description="How many may wait.")] = QueueConfig()

    def check(self) -> Iterator[tuple[str, str]]:
        """A pace that can be kept, by what is known."""
        yield from keys.problems(self.key, "resilience")
        yield from super().check()

    def in_words(self) -> Sequence[str]:
        """How fast, and who waits."""
        return [*super().in_words(), f"waits up to {spelled(self.max_wait)}"]


class Pace:
    """See the module's docstring."""

    def __init__(self, config: PaceConfig, services: Services) -> None:
        self._config = config
        self._name = services.name
        self._monotonic = services.clock.monotonic
        self._clock = services.clock
        self._whose = BucketKey(config, services, KEY_MISSING)
        self._buckets = buckets_of(config, services)
        self._store = store = services.store
        self._take_now = store.take_now if isinstance(store, AtHand) else None
        self._local = store.local if isinstance(store, Remote) else None
        self._crossing = services.shared("crossing", Crossing)
        self._edition = self._crossing.edition()
        self._turn = ExchangeKey[Turn](services.name)

    def on_request(self, exchange: Exchange) -> Later | None:
        if self._crossing.adopted < self._edition:
            self._crossing.adopt(self._edition, self._buckets, self._config.queue)
        if self._whose.needs_body:
            return partial(self._with_body, exchange)
        key = self._whose.of(exchange)
        return None if key is None else self._come(exchange, key)

    def on_finish(self, exchange: Exchange, outcome: Outcome) -> None:  # noqa: ARG002  # however it ended
        turn = exchange.recall(self._turn)
        if turn is not None:
            self._crossing.leave(turn)

    async def _with_body(self, exchange: Exchange) -> None:
        key = self._whose.of(exchange, await exchange.body())
        later = None if key is None else self._come(exchange, key)
        if later is not None:
            await later()

    def _come(self, exchange: Exchange, key: str) -> Later | None:
        if exchange.in_shadow:
            return self._rehearse(exchange, key)
        crossing, lines = self._crossing, self._crossing.lines
        if self._take_now is not None and not lines.ahead(key):
            passed, used = self._take_now(self._in_force, key)
            if passed:
                return None
            crossing.full_at[key] = self._monotonic() + used / MICROSECONDS
        wait = self._expected(key, lines.ahead(key))
        in_vain = self._in_vain(exchange, wait)
        turn = None if in_vain else lines.join(key)
        if turn is None:
            if not lines.ahead(key):
                crossing.full_at.pop(key, None)
            raise self._exceeded(exchange, wait) if in_vain else self._full(exchange, wait)
        exchange.remember(self._turn, turn)
        return partial(self._wait, exchange, turn, self._monotonic() + self._config.max_wait)

    async def _wait(self, exchange: Exchange, turn: Turn, end: float) -> None:
        crossing, lines, key = self._crossing, self._crossing.lines, turn.key
        told = asyncio.Event()
        turn.tell = told.set
        try:
            while True:
                told.clear()
                wait = max(0.0, end - self._monotonic())
                if lines.is_first(turn):
                    passed, used = await self._take(key)
                    now = self._monotonic()
                    crossing.full_at[key] = now + used / MICROSECONDS
                    if passed:
                        return
                    wait = self._in_force.quota.wait(used) / MICROSECONDS
                    if now + wait > end or self._in_vain(exchange, wait):
                        raise self._exceeded(exchange, wait)
                elif not wait:
                    raise self._exceeded(exchange, self._expected(key, lines.before(turn)))
                with suppress(TimeoutError):
                    async with self._clock.timeout(wait):
                        await told.wait()
        finally:
            crossing.leave(turn)

    async def _take(self, key: str) -> Taken:
        buckets = self._in_force
        if self._take_now is not None:
            return self._take_now(buckets, key)
        try:
            return await self._store.take(buckets, key)
        except StoreError as error:
            return self._without_store(buckets, key, error)

    def _without_store(self, buckets: Buckets, key: str, error: StoreError) -> Taken:
        """What is to happen then; raises the refusal where that is one."""
        way = self._config.when_store_fails
        if way == "allow":
            return True, 0
        if way == "refuse" or self._local is None:
            raise uncounted(UNAVAILABLE, error, way, self._name) from None
        return self._local.take_now(buckets, key)

    @property
    def _in_force(self) -> Buckets:
        return self._crossing.buckets or self._buckets

    def _expected(self, key: str, ahead: int) -> float:
        """Seconds until the turn of one with so many before it, if all of them take theirs."""
        full_at = self._crossing.full_at.get(key, 0.0)
        used = max(0, round((full_at - self._monotonic()) * MICROSECONDS))
        return self._in_force.quota.wait(used, ahead + 1) / MICROSECONDS

    def _in_vain(self, exchange: Exchange, wait: float) -> bool:
        """Whether it makes no sense to wait for so many seconds."""
        if wait > self._config.max_wait:
            return True
        return exchange.deadline is not None and self._monotonic() + wait >= exchange.deadline

    def _exceeded(self, exchange: Exchange, wait: float) -> Rejection:
        # No edit is named: with more patience those that were refused before would stand in line.
        facts = self._facts(exchange, wait)
        return Rejection(*EXCEEDED, retry_after=wait, facts=facts, policy=self._name)

    def _full(self, exchange: Exchange, wait: float) -> Rejection:
        facts = self._facts(exchange, wait)
        return Rejection(*QUEUE_FULL, retry_after=wait, facts=facts, policy=self._name)

    def _facts(self, exchange: Exchange, wait: float) -> dict[str, object]:
        config, content = self._config, exchange.request.content
        return {
            "limit": str(config.limit),
            "burst": config.bucket,
            "wait": about(wait),
            "max_wait": spelled(config.max_wait),
            **self._time_left(exchange),
            "waiting": self._crossing.lines.waiting,
            "key": self._whose.shown(exchange, content if isinstance(content, bytes) else b""),
        }

    def _time_left(self, exchange: Exchange) -> dict[str, object]:
        """Of the deadline, where that is nearer than `max_wait`."""
        left = math.inf if exchange.deadline is None else max(0.0, exchange.deadline - self._monotonic())
        return {"time_left": about(left)} if left < self._config.max_wait else {}

    def _rehearse(self, exchange: Exchange, key: str) -> Later | None:
        """In shadow: a line in which all wait is a bucket that is larger by those who may."""
        config, quota = self._config, self._buckets.quota
        in_time = int(config.max_wait * MICROSECONDS) // quota.interval
        room = min(in_time, config.queue.per_line)
        wider = Quota(quota.limit, quota.period, quota.burst + room)
        buckets = replace(self._buckets, quota=wider)

        def judge(taken: Taken) -> None:
            passed, used = taken
            if not passed:
                wait = quota.wait(used) / MICROSECONDS
                raise self._exceeded(exchange, wait) if room == in_time else self._full(exchange, wait)

        async def later() -> None:
            try:
                taken = await self._store.take(buckets, key)
            except StoreError as error:
                taken = self._without_store(buckets, key, error)
            judge(taken)

        if self._take_now is None:
            return later
        judge(self._take_now(buckets, key))
        return None
