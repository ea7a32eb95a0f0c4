"""The chart, rendered by Helm's own code and held against the schemas of Kubernetes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.cli.run import run

helm = pytest.importorskip("helm_python", reason="there is no helm-python-sdk for this platform")
kubernetes = pytest.importorskip("kubernetes_validate")

CHART = Path(__file__).parents[2] / "helm" / "seawall-app"
EXAMPLE: dict[str, Any] = yaml.safe_load((CHART / "ci" / "example-values.yaml").read_text())
OLDEST, NEWEST = "1.30", kubernetes.latest_version()


def values(**changes: Any) -> dict[str, Any]:
    """The example's values; `app__port=1` sets `app.port`."""
    merged = copy.deepcopy(EXAMPLE)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = merged
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return merged


def render(**changes: Any) -> dict[str, Any]:
    """Kind -> manifest, and `notes` -> the text."""
    with helm.Chart.load(CHART) as chart:
        rendered = chart.render(values(**changes), name="demo", namespace="prod")
    manifests = {"notes": rendered.pop("seawall-app/templates/NOTES.txt")}
    for text in rendered.values():
        for manifest in yaml.safe_load_all(text):
            if manifest is not None:
                manifests[manifest["kind"]] = manifest
    return manifests


def pod(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = render(**changes)["Deployment"]["spec"]["template"]["spec"]
    return spec


def sidecar(**changes: Any) -> dict[str, Any]:
    (container,) = pod(**changes)["initContainers"]
    assert isinstance(container, dict)
    return container


def app(**changes: Any) -> dict[str, Any]:
    (container,) = pod(**changes)["containers"]
    assert isinstance(container, dict)
    return container


def test_lint_finds_no_warning_and_no_error() -> None:
    report = helm.lint(CHART, EXAMPLE, strict=True)

    assert [] == report["errors"]
    assert [] == [message for message in report["messages"] if message["severity"] > 1]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_manifest_is_valid_in_the_oldest_and_the_newest_kubernetes(version: str) -> None:
    manifests = render(
        app__command=["serve"],
        app__args=["--all"],
        app__env=[{"name": "A", "value": "b"}],
        app__livenessProbe={"httpGet": {"path": "/", "port": "app"}},
        app__resources={"limits": {"memory": "1Gi"}},
        app__securityContext={"runAsNonRoot": True},
        podAnnotations={"a": "b"},
        podLabels={"team": "desk"},
        imagePullSecrets=[{"name": "registry"}],
    )
    del manifests["notes"]

    assert {"ConfigMap", "Deployment", "NetworkPolicy", "Service"} == set(manifests)
    for manifest in manifests.values():
        kubernetes.validate(manifest, version, strict=True)


def test_seawall_is_a_native_sidecar_that_nothing_waits_for_but_its_own_life() -> None:
    seawall = sidecar()

    assert "Always" == seawall["restartPolicy"]
    assert ("/livez", "/livez", "/readyz") == tuple(
        seawall[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    )
    assert {"status"} == {
        seawall[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }


def test_seawall_understands_what_it_is_started_with() -> None:
    command, *arguments = sidecar(seawall__drainSeconds=13)["args"]

    parsed = run.make_context(command, arguments).params

    assert ("run", 13.0, 64 * 2**20) == (command, parsed["drain"], parsed["max_buffered"])


def test_seawall_may_do_nothing_that_it_does_not_need() -> None:
    assert {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    } == sidecar()["securityContext"]
    assert pod()["automountServiceAccountToken"] is False


def test_the_policies_are_a_directory_so_that_the_kubelet_keeps_them_current() -> None:
    spec = pod()

    assert [{"name": "policies", "mountPath": "/etc/seawall/policies", "readOnly": True}] == spec[
        "initContainers"
    ][0]["volumeMounts"]
    assert [{"name": "policies", "configMap": {"name": "demo-seawall-app-policies"}}] == spec["volumes"]
    assert "--policies=/etc/seawall/policies" in spec["initContainers"][0]["args"]


def test_the_service_leads_to_seawall_and_seawall_to_the_application() -> None:
    service = render(app__port=5000, seawall__port=9000)["Service"]["spec"]
    seawall = sidecar(app__port=5000, seawall__port=9000)

    assert [{"name": "http", "port": 80, "targetPort": 9000}] == service["ports"]
    assert {"--listen=0.0.0.0:9000", "--upstream=http://127.0.0.1:5000"} <= set(seawall["args"])


def test_the_service_and_the_network_policy_find_the_pods_of_the_deployment() -> None:
    manifests = render(podLabels={"team": "desk"})
    labels = manifests["Deployment"]["spec"]["template"]["metadata"]["labels"]

    for selector in (
        manifests["Deployment"]["spec"]["selector"]["matchLabels"],
        manifests["Service"]["spec"]["selector"],
        manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()


def test_nobody_reaches_the_application_past_seawall() -> None:
    (rule,) = render(app__port=5000)["NetworkPolicy"]["spec"]["ingress"]

    assert [{"port": 8080}, {"port": 9902}] == rule["ports"]


def test_without_the_network_policy_the_notes_say_what_that_means() -> None:
    rendered = render(networkPolicy__enabled=False)

    assert "NetworkPolicy" not in rendered
    assert "other pods can reach port 3000 of these pods, past Seawall" in rendered["notes"]


def test_the_grace_period_has_room_for_the_delay_the_application_and_the_drain() -> None:
    changes = {"stopDelaySeconds": 7, "app__stopSeconds": 11, "seawall__drainSeconds": 13}

    assert 7 + 11 + 13 + 5 == pod(**changes)["terminationGracePeriodSeconds"]
    assert {"preStop": {"sleep": {"seconds": 7}}} == app(**changes)["lifecycle"]
    assert "--drain=13s" in sidecar(**changes)["args"]


def test_a_delay_of_nothing_leaves_the_hook_out() -> None:
    assert "lifecycle" not in app(stopDelaySeconds=0)


def test_files_in_the_values_stand_instead_of_the_charts_own_letter_by_letter() -> None:
    text = 'version: 1\nx-text: "{{ request_id }} ${HOME}"\n'

    data = render(policies__files={"helpdesk.yaml": text})["ConfigMap"]["data"]

    assert {"helpdesk.yaml": text} == data


def test_a_change_of_the_policies_restarts_no_pod() -> None:
    before, after = (
        render(policies__files={"a.yaml": text}) for text in ("version: 1\n", "version: 1 # 2\n")
    )

    assert before["ConfigMap"] != after["ConfigMap"]
    assert before["Deployment"] == after["Deployment"]


def test_a_config_map_of_ones_own_is_mounted_and_none_is_made() -> None:
    rendered = render(policies__existingConfigMap="mine")

    assert "ConfigMap" not in rendered
    assert {"name": "mine"} == rendered["Deployment"]["spec"]["template"]["spec"]["volumes"][0]["configMap"]
    assert "in the ConfigMap mine" in rendered["notes"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"app__image": ""}, "app.image: name the image", id="no image"),
        pytest.param({"app__prot": 1}, "'prot' not allowed", id="a key that is none"),
        pytest.param({"app__port": "3000"}, "got string, want integer", id="a port in quotes"),
        pytest.param({"app__port": 8080}, "must differ", id="the port of Seawall"),
        pytest.param({"app__port": 9901}, "must differ", id="the port of Seawall's admin"),
        pytest.param({"seawall__port": 80}, "minimum", id="a port for root"),
        pytest.param({"seawall__maxBuffered": "64Mi"}, "does not match pattern", id="a size of Kubernetes"),
        pytest.param({"policies__files": {"a.json": ""}}, "does not match pattern", id="not a YAML file"),
    ],
)
def test_values_that_cannot_work_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(helm.HelmError, match=complaint):
        render(**changes)


def test_names_stay_within_what_kubernetes_takes() -> None:
    with helm.Chart.load(CHART) as chart:
        rendered = chart.render(EXAMPLE, name="a" * 53, namespace="prod")

    names = [
        manifest["metadata"]["name"]
        for path, text in rendered.items()
        if path.endswith(".yaml") and (manifest := yaml.safe_load(text))
    ]
    assert max(map(len, names)) <= 63
