"""First: what holds for every exchange, whoever made it and however it ends."""

from __future__ import annotations

from proxy.policies.edge.cors import Cors, CorsConfig
from proxy.policies.edge.deadline import Deadline, DeadlineConfig
from proxy.policies.edge.forwarded import Forwarded, ForwardedConfig
from proxy.policies.edge.security_headers import SecurityHeaders, SecurityHeadersConfig
from proxy.policy import AnyPolicyType, PolicyType

_REFUSES_NOTHING = "it refuses nothing, so that there is nothing to report"

EDGE: tuple[AnyPolicyType, ...] = (
    PolicyType("deadline", DeadlineConfig, Deadline, scalar="total"),
    PolicyType("forwarded", ForwardedConfig, Forwarded, no_shadow=_REFUSES_NOTHING),
    PolicyType(
        "security_headers",
        SecurityHeadersConfig,
        SecurityHeaders,
        scalar="preset",
        no_shadow=_REFUSES_NOTHING,
    ),
    PolicyType("cors", CorsConfig, Cors),
)
