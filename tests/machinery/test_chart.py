"""The chart of an application with its sidecar, or of Seawall alone."""

from __future__ import annotations

import re
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from proxy import __version__
from proxy.cli import main
from proxy.cli.run import run
from tests.machinery.charts import (
    APP,
    NEWEST,
    OLDEST,
    OLDEST_NATIVE,
    SIDECAR,
    Manifest,
    assert_lints,
    assert_valid,
    changed,
    helm,
    of_kind,
    rendered,
)

EXAMPLE, GATEWAY = (
    yaml.safe_load((APP / "ci" / f"{name}-values.yaml").read_text()) for name in ("example", "gateway")
)
SWITCHES = {
    "networkPolicy__enabled": {"NetworkPolicy"},
    "podDisruptionBudget__enabled": {"PodDisruptionBudget"},
    "autoscaling__enabled": {"HorizontalPodAutoscaler"},
    "serviceMonitor__enabled": {"ServiceMonitor"},
    "prometheusRule__enabled": {"PrometheusRule"},
}
ALL_ON = {**dict.fromkeys(SWITCHES, True), "dashboard__enabled": True}
ALL_OFF = dict.fromkeys(ALL_ON, False)
EVERY_VALUE: dict[str, Any] = {
    **ALL_ON,
    "service__annotations": {"a": "b"},
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "desk"},
    "imagePullSecrets": [{"name": "registry"}],
    "networkPolicy__from": [{"podSelector": {}}],
    "networkPolicy__statusFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
    "networkPolicy__egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
    "podDisruptionBudget__maxUnavailable": "25%",
    "seawall__secrets": ["helpdesk-webhooks"],
}
OF_THE_APP: dict[str, Any] = {
    "app__command": ["serve"],
    "app__args": ["--all"],
    "app__env": [{"name": "A", "value": "b"}],
    "app__livenessProbe": {"httpGet": {"path": "/", "port": "http"}},
    "app__resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}},
    "app__securityContext": {"runAsNonRoot": True},
}


def render(values: Manifest = EXAMPLE, **changes: Any) -> list[Manifest]:
    return rendered(APP, changed(values, **changes))[0]


def notes(values: Manifest = EXAMPLE, **changes: Any) -> str:
    return rendered(APP, changed(values, **changes))[1]


def kinds(manifests: list[Manifest]) -> set[str]:
    return {manifest["kind"] for manifest in manifests}


def pod(values: Manifest = EXAMPLE, **changes: Any) -> Manifest:
    spec = of_kind(render(values, **changes), "Deployment")["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


@pytest.mark.parametrize("values", [EXAMPLE, GATEWAY], ids=["sidecar", "gateway"])
@pytest.mark.parametrize("switches", [ALL_ON, ALL_OFF], ids=["all on", "all off"])
def test_lint_finds_no_warning_and_no_error(values: Manifest, switches: dict[str, bool]) -> None:
    assert_lints(APP, changed(values, **switches))


@pytest.mark.parametrize("version", [OLDEST, OLDEST_NATIVE, NEWEST])
@pytest.mark.parametrize(
    ("values", "more"), [(EXAMPLE, OF_THE_APP), (GATEWAY, {})], ids=["sidecar", "gateway"]
)
def test_every_manifest_is_valid_in_the_oldest_and_the_newest_kubernetes(
    values: Manifest, more: dict[str, Any], version: str
) -> None:
    manifests = render(values, **EVERY_VALUE, **more, seawall__kubeVersion=version)

    everything = {"ConfigMap", "Deployment", "Service"}.union(*SWITCHES.values())
    assert everything == kinds(manifests)
    assert_valid(manifests, version)


@pytest.mark.parametrize(("switch", "made"), SWITCHES.items(), ids=SWITCHES)
@pytest.mark.parametrize("values", [EXAMPLE, GATEWAY], ids=["sidecar", "gateway"])
def test_each_switch_turns_its_own_on_and_off_and_nothing_else(
    values: Manifest, switch: str, made: set[str]
) -> None:
    always = {"ConfigMap", "Deployment", "Service"}

    assert always | made == kinds(render(values, **{**ALL_OFF, switch: True}))
    assert always | set().union(*SWITCHES.values()) - made == kinds(
        render(values, **{**ALL_ON, switch: False})
    )


def test_the_dashboard_is_a_config_map_more() -> None:
    (on,), off = (
        [
            each
            for each in render(dashboard__enabled=enabled)
            if each["metadata"]["labels"].get("grafana_dashboard") == "1"
        ]
        for enabled in (True, False)
    )

    assert "demo-seawall-app-dashboard" == on["metadata"]["name"]
    assert [] == off


def test_the_application_is_behind_a_native_sidecar() -> None:
    spec = pod(app__port=5000, seawall__port=9000)

    (app,), (seawall,) = spec["containers"], spec["initContainers"]
    assert ("app", "seawall", "Always") == (app["name"], seawall["name"], seawall["restartPolicy"])
    assert {"--listen=0.0.0.0:9000", "--upstream=http://127.0.0.1:5000"} <= set(seawall["args"])
    assert {"httpGet": {"path": "/", "port": 5000}} == app["readinessProbe"]
    assert spec["automountServiceAccountToken"] is False


def test_a_gateway_is_seawall_alone_and_its_policies_name_the_upstreams() -> None:
    spec = pod(GATEWAY)

    (seawall,) = spec["containers"]
    assert "initContainers" not in spec
    assert [] == [argument for argument in seawall["args"] if argument.startswith("--upstream")]
    assert {"preStop": {"sleep": {"seconds": 10}}} == seawall["lifecycle"]
    assert 10 + 20 + 5 == spec["terminationGracePeriodSeconds"]
    command, *arguments = seawall["args"]
    assert "run" == command
    assert run.make_context(command, arguments).params["upstream"] is None


@pytest.mark.parametrize(
    ("values", "upstream"),
    [(EXAMPLE, ["--upstream=http://127.0.0.1:3000"]), (GATEWAY, [])],
    ids=["app", "gateway"],
)
def test_the_policies_that_it_brings_are_without_a_problem(
    values: Manifest, upstream: list[str], tmp_path: Path
) -> None:
    data = of_kind(render(values), "ConfigMap")["data"]
    for name, text in data.items():
        (tmp_path / name).write_text(text)

    done = CliRunner().invoke(main, ["check", "--strict", *upstream, str(tmp_path)])

    assert 0 == done.exit_code, done.output


def test_the_service_leads_to_seawall_by_number() -> None:
    service = of_kind(render(seawall__port=9000), "Service")["spec"]

    assert [{"name": "http", "port": 80, "targetPort": 9000}] == service["ports"]


def test_whatever_selects_pods_finds_those_of_the_deployment() -> None:
    manifests = render(podLabels={"team": "desk"}, **ALL_ON)
    labels = of_kind(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        each["spec"]["selector"] if each["kind"] == "Service" else each["spec"]["selector"]["matchLabels"]
        for each in manifests
        if each["kind"] in ("Deployment", "PodDisruptionBudget", "Service")
    ]
    selectors.append(of_kind(manifests, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"])

    assert 5 == len(selectors)
    for selector in selectors:
        assert selector.items() <= labels.items()


def test_nobody_reaches_the_application_past_seawall() -> None:
    spec = of_kind(render(app__port=5000), "NetworkPolicy")["spec"]

    assert [{"ports": [{"port": 8080}]}, {"ports": [{"port": 9902}]}] == spec["ingress"]
    assert ["Ingress"] == spec["policyTypes"]


def test_the_network_policy_says_who_may_come_in_and_where_the_pod_may_go() -> None:
    clients, prometheus, away = ({"podSelector": {"matchLabels": {"a": name}}} for name in "xyz")

    spec = of_kind(
        render(
            networkPolicy__from=[clients],
            networkPolicy__statusFrom=[prometheus],
            networkPolicy__egress=[{"to": [away]}],
        ),
        "NetworkPolicy",
    )["spec"]

    assert [[clients], [prometheus]] == [rule["from"] for rule in spec["ingress"]]
    assert (["Ingress", "Egress"], [{"to": [away]}]) == (spec["policyTypes"], spec["egress"])


def test_without_the_network_policy_the_notes_say_what_that_means() -> None:
    warning = "other pods can reach port 3000 of these pods, past Seawall"

    assert warning in notes(networkPolicy__enabled=False)
    assert warning not in notes()
    assert warning not in notes(GATEWAY, networkPolicy__enabled=False)


def test_the_autoscaler_owns_the_number_of_replicas() -> None:
    off, on = (
        of_kind(render(autoscaling__enabled=enabled), "Deployment")["spec"] for enabled in (False, True)
    )

    assert (2, None) == (off.get("replicas"), on.get("replicas"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, ["seawall"], id="the application requests nothing"),
        pytest.param(
            {"app__resources": {"requests": {"cpu": "1"}}}, ["seawall", "app"], id="it requests CPU"
        ),
        pytest.param({"seawall__kubeVersion": "1.26"}, [None], id="the cluster cannot tell containers apart"),
    ],
)
def test_the_autoscaler_looks_at_the_containers_that_request_cpu(
    changes: dict[str, Any], expected: list[str | None]
) -> None:
    metrics = of_kind(render(autoscaling__enabled=True, **changes), "HorizontalPodAutoscaler")["spec"][
        "metrics"
    ]

    assert expected == [metric.get("containerResource", {}).get("container") for metric in metrics]


def test_prometheus_scrapes_the_status_port_by_a_service_that_no_client_uses() -> None:
    manifests = render(serviceMonitor__enabled=True, serviceMonitor__labels={"release": "prometheus"})
    (metrics,) = [each for each in manifests if each["metadata"]["name"] == "demo-seawall-app-metrics"]
    monitor = of_kind(manifests, "ServiceMonitor")
    found_by = monitor["spec"]["selector"]["matchLabels"]

    (port,) = metrics["spec"]["ports"]
    (endpoint,) = monitor["spec"]["endpoints"]
    assert (port["name"], 9902, "/metrics") == (endpoint["port"], port["targetPort"], endpoint["path"])
    assert "prometheus" == monitor["metadata"]["labels"]["release"]
    assert [metrics] == [
        each
        for each in manifests
        if each["kind"] == "Service" and found_by.items() <= each["metadata"]["labels"].items()
    ]


def test_files_in_the_values_stand_instead_of_the_charts_own_letter_by_letter() -> None:
    text = 'version: 1\nx-text: "{{ request_id }} ${HOME}"\n'

    data = of_kind(render(seawall__policies={"files": {"helpdesk.yaml": text}}), "ConfigMap")["data"]

    assert {"helpdesk.yaml": text} == data


def test_a_config_map_of_ones_own_is_mounted_and_none_is_made() -> None:
    own = {"existingConfigMap": "mine"}
    (volume,) = pod(seawall__policies=own)["volumes"]

    assert "ConfigMap" not in kinds(render(seawall__policies=own))
    assert {"name": "mine"} == volume["configMap"]
    assert "in the ConfigMap mine" in notes(seawall__policies=own)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"app__image": ""}, "app.image: name the image", id="no image"),
        pytest.param({"app__prot": 1}, "'prot' not allowed", id="a key that is none"),
        pytest.param({"app__port": "3000"}, "got string, want integer", id="a port in quotes"),
        pytest.param({"app__port": None}, "missing property 'port'", id="no port"),
        pytest.param(
            {"podLabels": {"app.kubernetes.io/name": "desk"}},
            "podLabels/app.kubernetes.io",
            id="a label that finds the pods",
        ),
        pytest.param(
            {"seawall__policies": {"existingConfigMap": "mine", "files": {"a.yaml": "version: 1"}}},
            "say existingConfigMap or files",
            id="policies in two places",
        ),
        pytest.param({"app__port": 8080}, "must differ", id="the port of Seawall"),
        pytest.param({"seawall__prot": 1}, "'prot' not allowed", id="a key that is none of Seawall's"),
        pytest.param({"seawall__enabled": False}, "seawall/enabled", id="without Seawall"),
        pytest.param({"app__enabled": False}, "name the upstreams", id="a gateway to nowhere"),
        pytest.param({"metricsNamespace": "sea-wall"}, "does not match pattern", id="no metric's name"),
        pytest.param({"prometheusRule__runbooks": "https://a/"}, "does not match", id="a slash too many"),
    ],
)
def test_values_that_cannot_work_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(helm.HelmError, match=complaint):
        render(**changes)


def test_names_and_labels_stay_within_what_kubernetes_takes() -> None:
    manifests, _ = rendered(APP, changed(EXAMPLE, **ALL_ON), name="a" * 53)
    template = of_kind(manifests, "Deployment")["spec"]["template"]
    labels = [each["metadata"]["labels"] for each in [*manifests, template]]

    names = [each["metadata"]["name"] for each in manifests]
    assert 63 >= max(map(len, names))
    assert 63 >= max(len(value) for each in labels for value in each.values())
    # A Service and the Prometheus Operator's objects may have names of others; two of one kind may not.
    assert len(manifests) == len({(each["kind"], each["metadata"]["name"]) for each in manifests})


def test_an_upgrade_finds_the_pods_of_before_whatever_the_version_and_the_values(tmp_path: Path) -> None:
    newer = tmp_path / "seawall-app"
    shutil.copytree(APP, newer)
    chart = newer / "Chart.yaml"
    chart.write_text(chart.read_text().replace('"0.1.0"', '"0.2.0"').replace("0.1.0", "0.2.0", 1))
    before = of_kind(render(), "Deployment")
    after = of_kind(rendered(newer, changed(EXAMPLE, podLabels={"team": "desk"}, **ALL_ON))[0], "Deployment")

    labels = before["metadata"]["labels"], after["metadata"]["labels"]
    assert ["0.1.0", "0.2.0"] == [each["app.kubernetes.io/version"] for each in labels]
    assert before["spec"]["selector"] == after["spec"]["selector"]


@pytest.mark.parametrize("values", [EXAMPLE, GATEWAY], ids=["sidecar", "gateway"])
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_ports_that_are_named_are_there_under_names_that_kubernetes_takes(
    values: Manifest, version: str
) -> None:
    spec = pod(values, seawall__kubeVersion=version)

    for container in [*spec["containers"], *spec.get("initContainers", ())]:
        declared = {port["name"] for port in container["ports"]}
        probes = [probe for name, probe in container.items() if name.endswith("Probe")]
        asked = [probe["httpGet"]["port"] for probe in probes]
        assert {port for port in asked if isinstance(port, str)} <= declared
        assert [] == [name for name in declared if not re.fullmatch("[a-z0-9](-?[a-z0-9]){0,14}", name)]
        assert 15 >= max(map(len, declared))


def test_a_gateway_that_may_go_to_few_places_may_ask_for_their_names() -> None:
    egress = of_kind(render(GATEWAY), "NetworkPolicy")["spec"]["egress"]

    ports = [port for rule in egress for port in rule["ports"]]
    assert {"protocol": "UDP", "port": 53} in ports
    assert {"protocol": "TCP", "port": 443} in ports


def test_who_fetches_the_chart_as_a_package_has_the_templates_of_the_sidecar_in_it(tmp_path: Path) -> None:
    with helm.Chart.load(APP) as chart:
        package = Path(chart.save(tmp_path))

    with tarfile.open(package) as packed:
        assert "seawall-app/charts/seawall-sidecar/templates/_pod.tpl" in packed.getnames()
    packed_manifests, _ = rendered(package, EXAMPLE)
    assert render() == packed_manifests


def test_the_two_charts_and_the_package_have_one_version() -> None:
    app, sidecar = (yaml.safe_load((chart / "Chart.yaml").read_text()) for chart in (APP, SIDECAR))
    (dependency,) = app["dependencies"]

    assert (sidecar["name"], sidecar["version"]) == (dependency["name"], dependency["version"])
    image = yaml.safe_load((SIDECAR / "values.yaml").read_text())["image"]["tag"]
    assert {__version__} == {app["appVersion"], sidecar["appVersion"], image}
