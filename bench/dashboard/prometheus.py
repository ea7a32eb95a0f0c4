"""A real Prometheus for a while, and what it answers."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bench.processes import Process, free_port
from bench.wheels import Missing

RULES = Path(__file__).parents[2] / "helm" / "seawall-app" / "rules" / "seawall.yaml"


class Target(Protocol):
    """What is scraped."""

    @property
    def job(self) -> str: ...
    @property
    def instance(self) -> str: ...
    @property
    def status(self) -> int: ...


@dataclass(frozen=True)
class Sampled:
    """One series: its labels, and its values by the time."""

    labels: Mapping[str, str]
    points: list[tuple[float, float]]


class Refused(Exception):
    """Prometheus does not understand a query; says why."""


class Prometheus:
    """Not started yet: `process` is entered by whom it serves. Raises Missing."""

    def __init__(
        self, folder: Path, core: int, targets: Iterable[Target], namespace: str, scrape: int
    ) -> None:
        program = shutil.which("prometheus")
        if program is None:
            raise Missing("prometheus is not installed (Debian: apt-get install prometheus)")
        folder.mkdir()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        config = folder / "prometheus.yml"
        config.write_text(json.dumps(configuration(targets, namespace, scrape)))  # JSON is YAML
        command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
                   f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
        self.process = Process("prometheus", command, core, folder / "log")

    def over(self, query: str, begin: float, end: float, step: float) -> list[Sampled]:
        """Values of the time from `begin` to `end`. Raises Refused."""
        found = self._ask("query_range", query=query, start=begin, end=end, step=step)
        return [Sampled(each["metric"], _points(each["values"])) for each in found]

    def at(self, query: str, when: float) -> list[Sampled]:
        """Values of one moment. Raises Refused."""
        found = self._ask("query", query=query, time=when)
        return [Sampled(each["metric"], _points([each["value"]])) for each in found]

    def _ask(self, what: str, **parameters: object) -> list[Any]:
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                found: list[Any] = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise Refused(f"{parameters['query']}: {json.load(error)['error']}") from None
        return found


def configuration(targets: Iterable[Target], namespace: str, scrape: int) -> dict[str, Any]:
    """Labels as the Prometheus Operator gives them for a ServiceMonitor with honorLabels."""
    jobs: dict[str, list[Any]] = {}
    for each in targets:
        labels = {"namespace": namespace, "instance": each.instance}
        jobs.setdefault(each.job, []).append({"targets": [f"127.0.0.1:{each.status}"], "labels": labels})
    return {
        "global": {"scrape_interval": f"{scrape}s", "evaluation_interval": f"{scrape}s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": job, "honor_labels": True, "static_configs": each} for job, each in jobs.items()
        ],
    }


def _points(values: Iterable[tuple[float, str]]) -> list[tuple[float, float]]:
    return [(float(when), float(value)) for when, value in values]
