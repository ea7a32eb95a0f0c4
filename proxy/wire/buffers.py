"""The bound on all buffered bodies together (`--max-buffered`)."""

from __future__ import annotations

from proxy.errors import Rejection


class Buffers:
    """Counts the bytes that policies hold; over the bound the next one is refused, not the process killed."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0

    def hold(self, size: int) -> None:
        """Account for `size` bytes more; raises Rejection (503, `buffers.full`) over the bound."""
        if self.held + size > self.limit:
            raise Rejection(
                503,
                "buffers.full",
                "Too many bodies are being held right now.",
                retry_after=1.0,
                facts={"held": self.held, "limit": self.limit},
            )
        self.held += size

    def release(self, size: int) -> None:
        """Give `size` bytes back."""
        self.held -= size
