"""One variant after the other: its proxies started and checked, then measured in turn, round after round."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from bench import checks, servers
from bench.figures import SEAWALL, Start
from bench.measure import Bench, Sample, Unfit
from bench.processes import Ended
from bench.scenarios import Scenario, routed
from bench.servers import Server
from bench.wheels import Missing

STARTS = 5
ROUTES = (10, 1000)
ROUTES_ROUNDS = 2
"""Times as many rounds where the goal is a difference of 5 %."""

Samples = dict[str, dict[str, list[Sample]]]
"""Test -> proxy -> one sample a round."""


@dataclass(frozen=True)
class Plan:
    """What is to be measured, and for how long."""

    peers: Sequence[str]
    variants: Sequence[str]
    tests: Sequence[Scenario]
    policy_tests: Sequence[Scenario]
    rounds: int
    seconds: int
    warm_up: bool = True

    def tests_of(self, variant: str) -> Sequence[Scenario]:
        """Of plain or policies."""
        return self.policy_tests if variant == "policies" else self.tests

    def estimate(self) -> float:
        """Seconds, roughly; without installing anything."""
        runs = starts = trials = 0
        for variant in self.variants:
            if variant == "routes":
                starts += len(ROUTES)
                runs += len(ROUTES) * self.rounds * ROUTES_ROUNDS
                continue
            peers = sum(servers.takes_part(name, variant) for name in self.peers)
            starts += peers
            trials += peers if variant == "policies" else 0
            runs += peers * len(self.tests_of(variant)) * self.rounds
        return runs * (self.seconds + 0.1) + starts * (0.3 + 1.1 * self.warm_up) + trials * 0.5 + 5


class Rounds:
    """Measures a plan. `skipped` says which proxies are not measured, and why; those that fail are added."""

    def __init__(self, plan: Plan, bench: Bench, folder: Path, core: int, skipped: Mapping[str, str]) -> None:
        self._plan = plan
        self._bench = bench
        self._folder = folder
        self._core = core
        self.skipped = dict(skipped)

    def run(self) -> dict[str, Samples]:
        """Variant -> samples. Raises SystemExit where Seawall itself cannot be measured."""
        found = {}
        for variant in self._plan.variants:
            if variant == "routes":
                found[variant] = self._routes()
            else:
                found[variant] = self._compare(variant)
        _progress("")
        return found

    def start(self) -> Start:
        """Starts Seawall a few times, alone, with warm file caches."""
        times, sizes = [], []
        for _ in range(STARTS):
            server = servers.proxy(SEAWALL, "plain", self._folder, self._core, self._bench.upstream.port)
            started = monotonic()
            with server.process:
                server.wait()
                times.append((monotonic() - started) * 1000)
                time.sleep(0.3)
                sizes.append(server.process.resident_mib())
        return Start(statistics.median(times), statistics.median(sizes))

    def _compare(self, variant: str) -> Samples:
        tests = self._plan.tests_of(variant)
        proxies: dict[str, Server] = {}
        with ExitStack() as running:
            for name in self._plan.peers:
                if name in self.skipped or not servers.takes_part(name, variant):
                    continue
                try:
                    proxies[name] = self._ready(name, variant, tests, running)
                except (Ended, Missing, Unfit) as error:
                    self._drop(name, error)
            return {
                test.name: self._interleave(variant, proxies, dict.fromkeys(proxies, test), self._plan.rounds)
                for test in tests
            }

    def _routes(self) -> Samples:
        proxies, loads = {}, {}
        with ExitStack() as running:
            for routes in ROUTES:
                test = routed(routes)
                try:
                    server = self._ready(SEAWALL, "routes", [test], running, routes)
                except (Ended, Unfit) as error:
                    self._drop(SEAWALL, error)
                proxies[server.name], loads[server.name] = server, test
            rounds = self._plan.rounds * ROUTES_ROUNDS
            return {"routes": self._interleave("routes", proxies, loads, rounds)}

    def _interleave(
        self, variant: str, proxies: dict[str, Server], loads: Mapping[str, Scenario], rounds: int
    ) -> dict[str, list[Sample]]:
        """Every proxy in every round, so that what slows the machine for a while slows all of them.

        A proxy that fails is taken out of `proxies`.
        """
        samples: dict[str, list[Sample]] = {name: [] for name in proxies}
        for number in range(rounds):
            for name in _turned(list(proxies), number):
                _progress(f"{variant}, {loads[name].name}: round {number + 1} of {rounds}, {name}")
                try:
                    samples[name].append(self._bench.measure(proxies[name], loads[name], self._plan.seconds))
                except (Ended, Unfit) as error:
                    self._drop(name, error)
                    del proxies[name], samples[name]
        return samples

    def _ready(
        self, name: str, variant: str, tests: Sequence[Scenario], running: ExitStack, routes: int = 1
    ) -> Server:
        """A proxy that is up, checked, and warm. Raises Ended, Missing, Unfit."""
        _progress(f"{variant}: {name} starts")
        if variant == "policies":
            self._try_limits(name)
        server = servers.proxy(name, variant, self._folder, self._core, self._bench.upstream.port, routes)
        running.enter_context(server.process)
        server.wait()
        checks.check(server, tests, policies=variant == "policies")
        if self._plan.warm_up:
            self._bench.measure(server, tests[0], 1)
        return server

    def _try_limits(self, name: str) -> None:
        """The same configuration with a limit that is soon reached. Raises Ended, Missing, Unfit."""
        port, limit = self._bench.upstream.port, checks.SOON_REACHED
        trial = servers.proxy(name, "policies", self._folder, self._core, port, limit=limit)
        with trial.process:
            trial.wait()
            checks.check_limits(trial, port)

    def _drop(self, name: str, error: Exception) -> None:
        if name.startswith(SEAWALL):
            raise SystemExit(f"{name}: {error}") from error
        self.skipped[name] = str(error)


def _turned(names: list[str], by: int) -> list[str]:
    """Another one is first each time."""
    turn = by % max(len(names), 1)
    return names[turn:] + names[:turn]


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
