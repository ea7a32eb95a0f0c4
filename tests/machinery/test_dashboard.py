"""The dashboard, and that whatever it and the alerts name is told by a running process."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from pathlib import Path
from typing import Any

import trustme
import yaml

from tests.app.seawall import seawall
from tests.machinery.charts import APP, changed, rendered
from tests.machinery.test_alerts import EXAMPLE, RULES, RUNBOOKS, needs_promtool, promtool, queries

DASHBOARD = APP / "dashboards" / "seawall.json"


def dashboard() -> dict[str, Any]:
    loaded = json.loads(DASHBOARD.read_text())
    assert isinstance(loaded, dict)
    return loaded


def expressions() -> list[str]:
    panels = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    return panels + [each["expr"] for each in dashboard()["annotations"]["list"]]


@needs_promtool
def test_every_panel_asks_what_prometheus_understands(tmp_path: Path) -> None:
    values = {"$__rate_interval": "5m", "$__interval": "1m", "$namespace": ".*", "$job": ".*"}
    rules = []
    for number, expression in enumerate(expressions()):
        asked = expression
        for variable, value in values.items():
            asked = asked.replace(variable, value)
        rules.append({"record": f"panel:{number}", "expr": asked})
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

    assert f"{len(expressions())} rules found" in promtool("check", "rules", str(file))


def test_every_panel_looks_at_what_was_chosen_above() -> None:
    selectors = [
        selector
        for expression in expressions()
        for selector in re.findall(r"(?:seawall|process)_\w+(\{[^}]*\})?", expression)
    ]

    assert len(selectors) >= len(expressions())
    assert [] == [each for each in selectors if 'namespace=~"$namespace",job=~"$job"' not in each]


GIVEN = {"__rate_interval", "__all"}
"""Variables of Grafana's own."""


def test_every_variable_that_is_used_is_defined() -> None:
    text = DASHBOARD.read_text()
    defined = {each["name"] for each in dashboard()["templating"]["list"]}

    assert defined | GIVEN >= set(re.findall(r"\$\{?([a-z_]\w*)", text)) >= defined
    assert {"${datasource}"} == set(re.findall(r'"uid": "(\$[^"]*)"', text))


def test_every_panel_says_what_it_shows_and_every_line_what_it_is() -> None:
    panels = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]

    assert len(panels) == len({panel["title"] for panel in panels})
    assert [] == [panel["title"] for panel in panels if not panel["description"]]
    assert [] == [
        panel["title"]
        for panel in panels
        if panel["type"] in ("timeseries", "state-timeline")
        and not all(target["legendFormat"] for target in panel["targets"])
    ]


def test_edits_are_marked_when_they_were_read() -> None:
    (edits,) = dashboard()["annotations"]["list"]

    assert (True, True) == (edits["useValueForTime"], edits["expr"].endswith(" * 1000"))


def test_panels_have_a_place_of_their_own() -> None:
    panels = dashboard()["panels"]
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(panels) == len({panel["id"] for panel in panels})
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def test_the_chart_brings_the_dashboard_in_the_words_of_its_metrics() -> None:
    manifests, _ = rendered(APP, changed(EXAMPLE, dashboard__enabled=True, metricsNamespace="ingestion"))
    (brought,) = [
        each["data"] for each in manifests if each["metadata"]["name"] == "demo-seawall-app-dashboard"
    ]

    assert dashboard() == json.loads(brought["seawall.json"].replace("ingestion_", "seawall_"))
    assert "seawall_" not in brought["seawall.json"]


POLICIES = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:{port}", health_check: {{path: /, unhealthy_after: 1}}}}}}
health: {{checks: {{memory: {{memory: {{max: 100%}}}}}}}}
policies:
  circuit_breaker: {{app: {{trip: {{consecutive_failures: 50}}, open_for: 30s, half_open: {{probes: 1}}}}}}
routes:
  - name: all
    match: {{path: "/**"}}
    policies:
      rate_limit: {{limit: 1/day, burst: 1}}
      concurrency: {{max: 10}}
      retry: {{max_retries: 1, backoff: {{base: 1ms}}}}
      circuit_breaker: app
      pace: {{limit: 100/s}}
"""


async def get(port: int, path: str, tls: ssl.SSLContext | None = None) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return answer


def asked_by_runbooks() -> list[str]:
    return [query for page in RUNBOOKS.iterdir() for query in queries(page.read_text())]


async def told_of_checks(port: int) -> str:
    """What the process tells, once its checks of health have been made."""
    async with asyncio.timeout(20):
        while True:
            metrics = await get(port, "/metrics")
            if 'check_healthy{check="memory"}' in metrics and 'upstream_healthy{upstream="app"}' in metrics:
                return metrics
            await asyncio.sleep(0.05)


async def test_whatever_rules_and_dashboard_name_is_told_by_a_running_process(tmp_path: Path) -> None:
    named = set(
        re.findall(
            r"\b(?:seawall|process)_\w+", RULES.read_text() + "".join(expressions() + asked_by_runbooks())
        )
    )
    policies = tmp_path / "policies.yaml"
    policies.write_text(POLICIES.format(port=9))  # nobody listens there

    authority, told = trustme.CA(), set[str]()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "tls.key")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    for store in (f"sqlite://{tmp_path / 'seawall.db'}", "redis://127.0.0.1:9"):  # this one is away
        options = (
            "--audit-log",
            str(tmp_path / "audit.log"),
            "--store",
            store,
            "--tls-cert-dir",
            str(tmp_path),
        )
        async with seawall(policies, *options) as running:
            statuses = [(await get(running.data, "/", trusting)).split()[1] for _ in range(2)]
            metrics = await told_of_checks(running.status)
        assert ["502", "429"] == statuses
        told |= set(re.findall(r"^(\w+)[ {]", metrics, re.MULTILINE))
    assert set() == named - {"seawall_"} - told
