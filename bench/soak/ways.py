"""What the clients of a soak ask for, and how they behave."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """A kind of request, and how its client behaves."""

    path: str
    weight: int = 4
    method: str = "GET"
    body: int = 0
    chunked: bool = False
    pause: float = 0.0
    """Between pieces of what is sent or read."""
    leaves: bool = False
    pipelined: int = 1

    @property
    def name(self) -> str:
        return self.path.strip("/").split("/")[0]


WAYS = (
    Way("/ok/100", 30),
    Way("/ok/0", 5, "HEAD"),
    Way("/ok/20", 10, pipelined=4),
    Way("/ok/50000", 6),
    Way("/ok/3000000"),
    Way("/ok/2000000", 2, pause=0.03),
    Way("/ok/8000000", 1, pause=2.5),
    Way("/slowly/50", 12),
    Way("/slowly/300"),
    Way("/chunked/30000", 6),
    Way("/flaky", 15),
    Way("/secure/100", 12),
    Way("/secure/2000000", 2),
    Way("/secure/300000", 2, leaves=True),
    Way("/secure-flaky", 6),
    Way("/secure-reset", 3),
    Way("/flaky", 3, "PUT", 500),
    Way("/upload", 6, "POST", 5000),
    Way("/upload", 2, "POST", 1_500_000),
    Way("/upload", 4, "POST", 40_000, chunked=True),
    Way("/upload", 2, "POST", 20_000, pause=0.05),
    Way("/upload", 3, "POST", 300_000, leaves=True),
    Way("/early", 3, "POST", 800_000),
    Way("/hang", 3),
    Way("/hang", 2, "POST", 100),
    Way("/hang", 3, leaves=True),
    Way("/drip", 2),
    Way("/drip-head", 2),
    Way("/drip", 1, leaves=True),
    Way("/reset-head"),
    Way("/reset-head", 2, "POST", 100),
    Way("/reset-body"),
    Way("/reset-chunks"),
    Way("/leave"),
    Way("/leave", 2, "POST", 100),
    Way("/garbage"),
    Way("/busy"),
    Way("/busy", 2, "POST", 100),
    Way("/trace"),
    Way("/refused/x"),
    Way("/refused/x", 1, "POST", 100),
    Way("/nowhere/x", 2),
    Way("/slowly/100", 4, leaves=True),
    Way("/ok/3000000", 3, leaves=True),
    Way("/flaky", 2, leaves=True),
)
"""What is asked, and how often beside the others."""
