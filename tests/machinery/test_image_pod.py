"""The pod of the chart, run by podman from what Helm renders: `make image-test`, where the engine is podman.

As for a cluster before 1.29: podman 4 refuses native sidecars with probes, and runs no hooks.
"""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.app.test_watching import kubelet_volume
from tests.machinery.charts import APP, ROOT, rendered
from tests.ports import free_port

IMAGE = os.environ.get("SEAWALL_IMAGE", "")
ENGINE = os.environ.get("ENGINE") or ("podman" if shutil.which("podman") else "docker")
PATIENCE = 60.0
RELEASE = "seawall-app-tried"
CONFIG_MAP = f"{RELEASE}-policies"

pytestmark = pytest.mark.skipif(
    not IMAGE or "podman" not in ENGINE, reason="`make image-test ENGINE=podman` plays it"
)

POLICIES = """\
version: 1
routes:
  - name: all
    match: {{path: "/**"}}
    policies:
      security_headers: {{preset: owasp-api}}
      size_limit: {{body: {limit}}}
"""


def engine(*arguments: str) -> str:
    return subprocess.run([ENGINE, *arguments], text=True, capture_output=True, check=True).stdout


def values() -> dict[str, Any]:
    """The help desk of the examples, unchanged, in the only image that is at hand."""
    repository, _, tag = IMAGE.rpartition(":")
    application = (ROOT / "examples" / "legacy" / "app.py").read_text()
    return {
        "replicas": 1,
        "app": {"image": IMAGE, "command": ["python", "-c", application, "--port=3000"]},
        "seawall": {
            "image": {"repository": repository, "tag": tag},
            "kubeVersion": "1.28",
            "policies": {"files": {"app.yaml": POLICIES.format(limit="1MiB")}},
        },
    }


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Where the pod's Seawall answers."""
    manifests, _ = rendered(APP, values(), name=RELEASE)
    wanted = [each for each in manifests if each["kind"] in ("ConfigMap", "Deployment")]
    (deployment,) = [each for each in wanted if each["kind"] == "Deployment"]
    ports = {}
    # podman publishes whatever a container declares: on loopback, then, where something is free.
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        for each in container["ports"]:
            each["hostIP"], each["hostPort"] = "127.0.0.1", free_port()
            ports[each["name"]] = each["hostPort"]
    file = tmp_path / "pod.yaml"
    file.write_text(yaml.safe_dump_all(wanted))
    try:
        engine("kube", "play", str(file))
        yield ports["http"]
    finally:
        engine("kube", "down", str(file))
        engine("volume", "rm", "--force", CONFIG_MAP)


def asked(port: int, body: str | None = None) -> tuple[int, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with closing(connection):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST" if body else "GET", "/", body, headers)
        response = connection.getresponse()
        response.read()
        return response.status, response.headers


def until(status: int, port: int, body: str | None = None) -> http.client.HTTPMessage:
    ends, told = time.monotonic() + PATIENCE, 0
    while time.monotonic() < ends:
        try:
            told, headers = asked(port, body)
            if told == status:
                return headers
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"it never answered {status}, but {told}")


def test_the_application_is_behind_seawall_which_takes_edits_of_the_config_map(port: int) -> None:
    headers = until(200, port)
    assert ("nosniff", None) == (headers["X-Content-Type-Options"], headers["Server"])
    assert 200 == asked(port, "title=No+coffee")[0]

    mounted = Path(engine("volume", "inspect", "--format={{.Mountpoint}}", CONFIG_MAP).strip())
    (mounted / "app.yaml").unlink()
    kubelet_volume(mounted, app=POLICIES.format(limit="10B"))

    until(413, port, "title=No+coffee")
