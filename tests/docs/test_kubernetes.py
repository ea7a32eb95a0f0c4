"""The page "On Kubernetes": who follows it gets what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from proxy.cli import main
from tests.machinery.charts import (
    APP,
    NEWEST,
    OLDEST,
    ROOT,
    SIDECAR,
    Manifest,
    assert_lints,
    assert_valid,
    changed,
    helm,
    of_kind,
    rendered,
)

PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
FILES: dict[str, str] = dict(re.findall(r"^```yaml\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^ *\$ (.*)", PAGE, re.MULTILINE)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The page's own chart, with the library that `helm dependency update` puts into it."""
    for name, text in FILES.items():
        if name.startswith("shop/"):
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("file://../seawall/helm/seawall-sidecar", f"file://{SIDECAR}"))
    helm.dependency_update(tmp_path / "shop")
    return tmp_path / "shop"


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_ones_own_chart_has_seawall_in_its_pods_by_one_include(shop: Path, version: str) -> None:
    manifests, _ = rendered(shop, {"seawall": {"kubeVersion": version}})
    pod = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]
    (seawall,) = [
        each for each in pod["containers"] + pod.get("initContainers", []) if each["name"] == "seawall"
    ]

    assert_valid(manifests, version)
    assert "registry.example/seawall:0.1.0" == seawall["image"]
    assert {"name": "http", "containerPort": 8080} in seawall["ports"]
    assert {"name": "behind-seawall", "containerPort": 3000} in pod["containers"][0]["ports"]
    assert 55 == pod["terminationGracePeriodSeconds"]


def test_ones_own_chart_lints(shop: Path) -> None:
    assert_lints(shop, {})


def without_a_chart(folder: Path) -> Manifest:
    """The values that the page's `helm install` hands to the chart."""
    (install,) = [command for command in COMMANDS if command.startswith("helm install")]
    assert "--values values.yaml" in install
    (expression,) = re.findall(r"--set-file '(.*?)'", install)
    key, _, file = expression.partition("=")
    (folder / "policies").mkdir()
    (folder / file).write_text(FILES[file])
    of_file: Manifest = helm.parse_set_file(f"{key}={folder / file}")
    values = yaml.safe_load(FILES["values.yaml"])
    values["seawall"].update(of_file["seawall"])
    assert isinstance(values, dict)
    return values


def test_an_application_without_a_chart_has_seawall_in_front_of_it(tmp_path: Path) -> None:
    manifests, notes = rendered(APP, without_a_chart(tmp_path), name="helpdesk")

    assert_valid(manifests, NEWEST)
    assert {"helpdesk.yaml": FILES["policies/helpdesk.yaml"]} == of_kind(manifests, "ConfigMap")["data"]
    assert "helpdesk-seawall-app" == of_kind(manifests, "Service")["metadata"]["name"]
    assert "service/helpdesk-seawall-app 8080:80" in notes
    for command in COMMANDS:
        if "helpdesk-seawall-app" in command and command.startswith(("kubectl port-forward", "kubectl exec")):
            assert command.removeprefix("kubectl ").removesuffix(" &") in notes


def test_an_edit_is_an_upgrade_with_the_same_files() -> None:
    upgrade = next(command for command in COMMANDS if command.startswith("helm upgrade helpdesk"))

    assert upgrade.replace("upgrade", "install") in COMMANDS


def test_monitoring_is_switched_on_as_it_says(tmp_path: Path) -> None:
    values = changed(without_a_chart(tmp_path), **yaml.safe_load(FILES["monitoring.yaml"]))
    manifests, _ = rendered(APP, values)

    for kind in ("ServiceMonitor", "PrometheusRule"):
        assert "prometheus" == of_kind(manifests, kind)["metadata"]["labels"]["release"]
    assert 2 == len([each for each in manifests if each["kind"] == "ConfigMap"])


@pytest.mark.parametrize(
    "policies",
    [
        pytest.param(FILES["shop/policies/shop.yaml"], id="shop"),
        pytest.param(FILES["policies/helpdesk.yaml"], id="helpdesk"),
    ],
)
def test_its_policies_have_no_problem(policies: str, tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(policies)

    done = CliRunner().invoke(main, ["check", "--strict", "--upstream", "http://127.0.0.1:3000", str(file)])

    assert 0 == done.exit_code, done.output


def test_the_seconds_and_the_memory_that_it_tells_are_those_of_the_values() -> None:
    values: dict[str, Any] = yaml.safe_load((SIDECAR / "values.yaml").read_text())
    seconds = values["stopDelaySeconds"], values["app"]["stopSeconds"], values["drainSeconds"]
    requested, limit = values["resources"]["requests"], values["resources"]["limits"]

    assert (10, 20, 20) == seconds
    assert "| 10 (`stopDelaySeconds`) |" in PAGE
    assert "| 30 (`app.stopSeconds`, `drainSeconds`) |" in PAGE
    assert f"| {sum(seconds) + 5} at most |" in PAGE
    assert ({"cpu": "50m", "memory": "64Mi"}, {"memory": "256Mi"}) == (requested, limit)
    assert "request 64 MiB and 50m, and limit memory to 256 MiB" in PAGE


def test_every_command_of_seawall_is_one() -> None:
    said = COMMANDS + re.findall(r"`([^`\n]+)`", PAGE)
    named = re.findall(r"\bseawall(?::[0-9.]+)? ([a-z]+)(?: |$)", "\n".join(said), re.MULTILINE)

    assert {"check", "test", "status"} == set(named)
    assert set(named) <= set(main.list_commands(click.Context(main)))


def test_links_into_the_page_lead_to_a_heading_that_it_has() -> None:
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)", PAGE, re.MULTILINE)
    }
    pointed = set(re.findall(r"\]\(#([^)]+)\)", PAGE))
    for page in (ROOT / "docs").rglob("*.md"):
        pointed |= set(re.findall(r"kubernetes\.md#([^)]+)\)", page.read_text()))

    assert pointed
    assert set() == pointed - anchors
