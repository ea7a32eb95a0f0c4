"""One measurement: so many seconds of load on one proxy, and what they cost it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

from bench import generators
from bench.generators import Counted, Failed
from bench.processes import busy_seconds
from bench.scenarios import Scenario
from bench.servers import Server, accepted


class Unfit(Exception):
    """A proxy does not do what is measured; says what it did."""


@dataclass(frozen=True)
class Sample:
    """What one run cost."""

    requests: int
    seconds: float
    cpu_us: float
    """Processor time of the proxy, user and system, per request."""
    kernel: float
    """The share of that which was system time."""
    p50_ms: float
    p99_ms: float
    mib: float
    """Resident memory of the proxy after the run."""
    busy: float
    """The share of its core that the proxy used: well under 1 means that it waited for the load."""
    opened: int
    """How many connections to the upstream it opened."""
    others: float
    """The share of both cores that went to processes outside of the benchmark."""

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


class Bench:
    """Knows the upstream, the load generator and the cores."""

    def __init__(self, upstream: Server, load: str, folder: Path, cores: tuple[int, int]) -> None:
        self.upstream = upstream
        self._load = load
        self._folder = folder
        self._cores = cores

    def measure(self, proxy: Server, scenario: Scenario, seconds: int) -> Sample:
        """Raises Unfit for errors, and where connections are not kept on either side."""
        opened, established = accepted(self.upstream.port), _passive_opens()
        busy, cpu, ticks = busy_seconds(self._cores), proxy.process.cpu_seconds(), proxy.process.ticks()
        upstream_cpu, started = self.upstream.process.cpu_seconds(), monotonic()
        counted, load_cpu = self._run(proxy, scenario, seconds)
        elapsed = monotonic() - started
        cpu = proxy.process.cpu_seconds() - cpu
        upstream_cpu = self.upstream.process.cpu_seconds() - upstream_cpu
        others = busy_seconds(self._cores) - busy - cpu - upstream_cpu - load_cpu
        kernel, all_ticks = (
            after - before for after, before in zip(proxy.process.ticks(), ticks, strict=True)
        )
        established = _passive_opens() - established
        opened = accepted(self.upstream.port) - opened - 1
        _check_connections(scenario, counted.requests, opened, established - opened - 1)
        return Sample(
            requests=counted.requests,
            seconds=counted.seconds,
            cpu_us=cpu / counted.requests * 1e6,
            kernel=kernel / max(all_ticks, 1),
            p50_ms=counted.p50_ms,
            p99_ms=counted.p99_ms,
            mib=proxy.process.resident_mib(),
            busy=cpu / elapsed,
            opened=opened,
            others=max(others, 0) / elapsed / 2,
        )

    def _run(self, proxy: Server, scenario: Scenario, seconds: int) -> tuple[Counted, float]:
        try:
            counted, cpu = generators.run(self._load, proxy.port, scenario, seconds, self._folder)
        except Failed as error:
            raise Unfit(f"{scenario.title}: {error}") from None
        proxy.process.check()
        if counted.errors or not counted.requests:
            raise Unfit(f"{scenario.title}: {counted.requests} requests, {counted.errors} errors")
        return counted, cpu


def _check_connections(scenario: Scenario, requests: int, upstream: int, clients: int) -> None:
    if upstream > 2 * scenario.connections + requests // 100:
        raise Unfit(f"{scenario.title}: {upstream} connections to the upstream for {requests} requests")
    # Others on this machine open connections too, so this sees only the plain case: one for each request.
    if clients > 2 * scenario.connections + requests // 2:
        raise Unfit(f"{scenario.title}: {clients} connections from clients for {requests} requests")


def _passive_opens() -> int:
    """How many TCP connections anybody on this machine has accepted."""
    names, values = [
        line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Tcp:")
    ]
    return int(dict(zip(names, values, strict=True))["PassiveOpens"])
