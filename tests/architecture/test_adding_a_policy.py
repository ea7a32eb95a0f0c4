"""The proof of the structure: a policy is one file and one line, and then it is everywhere."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from pathlib import Path

import httpx
import pytest

from tests.app.seawall import ROOT, seawall
from tests.wire.harness import Echo, RawUpstream

NEW = '''\
"""Refuse what comes from a tea pot.

A request whose User-Agent has `word` in it gets 418. There is no state.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from proxy.config.schema import PolicyConfig
from proxy.errors import Rejection
from proxy.exchange import Exchange
from proxy.policy import Services

TEA_POT = (418, "tea_pot.refused", "No coffee here.")
REASONS = (TEA_POT,)
EXAMPLE = "tea_pot: {word: kettle}"


class TeaPotConfig(PolicyConfig, frozen=True, kw_only=True):
    """What a tea pot is."""

    word: Annotated[str, Meta(description="What gives a tea pot away.")] = "teapot"


class TeaPot:
    def __init__(self, config: TeaPotConfig, services: Services) -> None:
        self._word = config.word

    def on_request(self, exchange: Exchange) -> None:
        if self._word in (exchange.request.headers.get("User-Agent") or ""):
            raise Rejection(*TEA_POT)
'''
LINE = '    PolicyType("tea_pot", TeaPotConfig, TeaPot),\n'
POLICIES = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:{port}"}}}}
routes:
  - name: all
    match: {{path: "/**"}}
    policies:
      tea_pot: {{word: kettle}}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of the package with one file and one line more."""
    shutil.copytree(ROOT / "proxy", tmp_path / "proxy", ignore=shutil.ignore_patterns("__pycache__"))
    phase = tmp_path / "proxy" / "policies" / "admission"
    (phase / "tea_pot.py").write_text(NEW)
    table = (phase / "__init__.py").read_text()
    where = "ADMISSION: tuple[AnyPolicyType, ...] = (\n"
    assert where in table
    imported = "from proxy.policies.admission.tea_pot import TeaPot, TeaPotConfig\nfrom proxy.policy import"
    table = table.replace("from proxy.policy import", imported, 1)
    (phase / "__init__.py").write_text(table.replace(where, where + LINE, 1))
    return tmp_path


async def command(source: Path, *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", *words, cwd=source, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert 0 == process.returncode
    return out.decode()


async def test_one_file_and_one_line_make_a_policy(source: Path) -> None:
    policies = source / "policies.yaml"
    async with RawUpstream(Echo()) as upstream:
        policies.write_text(POLICIES.format(port=upstream.port))
        schema = json.loads(await command(source, "schema"))
        await command(source, "docs", "--out", str(source / "docs"))
        effective = await command(source, "effective", "--policies", str(policies))
        async with seawall(policies, source=source) as running, httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{running.data}/"
            refused = await client.get(url, headers={"User-Agent": "kettle/1"})
            passed = await client.get(url)
            metrics = (await client.get(f"http://127.0.0.1:{running.status}/metrics")).text

    assert "What gives a tea pot away." in json.dumps(schema)
    assert "`tea_pot.refused`" in (source / "docs" / "tea_pot.md").read_text()
    assert "kettle" in effective
    assert "policies.yaml:7" in effective
    assert (418, "tea_pot.refused") == (refused.status_code, refused.json()["reason"])
    assert 200 == passed.status_code
    assert 'seawall_refusals_total{mode="enforce",reason="tea_pot.refused",route="all"} 1.0' in metrics
