"""The options of `make bench`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench import generators, servers
from bench.figures import SEAWALL
from bench.rounds import Plan
from bench.scenarios import SCENARIOS, Scenario, keyed

VARIANTS = ("plain", "policies", "routes")
POLICY_TESTS = ("json", "headers", "varied", "post", "c1")
"""Policies look at heads; a long answer costs what it costs without."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Has `plan` with what is to be measured. Exits with 2 where something is wrong."""
    parser = argparse.ArgumentParser(
        prog="make bench", description="CPU of each request, beside other proxies: bench/README.md"
    )
    for name, known in (("peers", tuple(servers.PROXIES)), ("variants", VARIANTS)):
        parser.add_argument(f"--{name}", type=_list_of(known), default=known, help=f"of {','.join(known)}")
    tests = tuple(scenario.name for scenario in SCENARIOS)
    parser.add_argument(
        "--tests",
        type=_list_of(tests),
        help=f"of {','.join(tests)}; by default all of plain, and {','.join(POLICY_TESTS)} of policies",
    )
    parser.add_argument("--rounds", type=int, choices=range(1, 101), metavar="N", help="default: 5")
    parser.add_argument(
        "--seconds", type=int, choices=range(1, 61), default=1, metavar="N", help="default: 1"
    )
    parser.add_argument("--quick", action="store_true", help="two rounds of json only: less than a minute")
    parser.add_argument(
        "--upstream", choices=("nginx", "python"), help="default: nginx where it is installed"
    )
    parser.add_argument("--load", choices=("wrk", "python"), help="default: wrk where it is installed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write a chart")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables")
    parser.add_argument("--update-docs", action="store_true", help="write both into docs/performance.*")
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="measure nothing; show this JSON"
    )
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 where a goal is missed or not measured"
    )
    options = parser.parse_args(arguments)
    options.load = options.load or generators.available()
    options.upstream = options.upstream or servers.upstream_available()
    options.plan = _plan(options)
    return options


def _plan(options: argparse.Namespace) -> Plan:
    quick = ("json",) if options.quick else None
    return Plan(
        # Seawall is what the others are compared with
        peers=tuple(dict.fromkeys((SEAWALL, *options.peers))),
        variants=options.variants,
        tests=_scenarios(options.tests or quick),
        policy_tests=tuple(map(keyed, _scenarios(options.tests or quick or POLICY_TESTS))),
        rounds=options.rounds or (2 if options.quick else 5),
        seconds=options.seconds,
        warm_up=not options.quick,
    )


def _scenarios(names: Sequence[str] | None) -> tuple[Scenario, ...]:
    return tuple(scenario for scenario in SCENARIOS if names is None or scenario.name in names)


class _list_of:  # noqa: N801  # reads as argparse's own types do
    """Names with commas between, all of them known."""

    def __init__(self, known: Sequence[str]) -> None:
        self._known = known

    def __call__(self, text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(text.split(",")))
        if unknown := [name for name in names if name not in self._known]:
            raise argparse.ArgumentTypeError(
                f"there is no {' and no '.join(unknown)}; there are {', '.join(self._known)}"
            )
        return names
