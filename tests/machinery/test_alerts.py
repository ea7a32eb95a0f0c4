"""Alert rules and their runbooks: what fires when, and what the chart makes of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.machinery.charts import APP, changed, of_kind, rendered
from tests.machinery.promtool import assert_fires, needs_promtool, promtool

ROOT = Path(__file__).parents[2]
RULES = APP / "rules" / "seawall.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"

ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
}
EXAMPLE = yaml.safe_load((APP / "ci" / "example-values.yaml").read_text())

# Of each alert: series with their values by the minute, when to look, and whether it fires then. `0+4x20`
# is promtool's for 0, and 4 more in each of the next 20.
CASES: dict[str, list[tuple[str, dict[str, str], str, bool]]] = {
    "SeawallDown": [
        (
            "gone",
            {'up{instance="1"}': "1+0x5 0+0x10", 'config_info{hash="a",instance="1"}': "1+0x5 _x10"},
            "9m",
            True,
        ),
        (
            "a scrape that failed",
            {'up{instance="1"}': "1 1 1 0 1 1 1", 'config_info{hash="a",instance="1"}': "1 1 1 _ 1 1 1"},
            "6m",
            False,
        ),
        ("something else is gone", {'up{instance="1"}': "1+0x5 0+0x10"}, "10m", False),
        (
            "taken away by a roll-out",
            {'up{instance="1"}': "1+0x5 _x10", 'config_info{hash="a",instance="1"}': "1+0x5 _x10"},
            "10m",
            False,
        ),
    ],
    "SeawallUpstreamUnhealthy": [
        ("not well", {'upstream_healthy{upstream="app"}': "1 0 0 0"}, "3m", True),
        ("for a moment", {'upstream_healthy{upstream="app"}': "1 0 1 1"}, "3m", False),
    ],
    "SeawallCheckFailing": [
        ("not well", {'check_healthy{check="db"}': "1 0+0x10"}, "8m", True),
        ("for a while", {'check_healthy{check="db"}': "1 0 0 0 1+0x10"}, "8m", False),
    ],
    "SeawallRefusesMost": [
        (
            "keys are refused",
            {
                'http_requests_total{status="401"}': "0+60x20",
                'http_requests_total{status="200"}': "0+40x20",
                'refusals_total{mode="enforce",reason="api_key.unknown"}': "0+60x20",
            },
            "15m",
            True,
        ),
        (
            "a third is",
            {
                'http_requests_total{status="401"}': "0+30x20",
                'http_requests_total{status="200"}': "0+60x20",
                'refusals_total{mode="enforce",reason="api_key.unknown"}': "0+30x20",
            },
            "15m",
            False,
        ),
        (
            "shadow alone",
            {
                'http_requests_total{status="200"}': "0+60x20",
                'refusals_total{mode="shadow",reason="api_key.unknown"}': "0+60x20",
            },
            "15m",
            False,
        ),
        (
            "somebody looks for paths that are none",
            {
                'http_requests_total{status="404"}': "0+60x20",
                'refusals_total{mode="enforce",reason="route.none"}': "0+60x20",
            },
            "15m",
            False,
        ),
        (
            "next to no traffic",
            {
                'http_requests_total{status="401"}': "0+1x20",
                'refusals_total{mode="enforce",reason="api_key.unknown"}': "0+1x20",
            },
            "15m",
            False,
        ),
    ],
    "SeawallRetriesOverBudget": [
        (
            "ten a minute",
            {'retries_total{route="a",class="timeout",outcome="over_budget"}': "0+10x20"},
            "15m",
            True,
        ),
        (
            "now and then",
            {'retries_total{route="a",class="timeout",outcome="over_budget"}': "0+1x20"},
            "15m",
            False,
        ),
        (
            "recovered",
            {'retries_total{route="a",class="timeout",outcome="recovered"}': "0+60x20"},
            "15m",
            False,
        ),
    ],
    "SeawallCertificateExpires": [
        ("in thirteen days", {"tls_certificate_expiry_timestamp_seconds": "1123200+0x20"}, "15m", True),
        ("in a month", {"tls_certificate_expiry_timestamp_seconds": "2592000+0x20"}, "15m", False),
        ("over", {"tls_certificate_expiry_timestamp_seconds": "1+0x20"}, "15m", True),
    ],
    "SeawallHighErrorRate": [
        ("4 a minute fail", {'http_requests_total{status="502"}': "0+4x20"}, "10m", True),
        ("2 a minute fail", {'http_requests_total{status="502"}': "0+2x20"}, "10m", False),
        ("clients err", {'http_requests_total{status="404"}': "0+60x20"}, "10m", False),
    ],
    "SeawallCircuitBreakerOpen": [
        ("open", {'circuit_breaker_state{name="app"}': "0 0 1 1"}, "2m", True),
        ("half-open", {'circuit_breaker_state{name="app"}': "1 1 2 2"}, "2m", False),
    ],
    "SeawallRateLimitExceeded": [
        ("11 a second", {'rate_limit_exceeded_total{endpoint="/a"}': "0+660x20"}, "10m", True),
        ("9 a second", {'rate_limit_exceeded_total{endpoint="/a"}': "0+540x20"}, "10m", False),
    ],
    "SeawallConfigReloadFailed": [
        ("refused for long", {"config_last_reload_success": "1 0 0 0 0 0"}, "4m", True),
        ("corrected at once", {"config_last_reload_success": "1 0 0 1 1 1"}, "4m", False),
    ],
    "SeawallRevisionsDiffer": [
        (
            "one pod stays behind",
            {
                'config_info{hash="a",instance="1"}': "1+0x20",
                'config_info{hash="b",instance="2"}': "1+0x20",
            },
            "15m",
            True,
        ),
        (
            "an edit is on its way",
            {
                'config_info{hash="a",instance="1"}': "1 1 1 _x20",
                'config_info{hash="b",instance="1"}': "_ _ _ 1+0x20",
                'config_info{hash="b",instance="2"}': "1+0x20",
            },
            "15m",
            False,
        ),
    ],
    "SeawallAuditLogFailing": [
        ("failing", {"audit_log_failing": "0 1"}, "1m", True),
        ("well", {"audit_log_failing": "1 0"}, "1m", False),
    ],
    "SeawallAuditLogDropped": [
        ("lost", {"audit_log_dropped_total": "0 0 0 5 5"}, "4m", True),
        ("lost long ago", {"audit_log_dropped_total": "0 5+0x30"}, "30m", False),
    ],
    "SeawallAccessLogDropped": [
        ("lost", {"access_log_dropped_total": "0 0 0 5 5"}, "4m", True),
        ("none", {"access_log_dropped_total": "0+0x10"}, "4m", False),
    ],
    "SeawallConnectionsTurnedAway": [
        ("one", {"connections_turned_away_total": "0 0 1 1 1"}, "4m", True),
        ("none", {"connections_turned_away_total": "0+0x10"}, "4m", False),
    ],
    "SeawallInternalError": [
        ("the first ever", {'refusals_total{reason="internal.error",route="a"}': "_ _ 1 1 1"}, "4m", True),
        ("another", {'refusals_total{reason="internal.error",route="a"}': "3+0x15 4 4"}, "17m", True),
        ("long ago", {'refusals_total{reason="internal.error",route="a"}': "1+0x30"}, "25m", False),
        ("another reason", {'refusals_total{reason="size_limit.body",route="a"}': "_ _ 1 1"}, "3m", False),
    ],
    "SeawallStoreFailing": [
        ("away", {'redis_operations_total{operation="take",status="skipped"}': "0+9x20"}, "10m", True),
        ("a full disk", {'sqlite_operations_total{operation="take",status="error"}': "0+9x20"}, "10m", True),
        ("well", {'redis_operations_total{operation="take",status="ok"}': "0+9x20"}, "10m", False),
    ],
    "SeawallErrorBudgetBurnsFast": [
        (
            "2 % fail for an hour",
            {'http_requests_total{status="200"}': "0+98x120", 'http_requests_total{status="500"}': "0+2x120"},
            "90m",
            True,
        ),
        (
            "2 % failed, and it is over",
            {
                'http_requests_total{status="200"}': "0+98x120",
                'http_requests_total{status="500"}': "0+2x60 120+0x60",
            },
            "95m",
            False,
        ),
        (
            "0.7 % fail for six hours",
            {
                'http_requests_total{status="200"}': "0+993x420",
                'http_requests_total{status="500"}': "0+7x420",
            },
            "400m",
            True,
        ),
        (
            "0.2 % fail",
            {
                'http_requests_total{status="200"}': "0+998x420",
                'http_requests_total{status="500"}': "0+2x420",
            },
            "400m",
            False,
        ),
        ("none fails", {'http_requests_total{status="200"}': "0+100x120"}, "90m", False),
        ("nobody asks", {'http_requests_total{status="500"}': "7+0x120"}, "90m", False),
    ],
    "SeawallErrorBudgetBurnsSlowly": [
        (
            "0.4 % fail for a day",
            {
                'http_requests_total{status="200"}': "0+996x1500",
                'http_requests_total{status="500"}': "0+4x1500",
            },
            "1450m",
            True,
        ),
        (
            "0.05 % fail",
            {
                'http_requests_total{status="200"}': "0+1999x1500",
                'http_requests_total{status="500"}': "0+1x1500",
            },
            "1450m",
            False,
        ),
    ],
}
FLAT = [(alert, *case) for alert, cases in CASES.items() for case in cases]


def labelled(series: str) -> str:
    """As Prometheus has it: the name with its prefix, and the labels of the target."""
    name, _, labels = series.rstrip("}").partition("{")
    prefix = "" if name == "up" else "seawall_"  # that one is Prometheus's own
    return f'{prefix}{name}{{job="shop",namespace="prod"{"," if labels else ""}{labels}}}'


def test_every_alert_is_tried_with_what_fires_it_and_with_what_does_not() -> None:
    assert set(ALERTS) == set(CASES)
    assert [] == [alert for alert, cases in CASES.items() if {True, False} != {case[-1] for case in cases}]


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(RULES))


@needs_promtool
@pytest.mark.parametrize(
    ("alert", "what", "series", "when", "fires"), FLAT, ids=[f"{case[0]}: {case[1]}" for case in FLAT]
)
def test_an_alert_fires_when_it_should_and_not_otherwise(
    tmp_path: Path, alert: str, what: str, series: dict[str, str], when: str, fires: bool
) -> None:
    named = {labelled(name): values for name, values in series.items()}

    where = ',namespace="prod",job="shop"'
    assert_fires(tmp_path, RULES, alert, named, when, fires=fires, where=where)


@needs_promtool
def test_an_alert_says_where_and_what_and_how_much(tmp_path: Path) -> None:
    where = {"job": "shop", "namespace": "prod", "instance": "a:9902"}
    file = tmp_path / "test.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "rule_files": [str(RULES)],
                "tests": [
                    {
                        "interval": "1m",
                        "input_series": [
                            {
                                "series": "seawall_rate_limit_exceeded_total"
                                '{job="shop",namespace="prod",instance="a:9902",endpoint="/tickets"}',
                                "values": "0+660x20",
                            }
                        ],
                        "alert_rule_test": [
                            {
                                "eval_time": "10m",
                                "alertname": "SeawallRateLimitExceeded",
                                "exp_alerts": [
                                    {
                                        "exp_labels": {
                                            **where,
                                            "endpoint": "/tickets",
                                            "severity": "warning",
                                        },
                                        "exp_annotations": {
                                            **ALERTS["SeawallRateLimitExceeded"]["annotations"],
                                            "summary": "shop a:9902: "
                                            "11 requests a second over the limit of /tickets",
                                        },
                                    }
                                ],
                            }
                        ],
                    }
                ],
            }
        )
    )

    promtool("test", "rules", str(file))


def test_the_three_alerts_of_the_ingestion_service_are_there_with_its_numbers() -> None:
    def spoken(alert: str) -> str:
        return str(ALERTS[alert]["expr"]).replace('job!="",', "").replace('{job!=""}', "")

    assert [
        'rate(seawall_http_requests_total{status=~"5.."}[5m]) > 0.05',
        "seawall_circuit_breaker_state == 1",
        "rate(seawall_rate_limit_exceeded_total[5m]) > 10",
    ] == [
        spoken(alert)
        for alert in ("SeawallHighErrorRate", "SeawallCircuitBreakerOpen", "SeawallRateLimitExceeded")
    ]


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    assert {alert: f"{alert}.md" for alert in ALERTS} == {
        alert: rule["annotations"]["runbook_url"] for alert, rule in ALERTS.items()
    }
    assert {f"{alert}.md" for alert in ALERTS} | {"README.md"} == {page.name for page in RUNBOOKS.iterdir()}


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbook_says_what_it_means_where_to_look_and_what_to_do(alert: str) -> None:
    page = (RUNBOOKS / f"{alert}.md").read_text()

    assert page.startswith(f"# {alert}\n\n*{ALERTS[alert]['labels']['severity']}*\n")
    assert ["What it means", "Look first", "What to do now", "What to do tomorrow"] == re.findall(
        r"^## (.*)", page, re.MULTILINE
    )
    assert re.search(r"^\$ seawall status$", page, re.MULTILINE)
    assert queries(page)
    assert f"({alert}.md)" in (RUNBOOKS / "README.md").read_text()


def queries(page: str) -> list[str]:
    return re.findall(r"^```promql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@needs_promtool
def test_prometheus_understands_every_query_of_the_runbooks(tmp_path: Path) -> None:
    asked = [query for page in sorted(RUNBOOKS.iterdir()) for query in queries(page.read_text())]
    rules = [{"record": f"runbook:{number}", "expr": query} for number, query in enumerate(asked)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": rules}]}))

    assert f"{len(asked)} rules found" in promtool("check", "rules", str(file))


def rule_in_the_chart(**changes: Any) -> dict[str, Any]:
    manifests, _ = rendered(APP, changed(EXAMPLE, prometheusRule__enabled=True, **changes))
    return of_kind(manifests, "PrometheusRule")


def alerts_in_the_chart(**changes: Any) -> dict[str, Any]:
    return {
        rule["alert"]: rule
        for group in rule_in_the_chart(**changes)["spec"]["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


@needs_promtool
def test_promtool_finds_nothing_wrong_with_what_the_chart_makes_of_the_rules(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rule_in_the_chart(metricsNamespace="ingestion")["spec"]))

    assert "SUCCESS" in promtool("check", "rules", str(file))


def test_the_chart_alerts_for_its_own_release_in_the_words_of_its_metrics() -> None:
    alerts = alerts_in_the_chart(metricsNamespace="ingestion")

    assert (
        'ingestion_circuit_breaker_state{namespace="prod", job="demo-seawall-app-metrics"} == 1'
        == alerts["SeawallCircuitBreakerOpen"]["expr"]
    )
    assert not [alert for alert, rule in alerts.items() if "seawall_" in rule["expr"]]
    assert not [alert for alert, rule in alerts.items() if 'job="demo-' not in rule["expr"]]


def test_the_chart_says_where_the_runbooks_are_and_who_is_to_be_told() -> None:
    alerts = alerts_in_the_chart(
        prometheusRule__runbooks="https://wiki.example/seawall",
        prometheusRule__alertLabels={"team": "desk", "severity": "page"},
    )

    assert {f"https://wiki.example/seawall/{alert}.md" for alert in ALERTS} == {
        rule["annotations"]["runbook_url"] for rule in alerts.values()
    }
    assert [{"team": "desk", "severity": "page"}] * len(ALERTS) == [
        rule["labels"] for rule in alerts.values()
    ]


def test_the_error_budget_is_the_operators() -> None:
    fast = alerts_in_the_chart(prometheusRule__errorBudget="0.01")["SeawallErrorBudgetBurnsFast"]["expr"]

    assert ("14.4 * 0.01 " in fast, "0.001" in fast) == (True, False)
