"""Whether each panel of the dashboard has something to show, and its picture: `python -m bench.dashboard`.

Three Seawalls with traffic, an application that fails, a store that is killed, an edit that is refused, and
a Prometheus that scrapes them; then each panel's own queries, with the variables that Grafana would put in,
go to that Prometheus. What comes back is drawn by the dashboard's JSON, in Grafana's grid; Grafana has no
part in it.

Exit code: 0 every query has an answer; 1 one has none, or is not understood; 2 something is not installed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from bench.dashboard.panels import Dashboard, load
from bench.dashboard.picture import Answers, draw
from bench.dashboard.prometheus import Prometheus, Refused
from bench.dashboard.scene import SCRAPE, Scene
from bench.processes import Ended
from bench.wheels import Missing

PICTURE = Path(__file__).parents[2] / "docs" / "dashboard.svg"
NOTE = "drawn from its own queries to a Prometheus by python -m bench.dashboard, not by Grafana"
STEP = SCRAPE
"""Seconds from one value to the next, as Grafana has it for a short time."""
FIRED = 'count by (alertname) (ALERTS{alertstate="firing"})'
SHORTEST, LONGEST = 16.0, 600.0
_MILLISECONDS = 1000


def answers(dashboard: Dashboard, prometheus: Prometheus, begin: float, end: float) -> Answers:
    """What Prometheus says to every query. Raises Refused."""
    panels = {
        panel.id: {
            query.ref: prometheus.at(query.expression, end)
            if query.instant
            else prometheus.over(query.expression, begin, end, STEP)
            for query in panel.queries
        }
        for panel in dashboard.panels
    }
    marks = {
        value / _MILLISECONDS
        for query in dashboard.marks
        for each in prometheus.over(query.expression, begin, end, STEP)
        for _, value in each.points
    }
    return Answers(begin, end, panels, sorted(marks))


def played(dashboard: Dashboard, seconds: float) -> tuple[Answers, str]:
    """The scene, and what is to be said of it. Raises Missing, Ended, Refused."""
    with tempfile.TemporaryDirectory(prefix="seawall-dashboard-") as name, ExitStack() as running:
        prometheus, begin, end, asked = asyncio.run(Scene(Path(name), seconds, running).play())
        found = answers(dashboard, prometheus, begin, end)
        fired = prometheus.over(FIRED, begin, end, STEP)
    names = ", ".join(sorted(each.labels["alertname"] for each in fired)) or "none"
    return found, f"{asked:,} requests in {seconds:g} s; alerts that fired: {names}"


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.dashboard",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="how long it plays (120)")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the picture")
    parser.add_argument(
        "--update-docs", dest="svg", action="store_const", const=PICTURE, help=f"into docs/{PICTURE.name}"
    )
    options = parser.parse_args(None if arguments is None else list(arguments))
    if not SHORTEST <= options.seconds <= LONGEST:
        parser.error(f"--seconds is {options.seconds:g}; expected {SHORTEST:g} to {LONGEST:g}")
    dashboard = load(STEP, SCRAPE)
    try:
        found, told = played(dashboard, options.seconds)
    except Missing as error:
        print(error, file=sys.stderr)
        return 2
    except (Ended, Refused) as error:
        print(error, file=sys.stderr)
        return 1
    print(told)
    empty = found.empty(dashboard)
    for each in empty:
        print(f"no data: {each}", file=sys.stderr)
    print(f"{sum(len(panel.queries) for panel in dashboard.panels) - len(empty)} queries have an answer")
    if options.svg:
        options.svg.write_text(draw(dashboard, found, NOTE))
    return 1 if empty else 0


if __name__ == "__main__":
    sys.exit(main())
