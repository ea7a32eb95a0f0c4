"""What `rate_limit` and `quota` do: ask the store for each request, refuse, and tell what is left.

One limit, or several that decide as one. Where the store is in this process and no key is in the
body, the hook is a plain function, so that a request costs no task; else it is a coroutine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from proxy.algorithms.gcra import MICROSECONDS, Taken
from proxy.errors import Rejection, StoreError
from proxy.exchange import Exchange, ExchangeKey, Response
from proxy.policies.limit_config import LimitConfig
from proxy.policies.limit_fields import LimitFields
from proxy.policies.limit_keys import BucketKey, uncounted
from proxy.policies.limit_terms import Terms
from proxy.policy import Services
from proxy.stores.protocol import AtHand, LocalStore, Remote, Wanted


class Reasons(NamedTuple):
    """Of the policy: status, reason, detail."""

    exceeded: tuple[int, str, str]
    key_missing: tuple[int, str, str]
    unavailable: tuple[int, str, str]


class Limit:
    """One limit, and what is said of it."""

    def __init__(self, config: LimitConfig, services: Services, terms: Terms, reasons: Reasons) -> None:
        self.terms = terms
        self.cost = config.cost
        self.when_store_fails = config.when_store_fails
        self.taken = ExchangeKey[Taken](services.name)
        self.store = services.store
        self.local: LocalStore | None = services.store.local if isinstance(services.store, Remote) else None
        self._reasons = reasons
        self._name = services.name
        self._limit = config.limit
        self._key = BucketKey(config, services, reasons.key_missing)
        self.needs_body, self.read, self.without = self._key.needs_body, self._key.read, self._key.without
        self.key = self._key.of
        self._tells = config.headers != "none"
        self._fields = LimitFields(config.headers, services.name.rpartition("/")[2], config.quota)

    def refusal(self, exchange: Exchange, used: int, *, only: bool, body: bytes, away: str) -> Rejection:
        """What is raised where so much is used; `only`: no other limit refuses as well."""
        quota = self.terms.quota
        facts: dict[str, object] = {
            "limit": str(self._limit),
            "burst": quota.burst,
            "remaining": quota.remaining(used),
            "cost": self.cost,
            "key": self._key.shown(exchange, body),
        }
        if away:
            facts["store"] = f"away, so that this process counts by itself: {away}"
        return Rejection(
            *self._reasons.exceeded,
            retry_after=self.terms.wait(used, self.cost) / MICROSECONDS,
            facts=facts,
            change=self.terms.change(used, self.cost) if only else None,
            policy=self._name,
        )

    def unavailable(self, error: StoreError) -> Rejection:
        """What is raised where nobody can count."""
        return uncounted(self._reasons.unavailable, error, self.when_store_fails, self._name)

    def tell(self, exchange: Exchange, response: Response) -> None:
        """Put on the response what the client should know."""
        if not self._tells:
            return
        taken = exchange.recall(self.taken)
        if taken is None:
            self._fields.write(response, None)
            return
        passed, used = taken
        terms = self.terms
        wait = terms.until_full(used) if passed else terms.wait(used, self.cost)
        self._fields.write(response, (terms.quota.remaining(used), wait))


_Asked = list[tuple[Limit, Wanted]]


class Limiter:
    """Limits that all let a request pass, or take nothing. `on_request` and `on_response` are hooks."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits = tuple(limits)
        self._first = first = limits[0]
        self._needs_body = any(limit.needs_body for limit in limits)
        self._store = first.store
        self.on_request: Callable[[Exchange], Any] = self._ask
        if isinstance(first.store, AtHand) and not self._needs_body:
            self._take, self._take_all = first.store.take_now, first.store.take_all_now
            self.on_request = self._ask_now if len(limits) == 1 else self._ask_all_now
        self.on_response = first.tell if len(limits) == 1 else self._tell

    def _tell(self, exchange: Exchange, response: Response) -> None:
        for limit in self.limits:
            limit.tell(exchange, response)

    def _ask_now(self, exchange: Exchange) -> None:
        limit = self._first
        key = limit.read(exchange, b"") or limit.without(exchange, b"")
        if key is None:
            return
        taken = self._take(limit.terms.buckets, key, limit.cost)
        exchange.remember(limit.taken, taken)
        if not taken[0]:
            raise limit.refusal(exchange, taken[1], only=True, body=b"", away="")

    def _ask_all_now(self, exchange: Exchange) -> None:
        asked = self._wanted(exchange, b"")
        if asked:
            self._judge(exchange, asked, self._take_all([wanted for _, wanted in asked]))

    async def _ask(self, exchange: Exchange) -> None:
        body = await exchange.body() if self._needs_body else b""
        asked = self._wanted(exchange, body)
        if not asked:
            return
        away = ""
        try:
            if len(asked) == 1:
                all_taken = [await self._store.take(*asked[0][1])]
            else:
                all_taken = await self._store.take_all([wanted for _, wanted in asked])
        except StoreError as error:
            asked, all_taken = _without_store(asked, error)
            away = str(error)
        self._judge(exchange, asked, all_taken, body, away)

    def _wanted(self, exchange: Exchange, body: bytes) -> _Asked:
        return [
            (limit, (limit.terms.buckets, key, limit.cost))
            for limit in self.limits
            if (key := limit.key(exchange, body)) is not None
        ]

    def _judge(
        self, exchange: Exchange, asked: _Asked, all_taken: list[Taken], body: bytes = b"", away: str = ""
    ) -> None:
        refusals = []
        for (limit, _), taken in zip(asked, all_taken, strict=True):
            exchange.remember(limit.taken, taken)
            if not taken[0]:
                refusals.append((limit, taken[1]))
        if refusals:
            only = len(refusals) == 1
            raise max(
                (limit.refusal(exchange, used, only=only, body=body, away=away) for limit, used in refusals),
                key=lambda refusal: refusal.retry_after or 0.0,
            )


def _without_store(asked: _Asked, error: StoreError) -> tuple[_Asked, list[Taken]]:
    """What each says is to happen; raises the refusal of the first that refuses."""
    counted: _Asked = []
    for limit, wanted in asked:
        if limit.when_store_fails == "refuse" or (limit.when_store_fails == "local" and limit.local is None):
            raise limit.unavailable(error) from None
        if limit.when_store_fails == "local":
            counted.append((limit, wanted))
    local = counted[0][0].local if counted else None
    return counted, local.take_all_now([wanted for _, wanted in counted]) if local else []
