"""Fourth: whether this caller may send this."""

from __future__ import annotations

from proxy.policies.checks.csrf import Csrf, CsrfConfig
from proxy.policies.checks.event_filter import EventFilter, EventFilterConfig
from proxy.policies.checks.json_schema import JsonSchema, JsonSchemaConfig
from proxy.policies.checks.quota import Quota, QuotaConfig, together
from proxy.policies.checks.replay_guard import ReplayGuard, ReplayGuardConfig
from proxy.policy import AnyPolicyType, PolicyType

CHECKS: tuple[AnyPolicyType, ...] = (
    PolicyType("csrf", CsrfConfig, Csrf),
    PolicyType(
        "quota", QuotaConfig, Quota, scalar="limit", one=("limit", "burst", "reset"), together=together
    ),
    PolicyType("event_filter", EventFilterConfig, EventFilter),
    PolicyType("json_schema", JsonSchemaConfig, JsonSchema),
    PolicyType("replay_guard", ReplayGuardConfig, ReplayGuard),
)
