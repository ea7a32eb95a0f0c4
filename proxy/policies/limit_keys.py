"""Whose bucket a request takes from, and what is said where that cannot be told or counted."""

from __future__ import annotations

from proxy.config.keys import Key
from proxy.errors import Change, Rejection, StoreError
from proxy.exchange import Exchange
from proxy.policies.keys import needs_body, reader, shown
from proxy.policies.limit_config import BucketConfig, LimitConfig
from proxy.policy import Services
from proxy.stores.protocol import Buckets

Refusal = tuple[int, str, str]
"""Status, reason, detail."""

_CLIENT = Key("client.ip")
_BY_ADDRESS = "\ud801"
"""In front of an address that stands for a missing key: no client can send it."""
_RETRY_AFTER = 5.0


class BucketKey:
    """The key of a limit, read from requests."""

    def __init__(self, config: BucketConfig, services: Services, missing: Refusal) -> None:
        self.needs_body = needs_body(config.key)
        self.read = reader(config.key, services.ipv6_prefix)
        """The key, or None where a part of it is missing."""
        self._facts = config.key
        self._prefix = services.ipv6_prefix
        self._address = reader((_CLIENT,), services.ipv6_prefix)
        self._on_missing = config.on_missing_key or "refuse"
        self._missing = missing
        self._name = services.name

    def of(self, exchange: Exchange, body: bytes = b"") -> str | None:
        """Whose bucket it is; None for a request that passes without one."""
        return self.read(exchange, body) or self.without(exchange, body)

    def without(self, exchange: Exchange, body: bytes) -> str | None:
        """The key of a request that lacks a part of it."""
        if self._on_missing == "allow":
            return None
        if self._on_missing == "ip":
            address = self._address(exchange, b"")
            if address is not None:
                return _BY_ADDRESS + address
        facts = {"key": self.shown(exchange, body)}
        change = Change("on_missing_key", "allow", "set")
        raise Rejection(*self._missing, facts=facts, change=change, policy=self._name)

    def shown(self, exchange: Exchange, body: bytes) -> str:
        """For a decision."""
        return shown(self._facts, exchange, body, ipv6_prefix=self._prefix)


def uncounted(refusal: Refusal, error: StoreError, when_store_fails: str, name: str) -> Rejection:
    """What is raised where nobody can count."""
    facts = {"store": "away", "when_store_fails": when_store_fails}
    return Rejection(*refusal, cause=str(error), retry_after=_RETRY_AFTER, facts=facts, policy=name)


def buckets_of(config: BucketConfig, services: Services) -> Buckets:
    """By another key it is another limit."""
    penalty = config.penalty if isinstance(config, LimitConfig) else None
    return Buckets(
        f"{services.name}?{','.join(config.key)}",
        config.quota,
        config.max_keys,
        penalty.penalty if penalty else None,
    )
