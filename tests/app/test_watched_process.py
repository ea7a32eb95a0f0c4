"""A real process whose files are edited: live without a signal, and told wherever operators look."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from proxy.app import process
from proxy.app.mounts import Mount
from proxy.config.inputs import Inputs
from tests.app.seawall import POLICIES, ROOT, seawall
from tests.wire.harness import PATIENCE


def edit(policies: Path, old: str, new: str) -> None:
    draft = policies.with_name(".draft")
    draft.write_text(policies.read_text().replace(old, new))
    draft.replace(policies)


async def get(port: int, path: str = "/") -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}")


@pytest.mark.parametrize("mode", ["auto", "poll"])
async def test_an_edit_is_live_without_a_signal_and_told_in_words(policies: Path, mode: str) -> None:
    async with seawall(policies, "--watch", mode) as running:
        edit(policies, "Revision: one", "Revision: two")
        said = await running.said(r"revision \w+ is live: (.*)")
        answer = await get(running.data)
        told = (await get(running.admin, "/api/revision")).json()

    assert ("two", "X-Revision" in said[1]) == (answer.headers["X-Revision"], True)
    assert (True, [said[1]]) == (told["last_reload"]["ok"], told["last_change"])


async def test_a_bad_edit_changes_nothing_and_a_good_one_mends_it(policies: Path) -> None:
    async with seawall(policies) as running:
        edit(policies, "security_headers", "securty_headers")
        await running.said("the old policies stay")
        told = await running.said("did you mean `security_headers`")
        answer, metrics = await get(running.data), await get(running.status, "/metrics")
        health = (await get(running.admin, "/healthz")).json()
        edit(policies, "securty_headers", "security_headers")
        await running.said("as before; its files are fine again")
        mended = (await get(running.admin, "/healthz")).json()

    assert (200, "one") == (answer.status_code, answer.headers["X-Revision"])
    assert "seawall_config_last_reload_success 0.0" in metrics.text
    assert told.string.strip() in health["last_reload"]["problems"][0]
    assert (False, True) == (health["last_reload"]["ok"], mended["last_reload"]["ok"])


async def test_off_waits_to_be_asked(policies: Path) -> None:
    async with seawall(policies, "--watch", "off") as running:
        edit(policies, "Revision: one", "Revision: two")
        told = (await get(running.admin, "/api/revision")).json()

    assert ("off", True) == (told["watching"], told["last_reload"]["ok"])


class Damage(NamedTuple):
    """What happens to `policies`, the folder, or to the file `a.yaml` in it."""

    do: Callable[[Path], object]
    says: str
    undo: Callable[[Path], object]


def half(folder: Path) -> None:
    text = (folder / "a.yaml").read_text()
    (folder / "a.yaml").write_text(text[: text.index("X-Revision")])


def to_a_file(folder: Path) -> None:
    folder.rename(folder.with_name("aside"))
    folder.write_text("no folder")


def back_to_a_folder(folder: Path) -> None:
    folder.unlink()
    folder.with_name("aside").rename(folder)


def mend(folder: Path) -> None:
    (folder / "a.yaml").unlink(missing_ok=True)
    (folder / "a.yaml").write_text((folder / "kept").read_text())


DAMAGES = [
    pytest.param(Damage(half, "this is not YAML", mend), id="half a file"),
    pytest.param(Damage(lambda folder: (folder / "a.yaml").unlink(), "no policy file", mend), id="no file"),
    pytest.param(
        Damage(
            lambda folder: (folder / "a.yaml").chmod(0),
            "Permission denied",
            lambda folder: (folder / "a.yaml").chmod(0o600),
        ),
        id="a file that may not be read",
    ),
    pytest.param(
        Damage(lambda folder: folder.chmod(0), "Permission denied", lambda folder: folder.chmod(0o700)),
        id="a folder that may not be entered",
    ),
    pytest.param(
        Damage(
            lambda folder: folder.rename(folder.with_name("aside")),
            "No such file",
            lambda folder: folder.with_name("aside").rename(folder),
        ),
        id="no folder",
    ),
    pytest.param(Damage(to_a_file, "a mapping", back_to_a_folder), id="a file in place of the folder"),
    pytest.param(
        Damage(
            lambda folder: os.mkfifo(folder / "b.yaml"),
            "regular",
            lambda folder: (folder / "b.yaml").unlink(),
        ),
        id="a pipe that nobody writes to",
    ),
]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_whatever_happens_on_disk_the_last_good_revision_serves_and_four_places_say_so(
    policies: Path, tmp_path: Path, damage: Damage
) -> None:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "a.yaml").write_text(policies.read_text())
    (folder / "kept").write_text(policies.read_text())
    async with seawall(folder) as running:
        damage.do(folder)
        try:
            logged = await running.said(damage.says)
            answer, metrics = await get(running.data), await get(running.status, "/metrics")
            health, ready = await get(running.admin, "/healthz"), await get(running.status, "/readyz")
            status = await status_of(running.admin)
        finally:
            damage.undo(folder)
        await running.said("as before; its files are fine again")
        mended = await get(running.status, "/metrics"), await status_of(running.admin)

    assert ((200, "one"), 200) == ((answer.status_code, answer.headers["X-Revision"]), ready.status_code)
    assert "seawall_config_last_reload_success 0.0" in metrics.text
    assert damage.says in health.json()["last_reload"]["problems"][0]
    assert (1, True, True) == (status[0], "REFUSED" in status[1], logged.string.strip() in status[1])
    assert "seawall_config_last_reload_success 1.0" in mended[0].text
    assert 0 == mended[1][0]


async def status_of(admin: int) -> tuple[int | None, str]:
    """Exit code and words of `seawall status`."""
    asking = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", "status", "--admin", f"127.0.0.1:{admin}",
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    said, _ = await asking.communicate()
    return asking.returncode, said.decode()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a full disk to write to")
async def test_a_full_disk_under_both_logs_stops_no_reload(policies: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Path("/dev/full").open("wb") as full:
        ports = ("--listen", f"unix:{data}", "--status", "127.0.0.1:0", "--admin", "127.0.0.1:0")
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "proxy", "run", "--policies", str(policies), *ports,
            stdout=full, stderr=full, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    try:
        transport = httpx.AsyncHTTPTransport(uds=str(data))
        async with httpx.AsyncClient(transport=transport) as client, asyncio.timeout(PATIENCE * 2):
            for revision in ("one", "two", "three"):
                policies.write_text(POLICIES.format(port=1).replace("Revision: one", f"Revision: {revision}"))
                while await _revision(client) != revision:
                    await asyncio.sleep(0.02)
    finally:
        running.kill()
        await running.wait()


async def _revision(client: httpx.AsyncClient) -> str:
    """Of any answer: there is no upstream."""
    try:
        return (await client.get("http://seawall/")).headers.get("X-Revision", "")
    except httpx.TransportError:
        return ""


def test_a_mount_that_never_changes_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("version: 1")
    root = "/var/lib/kubelet/pods/1/volumes/x/..2026_01_31_12_00_00.1/sub"
    monkeypatch.setattr(process, "mounts", lambda: [Mount(tmp_path, root, "ext4")])

    process._warn_of_mounts(Inputs(tmp_path, tmp_path / "a.yaml", tmp_path / "b.yaml"))

    assert [True] == ["subPath" in message for message in caplog.messages]
