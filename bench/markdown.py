"""The results as a page has them: tables between two comments, and the picture beside."""

from __future__ import annotations

from bench.figures import SEAWALL, Results, by_cost, cost, goals, median, ratio
from bench.scenarios import TITLES
from bench.text import VARIANTS, about, amount, found

BEGIN = "<!-- figures: written by make bench ARGS=--update-docs -->"
END = "<!-- end of figures -->"


class NoPlace(Exception):
    """A page has no place for figures."""


def figures(results: Results, picture: str = "") -> str:
    """What stands between the comments; `picture` is the name of the chart's file beside the page."""
    parts = [f"![CPU per request of each proxy]({picture})"] if picture else []
    parts.append("\n".join(f"- {line}" for line in about(results).splitlines()))
    parts.append(_goals(results))
    for variant in results.samples:
        parts.append(f"### {VARIANTS[variant]}")
        parts.append("CPU µs per request: median (lowest–highest), and what Seawall costs for each µs of it.")
        parts.append(_costs(results, variant))
        if variant != "routes":
            parts.append("Latency in ms, p50 / p99, and resident memory in MiB at the end.")
            parts.append(_latencies(results, variant))
    return "\n\n".join(parts)


def insert(page: str, text: str) -> str:
    """`page` with `text` between the comments. Raises NoPlace where they are not there."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoPlace(f"there is no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def _goals(results: Results) -> str:
    rows = [
        [goal.what, found(goal), f"≤ {amount(goal.limit)}{goal.unit}", goal.verdict]
        for goal in goals(results)
    ]
    return _table(["goal", "measured", "wanted", ""], rows)


def _costs(results: Results, variant: str) -> str:
    tests = results.samples[variant]
    rows = []
    for proxy in _proxies(results, variant):
        row = [_name(proxy)]
        for runs in tests.values():
            cell = "–"
            if proxy in runs:
                cpu, of_it = cost(runs[proxy]), ratio(runs, SEAWALL, proxy)
                cell = f"**{cpu.median:.1f}** ({cpu.lowest:.1f}–{cpu.highest:.1f})"
                cell += f" ×{of_it.median:.2f}" if of_it and proxy != SEAWALL else ""
            row.append(cell)
        rows.append(row)
    return _table(["", *(TITLES[test] for test in tests)], rows)


def _latencies(results: Results, variant: str) -> str:
    tests = results.samples[variant]
    rows = []
    for proxy in _proxies(results, variant):
        samples = [runs[proxy] for runs in tests.values() if proxy in runs]
        row = [_name(proxy)]
        row += [
            f"{median(runs[proxy], 'p50_ms'):.2f} / {median(runs[proxy], 'p99_ms'):.2f}"
            if proxy in runs
            else "–"
            for runs in tests.values()
        ]
        rows.append([*row, f"{median(samples[-1], 'mib'):.0f}"])
    return _table(["", *(TITLES[test] for test in tests), "MiB"], rows)


def _proxies(results: Results, variant: str) -> list[str]:
    """By what they cost in the first test; those that failed in it come last."""
    tests = list(results.samples[variant].values())
    return list(dict.fromkeys(proxy for runs in tests for proxy in by_cost(runs)))


def _name(proxy: str) -> str:
    return f"**{proxy}**" if proxy == SEAWALL else proxy


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
