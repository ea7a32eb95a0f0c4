"""How long a client waits at most for the head of an answer, where calls are repeated on its route.

Each call waits for its turn (`pace`), for a connection, which is opened or, where the pool is full,
waited for, and for the head; `attempt` of `timeout` bounds the last two together. One that is made again
since its connection had been closed while it was idle counts as a repetition. Before all of it is the
queue of `concurrency`, and the same request that is under way (`idempotency`).

Without a bound but that of a `deadline` is the body of a request: each pause in it is bounded, and
not how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from proxy.config.configuration import PolicyInstance
from proxy.config.spelling import about, spelled
from proxy.policies.answers.idempotency import IdempotencyConfig
from proxy.policies.edge.deadline import DeadlineConfig
from proxy.policies.resilience.concurrency import ConcurrencyConfig
from proxy.policies.resilience.pace import PaceConfig
from proxy.policies.resilience.retry import RetryConfig
from proxy.policies.resilience.timeout import TimeoutConfig

T = TypeVar("T")


def worst_case(policy: PolicyInstance, others: Sequence[PolicyInstance], pool_wait: float) -> Iterator[str]:
    """In words, of a `retry` among the policies of a route; `pool_wait` is its upstream's."""
    config = policy.config
    if not isinstance(config, RetryConfig):
        return
    enforced = [each.config for each in others if each.mode == "enforce"]
    deadline = _one(enforced, DeadlineConfig)
    if deadline is not None:
        yield f"at most {spelled(deadline.total)} in all by `deadline`"
        return
    parts = dict(_parts(config, enforced, pool_wait))
    told = ", ".join(f"{about(seconds)} {what}" for what, seconds in parts.items())
    yield f"at most {about(sum(parts.values()))} from the end of a request to an answer's head: {told}"
    yield "and without a `deadline` no bound for how long the body of a request takes to come and to be sent"


def _parts(config: RetryConfig, enforced: Sequence[object], pool_wait: float) -> Iterator[tuple[str, float]]:
    timeout = _one(enforced, TimeoutConfig) or TimeoutConfig()
    pace, concurrency = _one(enforced, PaceConfig), _one(enforced, ConcurrencyConfig)
    idempotency = _one(enforced, IdempotencyConfig)
    calls = max(config.most_retries, 1) + 1
    longest = max(timeout.connect, pool_wait) + timeout.response
    yield "of calls", calls * (longest if timeout.attempt is None else min(longest, timeout.attempt))
    if pace is not None:
        yield "of `pace`", calls * pace.max_wait
    if concurrency is not None and concurrency.queue is not None:
        yield "in the queue of `concurrency`", concurrency.queue.timeout
    if idempotency is not None and idempotency.on_in_flight == "wait":
        yield "for the same request under way", idempotency.pending_for
    yield "of waits", sum(max(wait, config.longest_asked) for wait in config.longest_waits)


def _one(configs: Sequence[object], kind: type[T]) -> T | None:
    return next((config for config in configs if isinstance(config, kind)), None)
