"""The page about the load test tells the truth: its commands are given, for a shorter time than it shows."""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench.load_test import parse
from tests.app.seawall import PATIENCE, ROOT, Seawall, seawall

PAGE = (ROOT / "docs" / "load-test.md").read_text(encoding="utf-8")
(POLICIES,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHOWN = re.findall(r"^\$ python -m bench.load_test (.*?)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@asynccontextmanager
async def help_desk(folder: Path, *, limited: bool) -> AsyncIterator[Seawall]:
    """The application with Seawall in front, as the page starts them, on ports that are free."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    app = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "examples" / "legacy" / "app.py"), "--port", str(port),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    policies = POLICIES.replace("3000", str(port))
    if not limited:
        policies = policies.replace("{limit: 100/min, burst: 10%}", "1000/s")
    (folder / "desk.yaml").write_text(policies, encoding="utf-8")
    try:
        async with asyncio.timeout(PATIENCE):
            while not await accepts(port):
                await asyncio.sleep(0.05)
        async with seawall(folder / "desk.yaml") as running:
            yield running
    finally:
        app.kill()
        await app.wait()


async def accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def named(report: str) -> list[str]:
    """The rows of a report without their figures, and its headings."""
    rows = re.sub(r"^( +\d{3}) .*%.*", r"\1", report, flags=re.MULTILINE)
    rows = re.sub(r"^ +\+?\d+  ", "", rows, flags=re.MULTILINE)
    return [row for row in rows.splitlines() if not re.match(r"\d+ requests|[A-Z]+ http| +all", row)]


@pytest.mark.parametrize(("command", "shown"), SHOWN, ids=["rate limit", "idempotency", "breaker"])
async def test_the_report_has_what_the_page_shows(command: str, shown: str, tmp_path: Path) -> None:
    async with help_desk(tmp_path, limited="rate_limit" in shown) as running:
        told = command.replace("8080", str(running.data)).replace("9902", str(running.status))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.load_test", *shlex.split(told), "--duration", "2s",
            cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, _ = await process.communicate()

    assert (0, named(shown)) == (process.returncode, named(output.decode()))


def test_every_option_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}

    assert options == set(re.findall(r"(?<=`)--[a-z-]+", PAGE))
