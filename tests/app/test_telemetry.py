"""Metrics and logs of a proxy, and how they follow the files that are live."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.app.proxy import Proxy, read_policies
from proxy.app.settings import Settings
from proxy.errors import ConfigError
from tests.app.served import POLICIES, served
from tests.app.trial import Files
from tests.wire.harness import RawUpstream, until


async def test_with_an_access_log_every_exchange_is_a_line(
    files: Files, upstream: RawUpstream, capfd: pytest.CaptureFixture[str]
) -> None:
    async with served(files, upstream, access_log=True) as running:
        await running.get("/app/logged")

    assert '"/app/logged"' in capfd.readouterr().out


async def test_counts_go_on(files: Files, upstream: RawUpstream) -> None:
    async with served(files, upstream) as running:
        await running.get()
        running.edit("Revision: one", "Revision: two")
        await running.proxy.reload()
        await running.get()
        await until(lambda: running.proxy.in_flight == 0)

        counted = 'http_requests_total{endpoint="/app/**",method="GET",status="200"}'
        assert "2.0" == running.metrics()[f"seawall_{counted}"]
        running.edit("routes:", "metrics: {namespace: shop}\nroutes:")
        await running.proxy.reload()
        assert "2.0" == running.metrics()[f"shop_{counted}"]


async def test_files_that_go_live_and_files_that_are_refused_are_audited(
    files: Files, tmp_path: Path
) -> None:
    files.write(POLICIES.format(port=1))
    settings = Settings(files.folder, access_log=False, audit_log=str(tmp_path / "audit"))
    proxy = Proxy(settings, read_policies(settings))
    revision = proxy.configuration.revision
    files.write("version: 1\nnonsense: here\n")
    with pytest.raises(ConfigError):
        await proxy.reload()
    metrics = proxy.metrics("")[0].decode()
    await proxy.close()

    lines = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
    assert [
        ("process", "start", "allowed", None),
        ("policies", None, "allowed", revision),
        ("policies", None, "refused", revision),
        ("process", "stop", "allowed", None),
    ] == [(each["kind"], each.get("what"), each["decision"], each.get("revision")) for each in lines]
    assert "seawall_audit_log_failing 0.0" in metrics


async def test_what_is_to_be_hidden_moves_with_the_file(
    files: Files, upstream: RawUpstream, capfd: pytest.CaptureFixture[str]
) -> None:
    async with served(files, upstream, access_log=True) as running:
        await running.get("/app/x?colour=green1")
        running.edit("routes:", 'log: {redact: ["query:colour"]}\nroutes:')
        await running.proxy.reload()
        await running.get("/app/x?colour=blue2")
        await until(lambda: running.proxy.in_flight == 0)

    written = capfd.readouterr().out
    assert ("green1" in written, "blue2" in written) == (True, False)
