"""The systemd unit and the compose file, as far as they can be judged without systemd and an engine."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from proxy.cli.run import run
from proxy.config.units import Duration
from tests.app.seawall import seawall

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "seawall.service"
COMPOSE = ROOT / "deploy" / "compose.yaml"
ANALYZE = shutil.which("systemd-analyze")
needs_analyze = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
_PR_SET_MDWE, _REFUSE_EXEC_GAIN = 65, 1

POLICIES = 'version: 1\nroutes: [{name: all, match: {path: "/**"}}]\n'


def settings(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for line in settings("Environment") for pair in line.split())


def analyze(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """systemd-analyze wants the program of the unit to be there."""
    unit = tmp_path / "seawall.service"
    unit.write_text(UNIT.read_text().replace("/opt/seawall/bin/seawall", "/bin/true"))
    return subprocess.run([ANALYZE or "", *arguments, str(unit)], text=True, capture_output=True, check=False)


@needs_analyze
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    done = analyze(tmp_path, "verify", "--man=no")

    assert (0, "") == (done.returncode, done.stdout + done.stderr)


@needs_analyze
def test_systemd_finds_the_unit_well_locked_up(tmp_path: Path) -> None:
    done = analyze(tmp_path, "security", "--offline=true", "--threshold=15", "--no-pager")
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze judges loaded units only")

    assert 0 == done.returncode, done.stdout


def test_the_unit_says_what_run_knows_and_what_the_image_says() -> None:
    known = {parameter.envvar for parameter in run.params if isinstance(parameter, click.Option)}
    told = environment()
    image = (ROOT / "Dockerfile").read_text()

    assert {name for name in told if name.startswith("SEAWALL_")} <= known
    assert [] == [
        f"{name}={value}"
        for name, value in told.items()
        if name.startswith(("MALLOC_", "PYTHON")) and f"{name}={value}" not in image
    ]
    assert 4 == len([name for name in told if name.startswith("MALLOC_")])


def test_policies_that_are_repaired_are_enough_for_it_to_start_whenever_that_is() -> None:
    """With five starts in ten seconds, which is systemd's own limit, it would be given up."""
    assert (["always"], ["0"]) == (settings("Restart"), settings("StartLimitIntervalSec"))


def test_it_needs_no_program_beside_its_own_but_a_shell() -> None:
    programs = [command.split()[0] for key in ("ExecStart", "ExecReload") for command in settings(key)]

    assert ["/opt/seawall/bin/seawall", "/bin/sh"] == programs


def test_systemd_waits_for_the_drain() -> None:
    (patience,) = settings("TimeoutStopSec")

    assert int(patience) >= Duration.parse(environment()["SEAWALL_DRAIN"]) + 5


async def test_it_runs_where_memory_is_never_writable_and_executable(tmp_path: Path) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text(POLICIES)
    child = os.fork()
    if child == 0:
        os._exit(ctypes.CDLL(None).prctl(_PR_SET_MDWE, _REFUSE_EXEC_GAIN, 0, 0, 0) != 0)
    if os.waitpid(child, 0)[1]:
        pytest.skip("this kernel cannot refuse it (6.3 can)")

    async with seawall(
        policies, "--upstream", "http://127.0.0.1:9", module="tests.machinery.locked_up"
    ) as running:
        assert running.data


def compose() -> dict[str, Any]:
    loaded = yaml.safe_load(COMPOSE.read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_the_application_is_reached_by_seawall_alone() -> None:
    services, networks = compose()["services"], compose()["networks"]

    assert "ports" not in services["app"]
    assert ["behind"] == services["app"]["networks"]
    assert networks["behind"] == {"internal": True}
    assert {"outside", "behind"} == set(services["seawall"]["networks"])


def test_seawall_has_no_more_than_it_needs() -> None:
    locked = compose()["services"]["seawall"]

    assert ("10001:10001", True, ["ALL"], ["no-new-privileges:true"]) == (
        locked["user"],
        locked["read_only"],
        locked["cap_drop"],
        locked["security_opt"],
    )
    assert "tmpfs" not in locked


def test_compose_says_what_run_knows_and_waits_for_the_drain() -> None:
    locked = compose()["services"]["seawall"]
    known = {parameter.envvar for parameter in run.params if isinstance(parameter, click.Option)}
    drain = next(parameter for parameter in run.params if parameter.name == "drain")

    assert set(locked["environment"]) <= known
    assert Duration.parse(locked["stop_grace_period"]) >= Duration.parse(drain.default) + 5


def test_the_policies_are_a_folder_where_the_image_looks_for_them() -> None:
    (mount,) = compose()["services"]["seawall"]["volumes"]

    assert mount.endswith(":/etc/seawall/policies:ro")
    assert "SEAWALL_POLICIES=/etc/seawall/policies" in (ROOT / "Dockerfile").read_text()


def test_metrics_are_for_this_machine_only() -> None:
    assert ["${PORT:-8080}:8080", "127.0.0.1:9902:9902"] == compose()["services"]["seawall"]["ports"]
