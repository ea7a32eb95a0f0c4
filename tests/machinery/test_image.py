"""The image, built and run by a container engine: `make image-test` does both.

Skipped where no image is named. The engine is docker or podman, on Linux: containers use the host's network.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from proxy import __version__
from tests.app.test_watching import kubelet_volume
from tests.machinery.test_dockerfile import instructions
from tests.ports import free_port

IMAGE = os.environ.get("SEAWALL_IMAGE", "")
ENGINE = os.environ.get("ENGINE") or ("podman" if shutil.which("podman") else "docker")
PATIENCE = 60.0

pytestmark = pytest.mark.skipif(not IMAGE, reason="no image to try is named; `make image-test` builds one")

POLICIES = """\
version: 1
routes:
  - name: all
    match: {{path: "/**"}}
    policies:
      security_headers: {{preset: none, set: {{X-Revision: {revision}}}}}
"""
LOCKED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
LOOKS = """
import json, os, shutil, sys
status = dict(line.split(":", 1) for line in open("/proc/1/status").read().splitlines())
writable = [
    place for place, _, _ in os.walk("/") if not place.startswith(("/proc", "/sys", "/dev"))
    and os.access(place, os.W_OK)
]
print(json.dumps({
    "uid": status["Uid"].split(), "gid": status["Gid"].split(),
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "capabilities": {name: int(status[name], 16) for name in status if name.startswith("Cap")},
    "environment": dict(pair.split("=", 1) for pair in open("/proc/1/environ").read().split("\\0") if pair),
    "tools": [name for name in sys.argv[1:] if shutil.which(name)],
    "resident_kib": int(status["VmRSS"].split()[0]),
    "writable": writable,
}))
"""
TOOLS = ["pip", "pip3", "gcc", "g++", "cc", "c++", "ld", "as", "make", "cmake", "curl", "wget", "git"]
LIBRARIES = """
import importlib.metadata, json
print(json.dumps({each.name.lower(): each.version for each in importlib.metadata.distributions()}))
"""


def engine(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ENGINE, *arguments], text=True, capture_output=True, check=check)


class Container:
    """One that runs, and where it listens."""

    def __init__(self, policies: Path, upstream: int, *options: str) -> None:
        self.port, self.status, admin = free_port(), free_port(), free_port()
        ports = [f"--listen=127.0.0.1:{self.port}", f"--status=127.0.0.1:{self.status}"]
        ports += [f"--admin=127.0.0.1:{admin}", f"--upstream=http://127.0.0.1:{upstream}"]
        self.admin = f"--admin=127.0.0.1:{admin}"
        mount = f"--volume={policies}:/etc/seawall/policies:ro"
        no_tmp = ["--read-only-tmpfs=false"] if "podman" in ENGINE else []
        started = [
            "run",
            "--detach",
            "--network=host",
            mount,
            *LOCKED,
            *no_tmp,
            *options,
            IMAGE,
            "run",
            *ports,
        ]
        self.name = engine(*started).stdout.strip()

    def get(self, path: str, port: int | None = None) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE)
        with closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
        return response

    def until(self, path: str, status: int) -> None:
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            try:
                if status == self.get(path, self.status).status:
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"{path} never was {status}:\n{self.log()}")

    def does(self, *command: str) -> str:
        return engine("exec", self.name, *command).stdout

    def log(self) -> str:
        done = engine("logs", self.name)
        return done.stdout + done.stderr


@contextmanager
def container(policies: Path, upstream: int = 9, *options: str) -> Iterator[Container]:
    made = Container(policies, upstream, *options)
    try:
        made.until("/livez", 200)
        yield made
    finally:
        engine("rm", "--force", made.name)


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policies")
    folder.chmod(0o755)
    (folder / "app.yaml").write_text(POLICIES.format(revision="one"))
    return folder


@pytest.fixture(scope="module")
def running(policies: Path) -> Iterator[Container]:
    with container(policies) as made:
        yield made


@pytest.fixture(scope="module")
def seen(running: Container) -> dict[str, Any]:
    looked = json.loads(running.does("python", "-c", LOOKS, *TOOLS))
    assert isinstance(looked, dict)
    return looked


def inspected() -> dict[str, Any]:
    (found,) = json.loads(engine("image", "inspect", IMAGE).stdout)
    assert isinstance(found, dict)
    return found


def test_it_is_the_numbered_user_without_a_right_and_may_gain_none(seen: dict[str, Any]) -> None:
    assert ({"10001"}, {"10001"}, "1") == (set(seen["uid"]), set(seen["gid"]), seen["no_new_privileges"])
    assert {0} == set(seen["capabilities"].values())


def test_it_runs_where_it_can_write_nowhere_not_even_to_tmp(seen: dict[str, Any]) -> None:
    assert [] == seen["writable"]


def test_malloc_and_python_are_set_as_the_dockerfile_says(seen: dict[str, Any]) -> None:
    (said,) = [argument for step, argument in instructions() if step == "ENV"]
    wanted = dict(pair.split("=", 1) for pair in said.split() if not pair.startswith("PATH="))

    assert wanted.items() <= seen["environment"].items()
    assert 4 == len([name for name in wanted if name.startswith("MALLOC_")])


def test_nothing_in_it_installs_compiles_or_fetches(seen: dict[str, Any], running: Container) -> None:
    modules = engine("exec", running.name, "/usr/local/bin/python", "-c", "import pip", check=False)

    assert [] == seen["tools"]
    assert "No module named 'pip'" in modules.stderr
    assert (
        "No module named 'ensurepip'"
        in engine("exec", running.name, "/usr/local/bin/python", "-c", "import ensurepip", check=False).stderr
    )


def test_idle_it_holds_less_than_60_mib(seen: dict[str, Any]) -> None:
    assert 20 < seen["resident_kib"] / 1024 < 60


def test_its_libraries_are_those_of_the_lock_file_and_no_others(running: Container) -> None:
    lock = (Path(__file__).parents[2] / "requirements.lock").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", lock, re.MULTILINE))

    there = json.loads(running.does("python", "-c", LIBRARIES))

    assert __version__ == there.pop("seawall")
    assert there.items() <= {name.replace("-", "_"): version for name, version in locked.items()}.items() | (
        locked.items()
    )
    assert {"aiohttp", "bcrypt", "cryptography", "jsonschema-rs", "pyjwt", "redis", "uvloop"} <= {
        name.replace("_", "-") for name in there
    }


def test_it_says_what_it_is_and_how_it_is_started() -> None:
    config = inspected()["Config"]
    labels = {name.rpartition("image.")[2]: value for name, value in config["Labels"].items()}

    assert ("Seawall", __version__, "Apache-2.0") == tuple(
        labels[name] for name in ("title", "version", "licenses")
    )
    assert (["seawall"], ["run"], "10001:10001") == (config["Entrypoint"], config["Cmd"], config["User"])
    assert {"8080/tcp", "9902/tcp"} == set(config["ExposedPorts"])


def test_the_health_check_of_the_image_fails_once_nothing_answers(policies: Path) -> None:
    (said,) = [argument for step, argument in instructions() if step == "HEALTHCHECK"]
    command = json.loads(said.partition(" CMD ")[2])
    if (kept := inspected()["Config"].get("Healthcheck")) is not None:  # the format of OCI has none
        assert ["CMD", *command] == kept["Test"]
    with container(policies) as made:
        here = [part.replace("9902", str(made.status)) for part in command]
        elsewhere = [part.replace("9902", str(free_port())) for part in command]

        assert [0, 1] == [
            engine("exec", made.name, *each, check=False).returncode for each in (here, elsewhere)
        ]


def test_the_cluster_may_give_it_any_other_user(policies: Path) -> None:
    with container(policies, 9, "--user=1000680000:0") as made:
        assert "1000680000\n" == made.does("id", "-u")
        assert "ready" in made.does("seawall", "status", made.admin)


def test_without_policies_it_does_not_start_and_says_why() -> None:
    done = engine("run", "--rm", "--network=none", IMAGE, check=False)

    assert 1 == done.returncode
    assert "/etc/seawall/policies: no policy file is in this folder" in done.stderr


def test_it_checks_policies_for_somebody_who_has_nothing_but_the_image(policies: Path) -> None:
    mount = f"--volume={policies}:/etc/seawall/policies:ro"
    check = ["check", "--strict", "--upstream=http://127.0.0.1:3000"]

    done = engine("run", "--rm", "--network=none", *LOCKED, mount, IMAGE, *check)

    assert 0 == done.returncode


def test_told_to_stop_it_is_not_ready_finishes_what_is_in_flight_and_ends_well(policies: Path) -> None:
    arrived, may_answer, answers = Event(), Event(), list[int]()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            arrived.set()
            may_answer.wait(PATIENCE)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as upstream:
        Thread(target=upstream.serve_forever).start()
        with container(policies, upstream.server_port) as made:
            client = Thread(target=lambda: answers.append(made.get("/").status))
            client.start()
            assert arrived.wait(PATIENCE)
            engine("kill", "--signal=TERM", made.name)
            made.until("/readyz", 503)
            may_answer.set()
            client.join(PATIENCE)
            assert "0" == engine("wait", made.name).stdout.strip()
            assert "draining: 1 in flight" in made.log()
        upstream.shutdown()
    assert [200] == answers


def test_policies_that_the_kubelet_swaps_are_live_without_a_restart(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)  # as the kubelet's own folder is
    kubelet_volume(tmp_path, app=POLICIES.format(revision="one"))
    with container(tmp_path) as made:
        assert "one" == made.get("/").headers["X-Revision"]
        kubelet_volume(tmp_path, app=POLICIES.format(revision="two"))
        ends = time.monotonic() + PATIENCE
        while "two" != made.get("/").headers["X-Revision"] and time.monotonic() < ends:
            time.sleep(0.02)

        assert "two" == made.get("/").headers["X-Revision"]
        assert 1 == made.log().count("listening on")
