"""The results as people read them in a terminal."""

from __future__ import annotations

from bench.figures import SEAWALL, Goal, Results, Runs, by_cost, cost, disturbance, goals, median, ratio
from bench.scenarios import TITLES

VARIANTS = {
    "plain": "Plain: one route, no policies",
    "policies": "With policies: headers, CORS, addresses, sizes, a rate, a key, times, X-Forwarded-*",
    "routes": "Seawall with 10 and with 1,000 routes",
}
DISTURBED = 0.05
"""From this share of the cores on, what others did shows in the figures."""


def report(results: Results) -> str:
    """Everything: what it ran on, a table for each test, the goals."""
    parts = [about(results)]
    for variant, tests in results.samples.items():
        parts.append(f"== {VARIANTS[variant]}")
        parts += [table(TITLES[test], runs) for test, runs in tests.items()]
    parts.append("\n".join(["Seawall's goals", *map(_goal, goals(results))]))
    return "\n\n".join(parts)


def about(results: Results) -> str:
    """What decides about the numbers, besides the proxies."""
    lines = [f"{name}: {value}" for name, value in results.about.items()]
    lines += [f"{proxy}: {version}" for proxy, version in results.versions.items()]
    lines += [f"{proxy}: skipped, {reason}" for proxy, reason in results.skipped.items()]
    if (others := disturbance(results)) > DISTURBED:
        lines.append(f"NOT QUIET: in the worst run, {others:.0%} of the cores went to other processes")
    return "\n".join(lines)


def table(title: str, runs: Runs) -> str:
    """One line a proxy, the cheapest first."""
    head = ("", "CPU µs/request", "lowest..highest", "kernel", "Seawall", "p50 ms", "p99 ms")
    lines = [title, _line(*head, "requests/s", "busy", "MiB", "opened", "others")]
    return "\n".join(lines + [_row(runs, proxy) for proxy in by_cost(runs)])


def _row(runs: Runs, proxy: str) -> str:
    samples = runs[proxy]
    cpu, of_it = cost(samples), ratio(runs, SEAWALL, proxy)
    rate = sum(sample.requests for sample in samples) / sum(sample.seconds for sample in samples)
    return _line(
        proxy,
        f"{cpu.median:.1f}",
        f"{cpu.lowest:.1f}..{cpu.highest:.1f}",
        f"{median(samples, 'kernel'):.0%}",
        f"×{of_it.median:.2f}" if of_it and proxy != SEAWALL else "",
        f"{median(samples, 'p50_ms'):.2f}",
        f"{median(samples, 'p99_ms'):.2f}",
        f"{rate:,.0f}",
        f"{median(samples, 'busy'):.0%}",
        f"{median(samples, 'mib'):.0f}",
        f"{max(sample.opened for sample in samples)}",
        f"{max(sample.others for sample in samples):.0%}",
    )


def _line(name: str, *cells: str) -> str:
    widths = (15, 18, 8, 9, 9, 9, 12, 6, 6, 8, 8)
    return f"{name:13}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def _goal(goal: Goal) -> str:
    return f"  {goal.what}: {found(goal)}, at most {amount(goal.limit)}{goal.unit}: {goal.verdict}"


def found(goal: Goal) -> str:
    """The value of a goal, with its spread where it has one."""
    if goal.value is None:
        return "–"
    value = f"{amount(goal.value.median)}{goal.unit}"
    if goal.value.lowest == goal.value.highest:
        return value
    return f"{value} ({amount(goal.value.lowest)}..{amount(goal.value.highest)})"


def amount(number: float) -> str:
    """Two decimals for ratios, none for what is large."""
    return f"{number:.2f}" if number < 10 else f"{number:,.0f}"
