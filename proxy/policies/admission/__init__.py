"""Second: refusals that cost next to nothing, before anything is hashed or read."""

from __future__ import annotations

from proxy.policies.admission.ip_list import IpList, IpListConfig
from proxy.policies.admission.rate_limit import RateLimit, RateLimitConfig, together
from proxy.policies.admission.require_https import RequireHttps, RequireHttpsConfig
from proxy.policies.admission.size_limit import SizeLimit, SizeLimitConfig
from proxy.policy import AnyPolicyType, PolicyType

ADMISSION: tuple[AnyPolicyType, ...] = (
    PolicyType("require_https", RequireHttpsConfig, RequireHttps, scalar="action"),
    PolicyType("ip_list", IpListConfig, IpList),
    PolicyType("size_limit", SizeLimitConfig, SizeLimit, scalar="body"),
    PolicyType(
        "rate_limit", RateLimitConfig, RateLimit, scalar="limit", one=("limit", "burst"), together=together
    ),
)
