"""The audit log of a running Seawall: what is in it, and what happens when its disk is full."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.seawall import Seawall, seawall, start
from tests.wire.harness import Echo, RawUpstream

POLICIES = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:{port}"}}}}
log: {{redact: [path.id]}}
routes:
  - name: reports
    match: {{path: "/reports/{{id}}"}}
    policies:
      basic_auth: {{credentials: [{{env: AUDITED}}]}}
  - name: open
    match: {{path: /open}}
"""
JOE = ("joe", "hunter2")


@pytest.fixture
async def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AUDITED", ":".join(JOE))
    async with RawUpstream(Echo()) as upstream:
        file = tmp_path / "a.yaml"
        file.write_text(POLICIES.format(port=upstream.port))
        yield file


def lines(*paths: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def client(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)


async def stopped(running: Seawall) -> None:
    running.signal(signal.SIGTERM)
    assert 0 == await running.exit_code(), running.log


async def test_requests_changes_and_the_process_are_told_of(policies: Path, tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    async with (
        seawall(policies, "--audit-log", str(path), "--watch", "off") as running,
        client(running.data) as data,
        client(running.admin) as admin,
    ):
        await data.get("/reports/7?q=hunter2", auth=JOE)
        await data.get("/reports/7", auth=("joe", "wrong-hunter2"))
        await data.get("/open")
        await data.get("/nowhere")
        await admin.post("/api/reload")
        await admin.post("/api/reload", headers={"Origin": "https://evil.example"})
        policies.write_text(policies.read_text() + "routs: []\n")
        await admin.post("/api/reload")
        await stopped(running)
    told = lines(path)

    assert [
        ("process", "allowed", None),
        ("policies", "allowed", None),
        ("request", "allowed", None),
        ("request", "refused", "basic_auth.invalid"),
        ("request", "refused", "route.none"),
        ("policies", "allowed", None),
        ("admin", "allowed", None),
        ("admin", "refused", "admin.origin"),
        ("policies", "refused", None),
        ("admin", "refused", "config.refused"),
        ("process", "allowed", None),
    ] == [(line["kind"], line["decision"], line.get("reason")) for line in told]
    assert ("/reports/***", {"id": "joe", "method": "basic_auth"}) == (told[2]["path"], told[2]["identity"])
    assert "hunter2" not in path.read_text()


async def test_what_cannot_be_audited_does_not_happen(policies: Path) -> None:
    arguments = ["--audit-log", "/dev/full", "--watch", "off"]
    async with (
        seawall(policies, *arguments) as running,
        client(running.data) as data,
        client(running.admin) as admin,
    ):
        await running.said("audit log /dev/full: No space left on device; requests are refused")
        answers = [await data.get(path, auth=JOE) for path in ("/reports/7", "/open")]
        change = await admin.post("/api/reload")
        ready, health = await admin.get("/readyz"), await admin.get("/healthz")
        metrics = (await admin.get("/metrics")).text

    assert [(503, "audit.unavailable", "5")] * 2 == [
        (each.status_code, each.json()["reason"], each.headers["Retry-After"]) for each in answers
    ]
    assert (503, "audit.unavailable") == (change.status_code, change.json()["reason"])
    assert (503, "not ready: audit log\n") == (ready.status_code, ready.text)
    assert "No space left on device" == health.json()["audit_log_error"]
    assert "seawall_audit_log_failing 1.0" in metrics
    assert 1 == sum("No space left" in line for line in running.log)


async def test_lines_may_be_dropped_instead_and_are_counted(policies: Path) -> None:
    arguments = ["--audit-log", "/dev/full", "--audit-on-failure", "drop"]
    async with (
        seawall(policies, *arguments) as running,
        client(running.data) as data,
        client(running.admin) as admin,
    ):
        await running.said("audit log /dev/full: No space left on device; its lines are lost")
        answer = await data.get("/reports/7", auth=JOE)
        ready = await admin.get("/readyz")
        metrics = (await admin.get("/metrics")).text
        await stopped(running)

    assert (200, 200) == (answer.status_code, ready.status_code)
    assert any(line.startswith("seawall_audit_log_dropped_total 2.0") for line in metrics.splitlines())
    assert any("audit log: " in line and "lines were lost" in line for line in running.log)


async def test_it_goes_on_when_the_disk_has_room_again_and_nothing_is_missing(
    policies: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "audit"
    folder.mkdir()
    path = folder / "audit.log"
    async with (
        seawall(policies, "--audit-log", str(path), "--watch", "off") as running,
        client(running.data) as data,
    ):
        await until(lambda: path.exists() and len(lines(path)) == 2)
        folder.rename(tmp_path / "away")
        await data.get("/reports/7", auth=JOE)  # nobody knows yet
        await running.said("No such file or directory; requests are refused")
        refused = await data.get("/reports/7", auth=JOE)
        folder.mkdir()
        await running.said("it is written again; 0 lines were lost")
        again = await data.get("/reports/7", auth=JOE)
        await stopped(running)

    assert (503, 200) == (refused.status_code, again.status_code)
    assert ["request", "request", "process"] == [line["kind"] for line in lines(path)]


async def test_under_load_files_rotate_and_no_line_is_missing(policies: Path, tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    arguments = [
        "--audit-log",
        str(path),
        "--audit-max-size",
        "20KB",
        "--audit-keep",
        "100",
        "--access-log",
        "off",
    ]
    ids: list[str] = []
    async with seawall(policies, *arguments) as running, client(running.data) as data:

        async def ask(number: int) -> None:
            for _ in range(50):
                answer = await data.get(f"/reports/{number}", auth=("joe", "wrong"))
                ids.append(answer.json()["instance"].rpartition(":")[2])

        await asyncio.gather(*map(ask, range(8)))
        await stopped(running)
    files = sorted(tmp_path.glob("audit.log*"))
    told = [line for line in lines(*files) if line["kind"] == "request"]

    assert sorted(ids) == sorted(line["decision_id"] for line in told)
    assert len(files) > 2


async def test_a_process_that_is_killed_loses_the_last_moment_and_no_line_before_it(
    policies: Path, tmp_path: Path
) -> None:
    path = tmp_path / "audit.log"
    async with seawall(policies, "--audit-log", str(path)) as running, client(running.data) as data:
        for number in range(50):
            await data.get(f"/reports/{number}", auth=JOE)
        await until(lambda: path.read_bytes().count(b"\n") == 52)  # nobody asked for that but the clock
        for number in range(50):
            await data.get(f"/reports/{number}", auth=JOE)
        running.signal(signal.SIGKILL)
        await running.exit_code()
    written = path.read_bytes()

    whole, _, begun = written.rpartition(b"\n")
    kinds = [json.loads(line)["kind"] for line in whole.splitlines()]
    assert (b"", ["process", "policies", *["request"] * 50]) == (begun, kinds[:52])
    async with seawall(policies, "--audit-log", str(path)) as running:
        await stopped(running)
    assert written == path.read_bytes()[: len(written)]
    assert ["process", "policies", "process"] == [line["kind"] for line in lines(path)[len(kinds) :]]


async def test_logrotate_may_move_the_file(policies: Path, tmp_path: Path) -> None:
    path, moved = tmp_path / "audit.log", tmp_path / "moved"
    async with (
        seawall(policies, "--audit-log", str(path), "--watch", "off") as running,
        client(running.data) as data,
    ):
        await until(lambda: path.exists() and len(lines(path)) == 2)
        path.rename(moved)
        running.signal(signal.SIGHUP)
        await data.get("/reports/7", auth=JOE)
        await until(lambda: path.exists() and any(line["kind"] == "request" for line in lines(path)))

    assert ["process", "policies"] == [line["kind"] for line in lines(moved)]


async def test_standard_output_takes_both_logs_line_by_line(policies: Path, tmp_path: Path) -> None:
    out = tmp_path / "stdout"
    with out.open("wb") as stdout:
        async with (
            seawall(policies, "--audit-log", "-", stdout=stdout) as running,
            client(running.data) as data,
        ):
            await asyncio.gather(*(data.get("/reports/7", auth=JOE) for _ in range(50)))
            await stopped(running)
    told = lines(out)

    assert (50, 50) == (
        sum(line.get("kind") == "request" for line in told),
        sum("kind" not in line for line in told),
    )


async def test_a_file_that_cannot_be_opened_is_wrong_usage(policies: Path, tmp_path: Path) -> None:
    path = os.fspath(tmp_path / "no" / "audit.log")
    process = await start("--policies", str(policies), "--audit-log", path)
    _, said = await process.communicate()

    assert (2, f"seawall: cannot write the audit log {path}: No such file or directory\n") == (
        process.returncode,
        said.decode(),
    )
