"""Charts, rendered by Helm's own code. No cluster is asked."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

helm = pytest.importorskip("helm_python", reason="there is no helm-python-sdk for this platform")
kubernetes = pytest.importorskip("kubernetes_validate")

ROOT = Path(__file__).parents[2]
APP = ROOT / "helm" / "seawall-app"
SIDECAR = ROOT / "helm" / "seawall-sidecar"

OLDEST, OLDEST_NATIVE, NEWEST = "1.25", "1.29", kubernetes.latest_version()
"""The oldest that is supported, the first with native sidecars, and the newest that we know."""

# It tells of each symbolic link that it follows.
helm.disable_logging()

Manifest = dict[str, Any]


def changed(values: Manifest, **changes: Any) -> Manifest:
    """`app__port=1` sets `app.port`."""
    merged = copy.deepcopy(values)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = merged
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return merged


def rendered(
    chart: Path, values: Manifest, *, name: str = "demo", namespace: str = "prod"
) -> tuple[list[Manifest], str]:
    """The manifests, and the notes."""
    with helm.Chart.load(chart) as loaded:
        texts = loaded.render(values, name=name, namespace=namespace)
    notes = "".join(texts.pop(path) for path in list(texts) if path.endswith("NOTES.txt"))
    manifests = [each for text in texts.values() for each in yaml.safe_load_all(text) if each is not None]
    return manifests, notes


def of_kind(manifests: list[Manifest], kind: str) -> Manifest:
    (found,) = [each for each in manifests if each["kind"] == kind]
    return found


def assert_valid(manifests: list[Manifest], version: str) -> None:
    """By the schemas of Kubernetes; they know nothing of what the Prometheus Operator adds."""
    for manifest in manifests:
        if not manifest["apiVersion"].startswith("monitoring.coreos.com/"):
            kubernetes.validate(manifest, version, strict=True)


def assert_lints(chart: Path, values: Manifest) -> None:
    report = helm.lint(chart, values, strict=True)
    assert [] == report["errors"]
    assert [] == [message for message in report["messages"] if message["severity"] > 1]
