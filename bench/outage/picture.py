"""What clients saw, second by second: a panel for each contender, the hang shaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from bench.outage.figures import GOOD, NONE, OUTCOMES, QUICK, SLOW, Run, bins, middle, summary

WIDTH = 860
_LEFT, _RIGHT, _TOP = 44, 24, 112
_PANEL, _TITLE, _GAP = 84, 28, 20
_MOST_LABELS = 200
_STRIP = 7
"""How far the hang shows above full columns."""
_COLOURS = {GOOD: "#1284b8", QUICK: "#b8c4ce", SLOW: "#e8993a", NONE: "#c0392b"}
_STYLE = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:13px}"
    "text{fill:#1f2933}"
    ".big{font-size:17px;font-weight:600}.panel{font-weight:600}.note{font-size:12px;fill:#52606d}"
    ".end{text-anchor:end}.middle{text-anchor:middle}.axis{stroke:#9aa5b1;stroke-width:1;fill:none}"
)


def draw(runs: Sequence[Run], rate: float, about: str) -> str:
    """An SVG document."""
    height = _TOP + len(runs) * (_TITLE + _PANEL + _GAP) + 28
    hang = round(runs[0].seconds / len(runs[0].hangs) / runs[0].second / 2)
    parts = [
        _text(
            24,
            34,
            f"An upstream that hangs for about {hang} s of every {2 * hang}, {rate:g} requests/s",
            "big",
        ),
        _text(24, 54, f"Each column: what became of the requests of one second. {about}", "note"),
        *_legend(),
    ]
    top = _TOP
    for run in runs:
        parts += _panel(run, rate, top)
        top += _TITLE + _PANEL + _GAP
    parts.append(_text(WIDTH - _RIGHT, top + 8, "seconds", "note end"))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img">'
    )
    title = "<title>What clients see of an upstream that hangs, with and without a proxy in front</title>"
    background = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    return "\n".join([head, title, f"<style>{_STYLE}</style>", background, *parts, "</svg>", ""])


def _legend() -> Iterator[str]:
    left = 24
    for name in OUTCOMES:
        yield f'<rect x="{left}" y="70" width="12" height="12" fill="{_COLOURS[name]}"/>'
        yield _text(left + 18, 81, name)
        left += 150
    yield f'<rect x="{left}" y="70" width="12" height="12" fill="#f4b6b0"/>'
    yield _text(left + 18, 81, "the upstream hangs")


def _panel(run: Run, rate: float, top: int) -> Iterator[str]:
    """Columns that are stacked: what was answered lies at the bottom."""
    columns, figures = bins(run), summary(run)
    width = (WIDTH - _LEFT - _RIGHT) / len(columns)
    bottom = top + _TITLE + _PANEL
    recovery = middle(figures.recovery)
    back = "did not recover in time" if recovery is None else f"back after {recovery / run.second:.1f} s"
    says = f"{figures.success:.1%} answered, {figures.arrived_hung:,} calls of the sick upstream, {back}"
    yield _text(_LEFT, top + 14, run.name, "panel")
    yield _text(WIDTH - _RIGHT, top + 14, says, "note end")
    for begin, end in run.hangs:
        left, right = (_LEFT + when / run.second * width for when in (begin, end))
        yield (
            f'<rect x="{left:.1f}" y="{top + _TITLE - _STRIP}" width="{right - left:.1f}" '
            f'height="{_PANEL + _STRIP}" fill="#f4b6b0"/>'
        )
    for number, counts in enumerate(columns):
        level = float(bottom)
        for name in OUTCOMES:
            height = min(counts[name] / (rate * run.second), 1.0) * _PANEL
            level -= height
            if height:
                yield (
                    f'<rect x="{_LEFT + number * width:.1f}" y="{level:.1f}" width="{width * 0.86:.1f}" '
                    f'height="{height:.1f}" fill="{_COLOURS[name]}"/>'
                )
    yield f'<path class="axis" d="M{_LEFT}.5 {top + _TITLE}V{bottom}.5H{WIDTH - _RIGHT}"/>'
    yield _text(_LEFT - 6, top + _TITLE + 10, f"{rate:g}", "note end")
    for second in range(0, len(columns) + 1, 10 if len(columns) <= _MOST_LABELS else 30):
        yield _text(round(_LEFT + second * width), bottom + 14, str(second), "note middle")


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}"{kind}>{escape(text)}</text>'
