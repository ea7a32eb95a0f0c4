"""What the picture is drawn with: Grafana's dark colours, texts, boxes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from xml.sax.saxutils import escape

CANVAS, PANEL, BORDER, GRID = "#111217", "#181b1f", "#2b2d33", "#26282d"
TEXT, DIM = "#ccccdc", "#8e8fa3"
NAMED = {"green": "#73bf69", "red": "#f2495c", "yellow": "#fade2a", "orange": "#ff9830", "blue": "#5794f2"}
SERIES = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0",
          "#37872d", "#fade2a", "#447ebc", "#c15c17", "#890f02", "#0a437c", "#6d1f62", "#584477")  # fmt: skip
"""In their order, again from the first where there are more."""
STYLE = (
    "text{font-family:Inter,system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;font-size:12px;"
    f"fill:{TEXT}}}"
    ".title{font-size:14px;font-weight:500}.head{font-size:20px;font-weight:500}.row{font-size:16px}"
    f".dim{{fill:{DIM}}}.axis{{fill:{DIM};font-size:11px}}.end{{text-anchor:end}}.middle{{text-anchor:middle}}"
    ".big{text-anchor:middle;font-weight:500}.state{fill:#111217;text-anchor:middle;font-size:11px}"
)
_WIDE = 6.3
"""About as wide as a letter of 12 px is."""


class Box(NamedTuple):
    """A rectangle, in pixels."""

    x: float
    y: float
    w: float
    h: float

    @property
    def right(self) -> float:
        return self.x + self.w

    @property
    def bottom(self) -> float:
        return self.y + self.h

    def less(self, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> Box:
        """What is left within these margins."""
        return Box(self.x + left, self.y + top, self.w - left - right, self.h - top - bottom)


def text(x: float, y: float, what: str, kind: str = "", **attributes: str) -> str:
    """One line. `kind` is of the classes in STYLE."""
    more = f' class="{kind}"' if kind else ""
    more += "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{number(x)}" y="{number(y)}"{more}>{escape(what)}</text>'


def rect(box: Box, fill: str, **attributes: str) -> str:
    """A filled box."""
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    place = f'x="{number(box.x)}" y="{number(box.y)}" width="{number(box.w)}" height="{number(box.h)}"'
    return f'<rect {place} fill="{fill}"{more}/>'


def line(points: Iterable[tuple[float, float]]) -> str:
    """What a path has of a line through these."""
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def stroke(x: float, y: float, to: str, colour: str = GRID, **attributes: str) -> str:
    """A straight line from a point on: `to` is `h` or `v` with a length, or `V` with where it ends."""
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<path stroke="{colour}"{more} d="M{number(x)} {number(y)}{to}"/>'


def number(value: float) -> str:
    """To a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def width(what: str) -> float:
    """About how wide it is as a text of 12 px."""
    return len(what) * _WIDE


def fitted(what: str, room: float) -> str:
    """What there is room for, the rest as an ellipsis."""
    most = int(room / _WIDE)
    return what if len(what) <= most else f"{what[: max(0, most - 1)]}…"


def colour(name: str, known: Mapping[str, str] = NAMED) -> str:
    """A name of Grafana's, or a colour as it is."""
    return known.get(name, name)
