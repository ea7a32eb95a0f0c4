"""How much of a request's head the wire reads at all."""

from __future__ import annotations

from proxy.config.configuration import Configuration
from proxy.policies.admission.size_limit import SizeLimitConfig
from proxy.wire.serving import HeadCaps

_AROUND_TARGET = 64
"""Method, version and spaces of a request line."""


def head_caps(configuration: Configuration) -> HeadCaps:
    """The wire's caps, raised to the largest `size_limit` so that a policy can allow more."""
    caps = HeadCaps()
    target, fields, headers = caps.target, caps.fields, 0
    for policy in configuration.instances():
        if isinstance(policy.config, SizeLimitConfig):
            target = max(target, (policy.config.url or 0) + _AROUND_TARGET)
            fields = max(fields, policy.config.header_count or 0)
            headers = max(headers, policy.config.headers or 0)
    # Lines have their colons and ends, which `headers` does not count; the first has the target.
    head = max(caps.head, target + headers + 4 * fields + 4)
    return HeadCaps(target, head, fields)
