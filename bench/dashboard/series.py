"""Panels of lines: what Grafana calls a time series, with its legend."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench.dashboard import svg
from bench.dashboard.panels import Panel
from bench.dashboard.svg import Box
from bench.dashboard.values import shown, ticks

_LINE, _COLUMN, _CHIP = 20, 62, 22
_LEGEND_BELOW, _LEGEND_BESIDE = 0.35, 0.6
"""Shares of a panel that its legend may take; where there is more of it, Grafana has it scrolled."""
CALCULATED: Mapping[str, tuple[str, Callable[[Sequence[float]], float]]] = {
    "lastNotNull": ("Last *", lambda values: values[-1]),
    "max": ("Max", max),
}
"""What legends calculate, and how that is called there."""
_SHADES = (1.0, 0.72, 0.5, 0.86, 0.6)


@dataclass(frozen=True)
class Line:
    """One series of a panel; NaN where there is no value."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str = ""

    @property
    def values(self) -> list[float]:
        return [value for _, value in self.points if not math.isnan(value)]


@dataclass(frozen=True)
class Span:
    """From when until when, and the times to be marked."""

    begin: float
    end: float
    marks: Sequence[float] = ()

    def place(self, when: float, box: Box) -> float:
        """Where in `box` that is, from the left."""
        return box.x + (when - self.begin) / (self.end - self.begin) * box.w


def coloured(lines: Sequence[Line], panel: Panel) -> list[Line]:
    """In the colours of the palette, or of the panel's overrides by the name."""
    found, shades = [], dict.fromkeys(svg.NAMED, 0)
    for number, each in enumerate(lines):
        name = _overridden(each.name, panel)
        fill = svg.SERIES[number % len(svg.SERIES)]
        if name:
            fill = _shade(svg.colour(name), _SHADES[shades[name] % len(_SHADES)])
            shades[name] += 1
        found.append(Line(each.name, each.points, fill))
    return found


def draw(panel: Panel, lines: Sequence[Line], span: Span, box: Box) -> Iterator[str]:
    """Below the panel's title."""
    lines = coloured(lines, panel)
    legend = panel.options["legend"]
    plot = box
    if legend.get("showLegend", True):
        rows = _rows(panel, _sorted(lines, legend), legend["calcs"])
        if legend["placement"] == "right":
            needed = max(svg.width(name) for name, *_ in rows) + _CHIP + _COLUMN * (len(rows[0]) - 2) + 12
            wide = min(needed, box.w * _LEGEND_BESIDE)
            plot, beside = box.less(right=wide + 10), Box(box.right - wide, box.y, wide, box.h)
        else:
            high = min(_LINE * len(rows), box.h * _LEGEND_BELOW // _LINE * _LINE)
            plot, beside = box.less(bottom=high + 8), Box(box.x, box.bottom - high, box.w, high)
        yield from _legend(rows, beside)
    yield from _plot(panel, lines, span, plot)


def _sorted(lines: Sequence[Line], legend: Mapping[str, Any]) -> Sequence[Line]:
    """As the legend has them, where it says so."""
    calculated = dict(CALCULATED.values()).get(legend.get("sortBy", ""))
    if calculated is None:
        return lines
    key = {each.name: calculated(each.values or [0.0]) for each in lines}
    return sorted(lines, key=lambda each: key[each.name], reverse=bool(legend.get("sortDesc")))


def _rows(panel: Panel, lines: Sequence[Line], calcs: Sequence[str]) -> list[tuple[str, ...]]:
    """Name, colour, and what is calculated; the first is the head."""
    rows = [("Name", "", *(CALCULATED[calc][0] for calc in calcs))]
    for each in lines:
        found = [CALCULATED[calc][1](each.values) if each.values else math.nan for calc in calcs]
        rows.append((each.name, each.colour, *(shown(value, panel.unit) for value in found)))
    return rows


def _legend(rows: Sequence[tuple[str, ...]], box: Box) -> Iterator[str]:
    fit = max(1, int(box.h / _LINE))
    told = rows if len(rows) <= fit else rows[: fit - 1]
    for at, (name, fill, *values) in enumerate(told):
        y = box.y + at * _LINE + 14
        if fill:
            yield svg.rect(Box(box.x, y - 6, 14, 3), fill, rx="1")
        room = box.w - _CHIP - _COLUMN * len(values)
        yield svg.text(box.x + (_CHIP if fill else 0), y, svg.fitted(name, room), "" if fill else "dim")
        for column, value in enumerate(reversed(values)):
            yield svg.text(box.right - column * _COLUMN, y, value, "end" if fill else "end dim")
    if len(told) < len(rows):
        yield svg.text(
            box.x, box.y + len(told) * _LINE + 14, f"… {len(rows) - len(told)} more, by scrolling", "dim"
        )


def _plot(panel: Panel, lines: Sequence[Line], span: Span, box: Box) -> Iterator[str]:
    layers = list(_stacked(lines)) if panel.stacked else [(each, None) for each in lines]
    highest = max((value for each, _ in layers for value in each.values), default=1.0)
    marked = ticks(highest, panel.unit)
    labels = [shown(value, panel.unit) for value in marked]
    plot = box.less(left=max(map(svg.width, labels)) + 4, top=6, right=6, bottom=20)

    def level(value: float) -> float:
        return plot.bottom - value / marked[-1] * plot.h

    for value, label in zip(marked, labels, strict=True):
        yield svg.stroke(plot.x, level(value), f"h{svg.number(plot.w)}")
        yield svg.text(plot.x - 6, level(value) + 4, label, "axis end")
    yield from times(span, plot)
    opacity = panel.custom.get("fillOpacity", 0) / 100
    for each, below in reversed(layers):
        base = dict(below.points) if below else {}
        for part in _parts(each.points):
            over = [(span.place(when, plot), level(value)) for when, value in part]
            under = [(span.place(when, plot), level(base.get(when, 0.0))) for when, _ in reversed(part)]
            yield f'<path fill="{each.colour}" fill-opacity="{opacity:g}" d="{svg.line(over + under)}Z"/>'
            yield f'<path fill="none" stroke="{each.colour}" d="{svg.line(over)}"/>'
    yield from marks(span, plot)


def times(span: Span, plot: Box) -> Iterator[str]:
    """Below the plot, as many as there is room for."""
    step = next(
        each
        for each in (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1800)
        if (span.end - span.begin) / each * 68 <= plot.w
    )
    when = math.ceil(span.begin / step) * step
    while when <= span.end:
        x = span.place(when, plot)
        yield svg.stroke(x, plot.y, f"V{svg.number(plot.bottom)}")
        if plot.x + 20 <= x <= plot.right - 20:
            label = time.strftime("%H:%M:%S", time.gmtime(when))
            yield svg.text(x, plot.bottom + 15, label, "axis middle")
        when += step


def marks(span: Span, plot: Box) -> Iterator[str]:
    """What is marked in all panels."""
    for when in span.marks:
        x, blue = span.place(when, plot), svg.NAMED["blue"]
        yield svg.stroke(x, plot.y, f"V{svg.number(plot.bottom)}", blue, stroke_dasharray="3 3")
        yield f'<path fill="{blue}" d="M{svg.number(x)} {svg.number(plot.bottom)}l-4 6h8z"/>'


def _stacked(lines: Sequence[Line]) -> Iterator[tuple[Line, Line | None]]:
    """Each on top of those before it, with what it stands on."""
    sums: dict[float, float] = {}
    below: Line | None = None
    for each in lines:
        for when, value in each.points:
            sums[when] = sums.get(when, 0.0) + (0.0 if math.isnan(value) else value)
        standing = Line(each.name, [(when, sums[when]) for when, _ in each.points], each.colour)
        yield standing, below
        below = Line("", sorted(sums.items()))


def _parts(points: Sequence[tuple[float, float]]) -> Iterator[list[tuple[float, float]]]:
    """Stretches without a gap. Prometheus leaves a time without a value out."""
    usual = min((after[0] - before[0] for before, after in pairwise(points)), default=0.0)
    part: list[tuple[float, float]] = []
    for when, value in points:
        if part and (math.isnan(value) or when - part[-1][0] > usual * 1.5):
            yield part
            part = []
        if not math.isnan(value):
            part.append((when, value))
    if part:
        yield part


def _overridden(name: str, panel: Panel) -> str:
    """The name of a colour that the panel gives to this series; empty where it gives none."""
    for each in panel.overrides:
        if each["matcher"]["id"] == "byRegexp" and re.search(each["matcher"]["options"].strip("/"), name):
            for given in each["properties"]:
                if given["id"] == "color":
                    return str(given["value"]["fixedColor"])
    return ""


def _shade(colour: str, share: float) -> str:
    return "#" + "".join(f"{round(int(colour[at : at + 2], 16) * share):02x}" for at in (1, 3, 5))
