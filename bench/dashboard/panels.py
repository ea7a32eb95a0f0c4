"""The dashboard as Grafana reads it: its panels, and what each asks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

DASHBOARD = Path(__file__).parents[2] / "helm" / "seawall-app" / "dashboards" / "seawall.json"
_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_SCRAPES_OF_A_RATE = 4


class Place(NamedTuple):
    """In a grid that is 24 wide."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True)
class Query:
    """What a panel asks, its variables filled in."""

    ref: str
    expression: str
    legend: str
    instant: bool

    def name(self, labels: Mapping[str, str]) -> str:
        """Of a series, in the legend."""
        return _LABEL.sub(lambda found: labels.get(found[1], ""), self.legend)


@dataclass(frozen=True)
class Panel:
    """One of them. `options` and `defaults` as they stand there."""

    id: int
    kind: str
    title: str
    place: Place
    queries: tuple[Query, ...]
    options: Mapping[str, Any]
    defaults: Mapping[str, Any]
    overrides: tuple[Mapping[str, Any], ...]

    @property
    def unit(self) -> str:
        return str(self.defaults.get("unit", "none"))

    @property
    def custom(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.defaults.get("custom", {})
        return found

    @property
    def stacked(self) -> bool:
        return bool(self.custom.get("stacking", {}).get("mode", "none") != "none")

    def mapped(self) -> dict[str, Mapping[str, str]]:
        """Value, as text -> its text and colour."""
        return mapped(self.defaults.get("mappings", ()))


def mapped(mappings: Any) -> dict[str, Mapping[str, str]]:
    """Of Grafana's mappings of single values."""
    return {value: shown for each in mappings for value, shown in each["options"].items()}


@dataclass(frozen=True)
class Dashboard:
    """All of it."""

    title: str
    panels: tuple[Panel, ...]
    marks: tuple[Query, ...]
    """Queries whose values are times, in milliseconds, to be marked in all panels."""
    variables: tuple[str, ...]
    """Labels of those of which all is chosen."""

    @property
    def rows(self) -> int:
        """How high the grid is."""
        return max(panel.place.y + panel.place.h for panel in self.panels)


def rate_interval(step: int, scrape: int) -> int:
    """What Grafana makes of `$__rate_interval`, in seconds."""
    return max(step + scrape, _SCRAPES_OF_A_RATE * scrape)


def load(step: int, scrape: int, file: Path = DASHBOARD) -> Dashboard:
    """The dashboard with *All* chosen for each of its variables. Raises KeyError for an unknown one."""
    found = json.loads(file.read_text())
    variables = {each["name"]: each.get("allValue", "") for each in found["templating"]["list"]}
    values = variables | {"__rate_interval": f"{rate_interval(step, scrape)}s", "__interval": f"{step}s"}
    marks = [each for each in found["annotations"]["list"] if each.get("enable")]
    return Dashboard(
        found["title"],
        tuple(_panel(each, values) for each in found["panels"]),
        tuple(
            Query("", filled(each["expr"], values), each.get("textFormat", ""), instant=False)
            for each in marks
            if each.get("useValueForTime")
        ),
        tuple(each["label"] for each in found["templating"]["list"] if "allValue" in each),
    )


def filled(expression: str, values: Mapping[str, str]) -> str:
    """`expression` with its variables replaced, as Grafana does it. Raises KeyError."""
    return re.sub(r"\$\{?([a-z_]\w*)\}?", lambda found: values[found[1]], expression)


def _panel(found: Mapping[str, Any], values: Mapping[str, str]) -> Panel:
    config = found.get("fieldConfig", {})
    return Panel(
        found["id"],
        found["type"],
        found["title"],
        Place(**found["gridPos"]),
        tuple(_queries(found, values)),
        found.get("options", {}),
        config.get("defaults", {}),
        tuple(config.get("overrides", ())),
    )


def _queries(found: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[Query]:
    for each in found.get("targets", ()):
        yield Query(
            each["refId"],
            filled(each["expr"], values),
            each.get("legendFormat", ""),
            bool(each.get("instant")),
        )
