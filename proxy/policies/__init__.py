"""Every policy, in the order a request meets them.

Folders are phases: edge, admission, identity, checks, answers, resilience. To add a
policy, write one file in its phase, one line in that phase's tuple, and one test file.
"""

from __future__ import annotations

from proxy.policies.admission import ADMISSION
from proxy.policies.answers import ANSWERS
from proxy.policies.checks import CHECKS
from proxy.policies.edge import EDGE
from proxy.policies.identity import IDENTITY
from proxy.policies.resilience import RESILIENCE
from proxy.policy import AnyPolicyType

PIPELINE_ORDER: tuple[AnyPolicyType, ...] = (
    *EDGE,
    *ADMISSION,
    *IDENTITY,
    *CHECKS,
    *ANSWERS,
    *RESILIENCE,
)
