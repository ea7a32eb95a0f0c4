"""The page about `seawall explain` tells the truth: its commands are tried on its policies."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path
from typing import get_args

import httpx
import pytest
from click.testing import CliRunner

from proxy.cli import main
from proxy.telemetry.stages import Fate
from tests.app.seawall import seawall

PAGE = (Path(__file__).parents[2] / "docs" / "explain.md").read_text(encoding="utf-8")
(POLICIES,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = re.findall(r"^\$ seawall (explain .*?)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
OURSELVES = [command for command, _ in SHOWN if "--policies" in command]

_VARYING = {
    r"\b[0-9a-f]{32}\b": "REQUEST",
    r"\b[0-9a-f]{10}-[0-9a-f]+\b": "DECISION",
    r"\d{4}-\d\d-\d\dT[\d:.]+Z": "TIME",
    r"revision [0-9a-f]{12}": "revision",
    r"Content-Length: 2\d\d": "Content-Length",  # the decision id is in the body, and grows
    r", or .* later": ", or a while later",
}


def steady(output: str) -> str:
    """Without what is another one each time."""
    for pattern, word in _VARYING.items():
        output = re.sub(pattern, word, output)
    return output


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands of the page are given."""
    (tmp_path / "order.json").write_bytes(b"x" * 6000)
    (tmp_path / "shop.yaml").write_text(POLICIES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", OURSELVES)
def test_a_request_is_explained_as_shown(command: str, folder: Path) -> None:
    del folder
    done = CliRunner().invoke(main, command.split(), env={})

    assert (0, steady(dict(SHOWN)[command])) == (done.exit_code, steady(done.output))


async def test_a_decision_is_explained_as_shown(folder: Path) -> None:
    ((_, shown),) = (each for each in SHOWN if each[0] not in OURSELVES)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = str(taken.getsockname()[1])
    (folder / "shop.yaml").write_text(POLICIES.replace("3000", closed), encoding="utf-8")

    async with seawall(folder / "shop.yaml") as running, httpx.AsyncClient() as client:
        for _ in range(3):
            refused = await client.put(f"http://127.0.0.1:{running.data}/orders/7", content=b"{}")
        command = ["explain", refused.json()["decision_id"], "--admin", f"127.0.0.1:{running.admin}"]
        done = await asyncio.to_thread(CliRunner().invoke, main, command, env={})

    assert (0, steady(shown)) == (done.exit_code, steady(done.output.replace(f"{folder}/", "")))


def test_every_outcome_is_told() -> None:
    told = re.findall(r"`([a-z ]+)`", "".join(re.findall(r"^\|(.*?)\|", PAGE, re.MULTILINE)))

    assert set(get_args(Fate)) == set(told)
