"""How the store of state is, for /healthz."""

from __future__ import annotations

from proxy.stores.guarded import GuardedStore
from proxy.stores.opening import AnyStore


def store_health(store: AnyStore, now: float) -> dict[str, object]:
    """What JSON can hold; `now` is of the monotonic clock."""
    if not isinstance(store, GuardedStore):
        return {"kind": "memory", "reachable": True}
    seen = store.condition()
    return {
        "kind": seen.kind,
        "url": seen.where,
        "reachable": seen.reachable,
        "breaker": seen.breaker,
        "seconds_in_this_state": round(now - seen.since, 3),
        "last_error": seen.last_error,
    }
