"""The image, as far as it can be judged without an engine to build it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import click
import pytest

from proxy import __version__
from proxy.cli.run import run

ROOT = Path(__file__).parents[2]
BESIDE_PYTHON = str(Path(sys.executable).parent)
HADOLINT = shutil.which("hadolint", path=os.pathsep.join((BESIDE_PYTHON, os.environ.get("PATH", ""))))


def instructions() -> list[tuple[str, str]]:
    """Each instruction and its argument, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines if line.strip()]


def final_stage() -> list[tuple[str, str]]:
    steps = instructions()
    last = max(place for place, (name, _) in enumerate(steps) if name == "FROM")
    return steps[last:]


def the(name: str) -> str:
    """The argument of the final stage's last `name`."""
    return [argument for step, argument in final_stage() if step == name][-1]


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed")
def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run([HADOLINT or "", ROOT / "Dockerfile"], text=True, capture_output=True, check=False)

    assert ("", 0) == (done.stdout, done.returncode)


def test_it_runs_as_a_numbered_user_that_is_not_root() -> None:
    assert "10001:10001" == the("USER")


def test_it_starts_the_command_that_the_package_installs() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

    assert (["seawall"], ["run"]) == (json.loads(the("ENTRYPOINT")), json.loads(the("CMD")))
    assert "seawall" in scripts


def test_the_final_stage_installs_nothing_and_has_no_pip() -> None:
    runs = " ".join(argument for step, argument in final_stage() if step == "RUN")

    assert not re.search(r"pip install|pip wheel|apt|curl|gcc", runs)
    assert "pip uninstall --yes" in runs
    assert "import ensurepip" in runs


def test_what_the_final_stage_takes_away_is_what_python_can_unpack_pip_from() -> None:
    removed = re.search(r'rm -r "\$\(python -c \'(.*?)\'\)"', the("RUN"))
    assert removed is not None

    done = subprocess.run(
        [sys.executable, "-c", removed[1]], text=True, capture_output=True, check=False
    ).stdout.strip()

    assert ("ensurepip", True) == (Path(done).name, (Path(done) / "__main__.py").exists())


def test_both_stages_stand_on_one_base_which_may_be_given_by_its_digest() -> None:
    before = next(argument for step, argument in instructions() if step == "ARG")
    stages = [argument.split()[0] for step, argument in instructions() if step == "FROM"]

    assert re.fullmatch(r"BASE=python:3\.\d+-slim", before)
    assert ["${BASE}"] * 2 == stages


def test_labels_say_what_it_is_and_what_it_was_made_of() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.([a-z.]+)="([^"]*)"', the("LABEL")))
    arguments = {argument.partition("=")[0] for step, argument in final_stage() if step == "ARG"}

    assert {"Seawall", "Apache-2.0"} == {labels["title"], labels["licenses"]}
    assert labels["description"]
    assert {"version": "VERSION", "revision": "REVISION", "base.name": "BASE"} == {
        name: value.strip("${}") for name, value in labels.items() if value.startswith("$")
    }
    assert {"VERSION", "REVISION", "BASE"} <= arguments
    assert f'VERSION="{__version__}"' in [argument for step, argument in final_stage() if step == "ARG"]


def test_no_stage_writes_down_the_day_of_building_where_another_one_is_given() -> None:
    stages = "\n".join(" ".join(step) for step in instructions()).split("FROM ")[1:]

    assert [True, True] == ["ARG SOURCE_DATE_EPOCH" in stage for stage in stages]


def test_pythons_own_library_is_compiled_once_for_all_in_the_final_stage() -> None:
    commands = the("RUN").split(" && ")
    (compiling,) = [command for command in commands if "compileall" in command]

    assert "PYTHONDONTWRITEBYTECODE=1" in commands[0]
    assert "--invalidation-mode unchecked-hash" in compiling
    folder = re.search(r"python -c '(.*?)'", compiling)
    assert folder is not None
    done = subprocess.run([sys.executable, "-c", folder[1]], text=True, capture_output=True, check=True)
    assert Path(os.__file__).parent == Path(done.stdout.strip())


def test_dependencies_come_from_the_lock_and_are_checked_by_hash() -> None:
    built = next(argument for step, argument in instructions() if step == "RUN")

    assert "--require-hashes" in built
    assert "-r requirements.lock" in built


def test_every_port_and_the_policies_have_their_place() -> None:
    environment = the("ENV")

    assert "8080 9902" == the("EXPOSE")
    for setting in (
        "SEAWALL_POLICIES=/etc/seawall/policies",
        "SEAWALL_LISTEN=0.0.0.0:8080",
        "SEAWALL_STATUS=0.0.0.0:9902",
        "MALLOC_ARENA_MAX=2",
        "MALLOC_MMAP_THRESHOLD_=",
        "MALLOC_TRIM_THRESHOLD_=",
        "MALLOC_TOP_PAD_=",
    ):
        assert setting in environment


def test_every_setting_of_seawall_is_one_that_run_knows() -> None:
    known = {parameter.envvar for parameter in run.params if isinstance(parameter, click.Option)}

    assert set(re.findall(r"(SEAWALL_\w+)=", the("ENV"))) <= known


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}

    copied = {
        source.rstrip("/")
        for step, argument in instructions()
        if step == "COPY" and "--from" not in argument
        for source in argument.split()[:-1]
    }

    assert copied == kept
    assert [] == [source for source in copied if not (ROOT / source).exists()]


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_asks_whether_it_lives(status: int, healthy: bool) -> None:
    with status_port(status) as (port, asked):
        done = health_check(port)

    assert (healthy, ["/livez"]) == (done.returncode == 0, asked)


def test_the_health_check_fails_where_nothing_answers() -> None:
    with status_port(200) as (port, _):
        pass

    assert 0 != health_check(port).returncode


def health_check(port: int) -> subprocess.CompletedProcess[bytes]:
    command = json.loads(the("HEALTHCHECK").partition(" CMD ")[2])
    assert "python" == command[0]
    script = [part.replace("9902", str(port)) for part in command[1:]]
    return subprocess.run([sys.executable, *script], capture_output=True, check=False)


@contextmanager
def status_port(status: int) -> Iterator[tuple[int, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()
