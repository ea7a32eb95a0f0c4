"""The library chart: what one include makes of a pod that somebody else has written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.cli.run import run
from tests.machinery.charts import (
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

CHART = """
apiVersion: v2
name: shop
version: 1.0.0
dependencies:
  - {name: seawall-sidecar, version: 0.1.0, alias: seawall}
"""
TEMPLATES = {
    "deployment.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {{- include "seawall.pod" (dict "root" . "pod" (include "shop.pod" .)) | nindent 6 }}
""",
    "_pod.tpl": '{{- define "shop.pod" -}}{{ .Values.pod | toYaml }}{{- end }}',
    "policies.yaml": '{{- include "seawall.configMap" (dict "root" .) }}',
}
POLICIES = "version: 1\n# as it was written\nroutes: [{name: all, match: {path: /**}}]\n"
DIGEST = f"sha256:{'0a' * 32}"
POD: Manifest = {
    "securityContext": {"fsGroup": 1000680000},
    "initContainers": [{"name": "migrate", "image": "shop:1"}],
    "containers": [
        {
            "name": "shop",
            "image": "shop:1",
            "ports": [{"name": "http", "containerPort": 3000}, {"name": "debug", "containerPort": 5000}],
            "livenessProbe": {"httpGet": {"path": "/", "port": "http"}},
            "readinessProbe": {"tcpSocket": {"port": "http"}},
            "startupProbe": {"httpGet": {"path": "/", "port": "debug"}},
        },
        {"name": "clock", "image": "clock:1"},
    ],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A chart of somebody else that has the library in charts/."""
    chart = tmp_path / "shop"
    for folder in ("templates", "policies", "charts"):
        (chart / folder).mkdir(parents=True)
    (chart / "Chart.yaml").write_text(CHART)
    (chart / "values.yaml").write_text("{}\n")
    (chart / "policies" / "shop.yaml").write_text(POLICIES)
    (chart / "charts" / "seawall-sidecar").symlink_to(SIDECAR)
    for name, text in TEMPLATES.items():
        (chart / "templates" / name).write_text(text)
    return chart


def render(shop: Path, pod: Manifest = POD, **changes: Any) -> list[Manifest]:
    """`port=1` sets `seawall.port`."""
    return rendered(shop, {"pod": pod, "seawall": changed({}, **changes)})[0]


def pod_of(shop: Path, pod: Manifest = POD, **changes: Any) -> Manifest:
    spec = of_kind(render(shop, pod, **changes), "Deployment")["spec"]["template"]["spec"]
    assert isinstance(spec, dict)
    return spec


def seawall_of(pod: Manifest) -> Manifest:
    (found,) = [
        container
        for container in [*pod["containers"], *pod.get("initContainers", ())]
        if container["name"] == "seawall"
    ]
    assert isinstance(found, dict)
    return found


def names(containers: list[Manifest]) -> list[str]:
    return [container["name"] for container in containers]


def test_the_chart_that_includes_it_lints(shop: Path) -> None:
    assert_lints(shop, {"pod": POD})


@pytest.mark.parametrize("version", [OLDEST, OLDEST_NATIVE, NEWEST])
def test_the_pod_is_valid_in_the_oldest_the_first_with_sidecars_and_the_newest_kubernetes(
    shop: Path, version: str
) -> None:
    manifests = render(
        shop,
        kubeVersion=version,
        env=[{"name": "A", "value": "b"}],
        secrets=["shop.webhooks", "shop-tls"],
        volumeMounts=[{"name": "tmp", "mountPath": "/var/lib/seawall"}],
        args=["--tls-cert-dir=/run/secrets/shop-tls"],
    )

    assert {"Deployment", "ConfigMap"} == {manifest["kind"] for manifest in manifests}
    assert_valid(manifests, version)


def test_seawall_is_a_native_sidecar_behind_what_prepares_the_pod(shop: Path) -> None:
    pod = pod_of(shop, kubeVersion=OLDEST_NATIVE)

    assert (["migrate", "seawall"], ["shop", "clock"]) == (
        names(pod["initContainers"]),
        names(pod["containers"]),
    )
    assert "Always" == seawall_of(pod)["restartPolicy"]


def test_where_there_are_no_native_sidecars_it_is_a_container_beside_the_application(shop: Path) -> None:
    pod = pod_of(shop, kubeVersion="v1.28.9-gke.100")

    assert (["migrate"], ["shop", "clock", "seawall"]) == (
        names(pod["initContainers"]),
        names(pod["containers"]),
    )
    assert "restartPolicy" not in seawall_of(pod)


def test_which_of_the_two_it_is_can_be_said(shop: Path) -> None:
    assert "seawall" in names(pod_of(shop, sidecar="plain", kubeVersion=NEWEST)["containers"])
    with pytest.raises(helm.HelmError, match=r"Kubernetes 1\.28 has no native sidecars, 1\.29 has"):
        pod_of(shop, sidecar="native", kubeVersion="1.28")


def test_nothing_waits_for_more_than_seawalls_own_life(shop: Path) -> None:
    seawall = seawall_of(pod_of(shop))
    probes = [seawall[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]

    assert ["/livez", "/livez", "/readyz"] == [probe["path"] for probe in probes]
    assert {"seawall-status"} == {probe["port"] for probe in probes}


def test_seawall_understands_what_it_is_started_with(shop: Path) -> None:
    more = ["--tls-cert-dir=/run/secrets/shop-tls"]
    command, *arguments = seawall_of(pod_of(shop, drainSeconds=13, args=more))["args"]

    parsed = run.make_context(command, arguments).params

    assert ("run", 13.0, 64 * 2**20, "http://127.0.0.1:3000", Path("/run/secrets/shop-tls")) == (
        command,
        parsed["drain"],
        parsed["max_buffered"],
        str(parsed["upstream"]),
        parsed["tls_cert_dir"],
    )


def test_the_ports_name_moves_to_seawall_so_that_a_service_cannot_lead_past_it(shop: Path) -> None:
    pod = pod_of(shop, port=9000)

    assert {"name": "http", "containerPort": 9000} in seawall_of(pod)["ports"]
    assert ["behind-seawall", "debug"] == names(pod["containers"][0]["ports"])


def test_probes_that_named_the_port_still_ask_the_application(shop: Path) -> None:
    app = pod_of(shop)["containers"][0]

    assert (3000, 3000, "debug") == (
        app["livenessProbe"]["httpGet"]["port"],
        app["readinessProbe"]["tcpSocket"]["port"],
        app["startupProbe"]["httpGet"]["port"],
    )


def test_the_application_is_the_first_container_or_the_one_that_is_named(shop: Path) -> None:
    pod = pod_of(shop, app__container="clock", app__port=7000)

    assert "--upstream=http://127.0.0.1:7000" in seawall_of(pod)["args"]
    assert ["lifecycle" in container for container in pod["containers"]] == [False, True]
    assert "http" == pod["containers"][0]["ports"][0]["name"]


def test_natively_the_application_holds_both_back_while_the_cluster_stops_sending(shop: Path) -> None:
    pod = pod_of(shop, stopDelaySeconds=7, drainSeconds=13, kubeVersion="1.30")

    assert {"preStop": {"sleep": {"seconds": 7}}} == pod["containers"][0]["lifecycle"]
    assert "lifecycle" not in seawall_of(pod)


def test_side_by_side_the_application_stays_until_seawall_has_drained(shop: Path) -> None:
    pod = pod_of(shop, stopDelaySeconds=7, drainSeconds=13, kubeVersion="1.28")

    assert {"preStop": {"exec": {"command": ["sleep", "20"]}}} == pod["containers"][0]["lifecycle"]
    assert {"preStop": {"exec": {"command": ["sleep", "7"]}}} == seawall_of(pod)["lifecycle"]


@pytest.mark.parametrize(
    ("hook", "version", "expected"),
    [
        ("auto", "1.29", {"exec": {"command": ["sleep", "10"]}}),
        ("auto", "1.30", {"sleep": {"seconds": 10}}),
        ("exec", "1.30", {"exec": {"command": ["sleep", "10"]}}),
        ("none", "1.30", None),
    ],
)
def test_the_hook_is_one_that_the_cluster_and_the_image_can(
    shop: Path, hook: str, version: str, expected: object
) -> None:
    app = pod_of(shop, stopHook=hook, kubeVersion=version)["containers"][0]

    assert expected == app.get("lifecycle", {}).get("preStop")


def test_a_hook_of_the_applications_own_stays(shop: Path) -> None:
    own = {"exec": {"command": ["bye"]}}
    pod = changed(POD)
    pod["containers"][0]["lifecycle"] = {"preStop": own}

    assert own == pod_of(shop, pod)["containers"][0]["lifecycle"]["preStop"]


@pytest.mark.parametrize(("theirs", "expected"), [(None, 7 + 11 + 13 + 5), (30, 36), (300, 300)])
def test_the_grace_period_has_room_for_the_delay_the_application_and_the_drain(
    shop: Path, theirs: int | None, expected: int
) -> None:
    pod = POD if theirs is None else {**POD, "terminationGracePeriodSeconds": theirs}

    changes = {"stopDelaySeconds": 7, "app__stopSeconds": 11, "drainSeconds": 13}

    assert expected == pod_of(shop, pod, **changes)["terminationGracePeriodSeconds"]


def test_what_the_pod_had_it_has_still(shop: Path) -> None:
    pod = pod_of(shop)

    assert {"fsGroup": 1000680000} == pod["securityContext"]
    assert {"name": "tmp", "emptyDir": {}} in pod["volumes"]
    assert POD["initContainers"][0] in pod["initContainers"]
    assert POD["containers"][1] in pod["containers"]


def test_seawall_may_do_nothing_that_it_does_not_need(shop: Path) -> None:
    assert {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    } == seawall_of(pod_of(shop))["securityContext"]


def test_the_cluster_may_give_out_the_users_number(shop: Path) -> None:
    own = {"runAsUser": None, "runAsGroup": None}

    assert not own.keys() & seawall_of(pod_of(shop, securityContext=own))["securityContext"].keys()


def test_the_policies_are_a_directory_so_that_the_kubelet_keeps_them_current(shop: Path) -> None:
    pod = pod_of(shop)

    assert [
        {"name": "seawall-policies", "mountPath": "/etc/seawall/policies", "readOnly": True}
    ] == seawall_of(pod)["volumeMounts"]
    assert {"name": "seawall-policies", "configMap": {"name": "demo-shop-policies"}} in pod["volumes"]
    assert "--policies=/etc/seawall/policies" in seawall_of(pod)["args"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"image__tag": "1.2"}, "seawall:1.2"),
        ({"image__digest": DIGEST}, f"seawall:0.1.0@{DIGEST}"),
        ({"image__digest": DIGEST, "image__tag": ""}, f"seawall@{DIGEST}"),
    ],
    ids=["tag", "tag and digest", "digest"],
)
def test_the_image_is_named_by_its_tag_its_digest_or_both(
    shop: Path, changes: dict[str, Any], expected: str
) -> None:
    assert expected == seawall_of(pod_of(shop, **changes))["image"]


def test_secrets_are_files_that_only_seawall_sees(shop: Path) -> None:
    pod = pod_of(shop, secrets=["shop.webhooks"])
    (volume,) = [each for each in pod["volumes"] if "secret" in each]

    assert {"secretName": "shop.webhooks"} == volume["secret"]
    assert {
        "name": volume["name"],
        "mountPath": "/run/secrets/shop.webhooks",
        "readOnly": True,
    } in seawall_of(pod)["volumeMounts"]
    assert "volumeMounts" not in pod["containers"][0]


def test_the_policies_of_the_chart_are_in_the_config_map_letter_by_letter(shop: Path) -> None:
    config_map = of_kind(render(shop), "ConfigMap")

    assert {"shop.yaml": POLICIES} == config_map["data"]
    assert "demo-shop-policies" == config_map["metadata"]["name"]


def test_a_change_of_the_policies_restarts_no_pod(shop: Path) -> None:
    before = render(shop)
    (shop / "policies" / "shop.yaml").write_text(POLICIES + "# more\n")
    after = render(shop)

    assert of_kind(before, "ConfigMap") != of_kind(after, "ConfigMap")
    assert of_kind(before, "Deployment") == of_kind(after, "Deployment")


def test_switched_off_the_pod_is_as_it_was_written(shop: Path) -> None:
    (only,) = render(shop, enabled=False)

    assert POD == only["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        pytest.param({"prot": 1}, "'prot' not allowed", id="a key that is none"),
        pytest.param({"port": "8080"}, "got string, want integer", id="a port in quotes"),
        pytest.param({"port": 80}, "minimum", id="a port for root"),
        pytest.param({"port": 3000}, "must differ", id="the port of the application"),
        pytest.param({"statusPort": 5000}, "must differ", id="another port of the application"),
        pytest.param({"port": 9901}, "must differ", id="the port of Seawall's admin"),
        pytest.param({"maxBuffered": "64Mi"}, "does not match pattern", id="a size of Kubernetes"),
        pytest.param({"policies__files": {"a.json": ""}}, "does not match pattern", id="not a YAML file"),
        pytest.param({"app__container": "shpo"}, "no container of that name", id="a container that is none"),
        pytest.param({"app__container": "clock"}, "declares no port", id="a container without a port"),
        pytest.param({"stopHook": "sleep", "kubeVersion": "1.29"}, "cannot sleep", id="a kubelet's sleep"),
        pytest.param({"image__tag": ""}, "which version of Seawall", id="an image of any version"),
        pytest.param({"image__digest": "sha256:1234"}, "does not match pattern", id="half a digest"),
        pytest.param({"args": ["run"]}, "does not match pattern", id="an argument that is no option"),
        pytest.param(
            {"volumeMounts": [{"name": "a", "mountPath": "/etc/seawall/policies/a.yaml", "subPath": "a"}]},
            "volumeMounts",
            id="a policy by subPath, which the kubelet never updates",
        ),
    ],
)
def test_values_that_cannot_work_are_refused(shop: Path, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(helm.HelmError, match=complaint):
        render(shop, **changes)


def test_a_pod_that_is_none_is_refused(shop: Path) -> None:
    with pytest.raises(helm.HelmError, match="no spec of a pod: it has no containers"):
        render(shop, {"volumes": []})


def test_a_chart_without_policies_is_refused(shop: Path) -> None:
    (shop / "policies" / "shop.yaml").unlink()

    with pytest.raises(helm.HelmError, match="say the policies in `files`"):
        render(shop)


def test_the_defaults_are_what_their_schema_takes() -> None:
    values = yaml.safe_load((SIDECAR / "values.yaml").read_text())
    with helm.Chart.load(SIDECAR) as chart:
        chart.validate_schema(values)
        assert set(values) | {"global"} == set(chart.schema["properties"])
