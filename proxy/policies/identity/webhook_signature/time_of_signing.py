"""Whether a request was signed just now."""

from __future__ import annotations

from proxy.algorithms.timestamps import TimeUnit, read_timestamp
from proxy.policies.identity.webhook_signature.content import NotAsAgreed


class Expired(Exception):
    """It was not: the time that was signed is further away from now than it may be, in seconds."""

    def __init__(self, signed_at: float, now: float, tolerance: float) -> None:
        super().__init__("the time of signing is off")
        self.off_by = abs(now - signed_at)
        self.facts = {"signed_at": signed_at, "now": now, "off_by": self.off_by, "tolerance": tolerance}


def verify_time(time: str, unit: TimeUnit, tolerance: float, now: float) -> None:
    """Raises NotAsAgreed where it is no time, and Expired."""
    at = read_timestamp(time, unit)
    if at is None:
        raise NotAsAgreed("the time of signing cannot be read")
    if abs(now - at) > tolerance:
        raise Expired(at, now, tolerance)
