"""The results as a picture: a panel of bars for each test, CPU per request, shorter is better."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from xml.sax.saxutils import escape

from bench.figures import SEAWALL, Results, Runs, by_cost, cost
from bench.scenarios import TITLES

WIDTH = 860
_COLUMNS = 2
_MARGIN = 24
_GAP = 28
_PANEL = (WIDTH - 2 * _MARGIN - (_COLUMNS - 1) * _GAP) // _COLUMNS
_NAMES, _VALUES = 62, 62  # left and right of the bars
_BARS = _PANEL - _NAMES - _VALUES
_ROW, _BAR = 22, 14
_TITLE = 30

_HEADINGS = {"plain": "Plain forwarding", "policies": "With policies"}
_STYLE = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:13px}"
    "text{fill:#1f2933}"
    ".big{font-size:17px;font-weight:600}.panel{font-weight:600}.note{font-size:12px;fill:#52606d}"
    ".ours{font-weight:600;fill:#0b5a7f}.end{text-anchor:end}"
    ".axis{stroke:#9aa5b1;stroke-width:1}.spread{stroke:#1f2933;stroke-width:1.2}"
)
_OURS, _OTHERS = "#1284b8", "#b8c4ce"


def chart(results: Results) -> str:
    """An SVG document with what `plain` and `policies` have."""
    parts = [
        _text(_MARGIN, 34, "CPU per request, in µs of one core: shorter is better", "big"),
        _text(
            _MARGIN,
            54,
            "Bars: median of the rounds. Lines: lowest to highest. Each panel has a scale of its own.",
            "note",
        ),
    ]
    bottom = 54
    for variant, heading in _HEADINGS.items():
        if tests := results.samples.get(variant):
            parts.append(_text(_MARGIN, bottom + 40, heading, "big"))
            bottom = _section(parts, bottom + 48, tests)
    for line in _notes(results.about):
        bottom += 18
        parts.append(_text(_MARGIN, bottom, line, "note"))
    height = bottom + 18
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img">'
    )
    title = "<title>CPU per request of each proxy, in microseconds of one core</title>"
    background = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    return "\n".join([head, title, f"<style>{_STYLE}</style>", background, *parts, "</svg>", ""])


def _section(parts: list[str], top: int, tests: Mapping[str, Runs]) -> int:
    """The panels of one variant, side by side; returns where they end."""
    panels = [(TITLES[test], runs) for test, runs in tests.items() if runs]
    for first in range(0, len(panels), _COLUMNS):
        beside = panels[first : first + _COLUMNS]
        for column, (title, runs) in enumerate(beside):
            parts += _panel(_MARGIN + column * (_PANEL + _GAP), top, title, runs)
        top += _TITLE + _ROW * max(len(runs) for _, runs in beside) + 12
    return top


def _panel(left: int, top: int, title: str, runs: Runs) -> Iterator[str]:
    """The bars of one test, the cheapest first; each panel has a scale of its own, from zero."""
    proxies = by_cost(runs)
    costs = {proxy: cost(runs[proxy]) for proxy in proxies}
    scale = _BARS / max(one.highest for one in costs.values())
    start = left + _NAMES
    yield _text(left, top + 20, title, "panel")
    for row, proxy in enumerate(proxies):
        middle = top + _TITLE + row * _ROW + _ROW // 2
        median, lowest, highest = (value * scale for value in costs[proxy])
        ours = proxy == SEAWALL
        yield _text(start - 8, middle + 4, proxy, "end ours" if ours else "end")
        yield (
            f'<rect x="{start}" y="{middle - _BAR // 2}" width="{median:.1f}" height="{_BAR}" '
            f'fill="{_OURS if ours else _OTHERS}"/>'
        )
        yield (
            f'<path class="spread" d="M{start + lowest:.1f} {middle}H{start + highest:.1f}'
            f'M{start + lowest:.1f} {middle - 3}v6M{start + highest:.1f} {middle - 3}v6"/>'
        )
        yield _text(
            round(start + max(median, highest)) + 6,
            middle + 4,
            _amount(costs[proxy].median),
            "ours" if ours else "",
        )
    bottom = top + _TITLE + _ROW * len(proxies)
    yield f'<path class="axis" d="M{start}.5 {top + _TITLE}V{bottom}"/>'


def _notes(about: Mapping[str, str]) -> list[str]:
    """What decides about the numbers, in lines that fit."""
    text = "; ".join(f"{name}: {value}" for name, value in about.items())
    return textwrap.wrap(text, 130)


def _amount(microseconds: float) -> str:
    return f"{microseconds:.1f}" if microseconds < 100 else f"{microseconds:,.0f}"


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}"{kind}>{escape(text)}</text>'
