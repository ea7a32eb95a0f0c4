"""The page about tests tells the truth: its policies, commands and outputs are tried."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import Struct

from proxy.cli import main
from proxy.config.expectations import Expectation, UpstreamRequest
from proxy.config.rehearsals import ParallelRequest, PolicyTest, RehearsalSecrets, Step
from proxy.config.simulated import SimulatedAnswer, SimulatedRequest

PAGE = (Path(__file__).parents[2] / "docs" / "testing-policies.md").read_text(encoding="utf-8")
POLICIES, *STEPS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = re.findall(r"^\$ seawall (test .*?)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


SURROUNDINGS = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:3000"}}
defaults: {forwarded: {}, timeout: {response: 5s}}
routes:
  - {name: report, match: {path: /report}, policies: {concurrency: {max: 15}}}
  - name: orders
    match: {path: "/orders/**"}
    policies: {retry: {max_retries: 1, classes: {server_error: {status: [503]}}}}
tests:
  - name: as on the page
    steps:
"""


def output(command: str, text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    (folder / "hooks.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(folder)
    done = CliRunner().invoke(main, command.split(), env={})
    return done.exit_code, done.output


def test_what_passes_passes_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command, shown = SHOWN[0]

    assert (0, shown) == output(command, POLICIES, tmp_path, monkeypatch)


def test_what_fails_fails_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command, shown = SHOWN[1]

    assert (1, shown) == output(command, POLICIES.replace("burst: 10", "burst: 5"), tmp_path, monkeypatch)


@pytest.mark.parametrize("steps", STEPS, ids=["counts", "different requests", "what arrives"])
def test_steps_go_as_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: str) -> None:
    exit_code, said = output("test hooks.yaml", SURROUNDINGS + steps, tmp_path, monkeypatch)

    assert 0 == exit_code, said


@pytest.mark.parametrize(
    "struct",
    [
        PolicyTest,
        Step,
        ParallelRequest,
        SimulatedRequest,
        SimulatedAnswer,
        Expectation,
        UpstreamRequest,
        RehearsalSecrets,
    ],
    ids=lambda struct: struct.__name__,
)
def test_every_key_is_told(struct: type[Struct]) -> None:
    assert [] == [key for key in struct.__struct_fields__ if not re.search(rf"`{key}\b", PAGE)]
