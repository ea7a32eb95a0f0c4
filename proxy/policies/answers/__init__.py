"""Fifth: whether it can be answered without calling the upstream."""

from __future__ import annotations

from proxy.policies.answers.idempotency import Idempotency, IdempotencyConfig
from proxy.policy import AnyPolicyType, PolicyType

ANSWERS: tuple[AnyPolicyType, ...] = (PolicyType("idempotency", IdempotencyConfig, Idempotency),)
