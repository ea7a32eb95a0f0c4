"""The other kinds of panels: one number, states over the time, a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from bench.dashboard import svg
from bench.dashboard.panels import Panel, mapped
from bench.dashboard.prometheus import Sampled
from bench.dashboard.series import Line, Span, marks, times
from bench.dashboard.svg import Box
from bench.dashboard.values import shown

_ROW = 26


def number(panel: Panel, line: Line, span: Span, box: Box) -> Iterator[str]:
    """The last value, in the colour of its threshold, over how it came to be."""
    value = line.values[-1] if line.values else math.nan
    fill = _of_threshold(panel, value)
    curve = box.less(top=box.h * 0.55)
    highest = max(line.values, default=0.0) or 1.0
    points = [
        (span.place(when, curve), curve.bottom - value / highest * curve.h)
        for when, value in line.points
        if not math.isnan(value)
    ]
    if points:
        area = [*points, (points[-1][0], curve.bottom), (points[0][0], curve.bottom)]
        yield f'<path fill="{fill}" fill-opacity="0.2" d="{svg.line(area)}Z"/>'
        yield f'<path fill="none" stroke="{fill}" d="{svg.line(points)}"/>'
    told = shown(value, panel.unit, panel.defaults.get("decimals"))
    size = min(30.0, box.w / max(1, len(told)) * 1.6)
    style = f"font-size:{size:.0f}px;fill:{fill}"
    yield svg.text(box.x + box.w / 2, box.y + 36, told, "big", style=style)


def _of_threshold(panel: Panel, value: float) -> str:
    fill = "green"
    for step in panel.defaults["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            fill = step["color"]
    return svg.colour(fill)


def timeline(panel: Panel, lines: Sequence[Line], span: Span, box: Box) -> Iterator[str]:
    """A bar for each series, in the colour and with the text of each of its states."""
    texts = panel.mapped()
    left = min(max(svg.width(each.name) for each in lines) + 12, box.w / 3)
    plot = box.less(left=left, top=4, right=6, bottom=20)
    yield from times(span, plot)
    high = plot.h / len(lines)
    for at, each in enumerate(lines):
        bar = Box(plot.x, plot.y + at * high + high * 0.1, plot.w, high * 0.8)
        yield svg.text(plot.x - 8, bar.y + bar.h / 2 + 4, svg.fitted(each.name, left - 8), "axis end")
        for begin, end, value in _stretches(each, span):
            state = texts[f"{value:g}"]
            x = span.place(begin, plot)
            part = Box(x, bar.y, span.place(end, plot) - x, bar.h)
            yield svg.rect(part, svg.colour(state["color"]), fill_opacity="0.7")
            if svg.width(state["text"]) < part.w:
                yield svg.text(part.x + part.w / 2, part.y + part.h / 2 + 4, state["text"], "state")
    yield from marks(span, plot)


def _stretches(line: Line, span: Span) -> Iterator[tuple[float, float, float]]:
    """From when until when it had which value."""
    points = [(when, value) for when, value in line.points if not math.isnan(value)]
    found = [(next(part)[0], value) for value, part in groupby(points, key=lambda point: point[1])]
    ends = [when for when, _ in found[1:]] + [span.end]
    for (begin, value), end in zip(found, ends, strict=True):
        yield begin, end, value


def table(panel: Panel, found: Mapping[str, Sequence[Sampled]], box: Box) -> Iterator[str]:
    """A row for each set of labels, and in it a column for each label and for each query."""
    rows: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for ref, samples in found.items():
        for each in samples:
            row = rows.setdefault(tuple(sorted(each.labels.items())), {})
            row[f"Value #{ref}"] = each.points[-1][1]
    labels = sorted({name for row in rows for name, _ in row})
    columns = [*labels, *(f"Value #{ref}" for ref in found)]
    how = {name: _properties(panel, name) for name in columns}
    x, ordered = box.x, sorted(rows.items())
    for name in columns:
        title = how[name].get("displayName", name)
        cells = [_cell(dict(row).get(name, ""), values.get(name), how[name]) for row, values in ordered]
        yield svg.text(x, box.y + 18, title, style=f"fill:{svg.NAMED['blue']}")
        for at, (told, fill) in enumerate(cells, 1):
            yield svg.text(x, box.y + 18 + at * _ROW, told, style=f"fill:{fill}")
        x += max(svg.width(told) for told, _ in [(title, ""), *cells]) + 24
    for at in range(len(rows)):
        yield svg.stroke(box.x, box.y + 26 + at * _ROW, f"h{svg.number(box.w)}", svg.BORDER)


def _cell(label: str, value: float | None, how: Mapping[str, Any]) -> tuple[str, str]:
    if value is None:
        return label, svg.TEXT
    state = mapped(how.get("mappings", ())).get(f"{value:g}")
    if state:
        return state["text"], svg.colour(state["color"])
    return shown(value, how.get("unit", "none")), svg.TEXT


def _properties(panel: Panel, name: str) -> dict[str, Any]:
    return {
        given["id"]: given["value"]
        for each in panel.overrides
        if each["matcher"] == {"id": "byName", "options": name}
        for given in each["properties"]
    }
