"""The dashboard as one picture: Grafana's grid, titles, legends, units and thresholds, drawn by us."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from bench.dashboard import series, states, svg
from bench.dashboard.panels import Dashboard, Panel
from bench.dashboard.prometheus import Sampled
from bench.dashboard.series import Line, Span
from bench.dashboard.svg import Box

WIDTH = 1160
_COLUMNS, _CELL, _GAP, _MARGIN, _TOP = 24, 30, 8, 12, 84
_PADDING, _TITLE = 10, 30

Found = Mapping[str, Sequence[Sampled]]
"""Query -> its series."""


@dataclass(frozen=True)
class Answers:
    """What Prometheus said to each panel, by its id, over which time."""

    begin: float
    end: float
    panels: Mapping[int, Found]
    marks: Sequence[float]
    """Seconds since the epoch."""

    def empty(self, dashboard: Dashboard) -> list[str]:
        """Queries without an answer, as they are."""
        return [
            f"{panel.title}, {query.ref}: {query.expression}"
            for panel in dashboard.panels
            for query in panel.queries
            if not self.panels[panel.id][query.ref]
        ]


def draw(dashboard: Dashboard, answers: Answers, note: str) -> str:
    """An SVG document."""
    unit = _CELL + _GAP
    height = _TOP + dashboard.rows * unit + _MARGIN
    marks = [when for when in answers.marks if answers.begin <= when <= answers.end]
    span = Span(answers.begin, answers.end, marks)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img">'
    )
    parts = [
        head,
        f"<title>{escape(f'The dashboard {dashboard.title}, {note}')}</title>",
        f"<style>{svg.STYLE}</style>",
        svg.rect(Box(0, 0, WIDTH, height), svg.CANVAS),
        *_head(dashboard, span, note),
    ]
    for panel in dashboard.panels:
        parts += _panel(panel, answers.panels[panel.id], span, _box(panel))
    return "\n".join([*parts, "</svg>", ""])


def _head(dashboard: Dashboard, span: Span, note: str) -> Iterator[str]:
    yield svg.text(_MARGIN, 32, dashboard.title, "head")
    begin, end = (time.strftime("%H:%M:%S", time.gmtime(when)) for when in (span.begin, span.end))
    yield svg.text(WIDTH - _MARGIN, 32, f"{begin} to {end} UTC", "end dim")
    x = float(_MARGIN)
    for name in dashboard.variables:
        chosen = f"{name}: All"
        box = Box(x, 46, svg.width(chosen) + 20, 24)
        yield svg.rect(box, svg.PANEL, stroke=svg.BORDER, rx="2")
        yield svg.text(x + 10, 62, chosen)
        x = box.right + 8
    yield svg.text(WIDTH - _MARGIN, 62, note, "end dim")


def _box(panel: Panel) -> Box:
    column = (WIDTH - 2 * _MARGIN + _GAP) / _COLUMNS
    x, y, w, h = panel.place
    unit = _CELL + _GAP
    return Box(_MARGIN + x * column, _TOP + y * unit, w * column - _GAP, h * unit - _GAP)


def _panel(panel: Panel, found: Found, span: Span, box: Box) -> Iterator[str]:
    if panel.kind == "row":
        yield svg.text(box.x + 4, box.y + 21, f"⌄ {panel.title}", "row")
        return
    yield svg.rect(box.less(0.5, 0.5, 0.5, 0.5), svg.PANEL, stroke=svg.BORDER, rx="2")
    yield svg.text(box.x + _PADDING, box.y + 20, panel.title, "title")
    inside = box.less(_PADDING, _TITLE, _PADDING, 6)
    if panel.kind == "table":
        yield from states.table(panel, found, inside)
        return
    lines = [
        Line(query.name(each.labels), each.points) for query in panel.queries for each in found[query.ref]
    ]
    if not lines:
        yield svg.text(box.x + box.w / 2, box.y + box.h / 2, "No data", "middle dim")
    elif panel.kind == "stat":
        yield from states.number(panel, lines[0], span, inside)
    elif panel.kind == "state-timeline":
        yield from states.timeline(panel, lines, span, inside)
    elif panel.kind == "timeseries":
        yield from series.draw(panel, lines, span, inside)
    else:
        raise ValueError(f"{panel.title}: panels of the kind {panel.kind} are not drawn")
