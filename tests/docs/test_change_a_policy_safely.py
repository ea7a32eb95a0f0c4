"""The walk of "Change a policy safely": its commands are given in order, and say what the page shows."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.app.seawall import PATIENCE, ROOT, Seawall, seawall

PAGE = (ROOT / "docs" / "change-a-policy-safely.md").read_text(encoding="utf-8")
(POLICIES,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
BLOCKS = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
WALK = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", "".join(BLOCKS), re.MULTILINE)
"""Each command, and what it prints."""

UPSTREAM = "python3 -m http.server 3000 --bind 127.0.0.1 --directory site > site.log 2>&1 &"
SERVER = "seawall run --policies shop.yaml > access.log 2> seawall.log &"
END = "kill %1 %2"
_REVISION = r"\b[0-9a-f]{12}\b"
_DECISION = r"\b[0-9a-f]{10}-[0-9a-f]+\b"
_LOOKS = re.compile(r"seawall status|tail |curl .*127\.0\.0\.1:99\d\d/")
"""Commands that only look, and may do so again until what is waited for has come."""

_VARYING = {
    r"\b[0-9a-f]{32}\b": "REQUEST",
    _REVISION: "REVISION",
    _DECISION: "DECISION",
    r"\d{4}-\d\d-\d\dT[\d:.]+Z": "TIME",
    r"seawall \d\S*: ready; up .*": "seawall VERSION: ready; up a while",
    r"watching     .*": "watching     somehow",
    r"(numbers .*\n.*), or .* later": r"\1, or a while later",
}

_SLOWER_CURL = f"""#!{sys.executable}
import sys
from urllib.error import HTTPError
from urllib.request import urlopen
*options, url = sys.argv[1:]
try:
    answer = urlopen(url)
except HTTPError as refused:
    answer = refused
told = answer.read().decode()
if "-w" in options:
    told = str(answer.status) + "\\n"
print(told, end="")
"""
"""What the page needs of curl, for machines that have none."""


def steady(output: str) -> str:
    """Without what is another one each time."""
    for pattern, word in _VARYING.items():
        output = re.sub(pattern, word, output)
    return output


def program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the walk begins: an empty folder, and the programs that it needs."""
    programs, walk = tmp_path / "bin", tmp_path / "walk"
    programs.mkdir()
    program(programs / "python3", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    program(programs / "seawall", '#!/bin/sh\nexec python3 -m proxy "$@"\n')
    if shutil.which("curl") is None:
        program(programs / "curl", _SLOWER_CURL)
    (walk / "site").mkdir(parents=True)
    monkeypatch.chdir(walk)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return walk


@pytest.fixture
def upstream(folder: Path) -> Iterator[int]:
    """What `UPSTREAM` starts, on a port that is free."""
    site = partial(SimpleHTTPRequestHandler, directory=str(folder / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
async def running(folder: Path, upstream: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Seawall]:
    """What `SERVER` starts, on ports that are free, with its log in `seawall.log`."""
    Path("shop.yaml").write_text(POLICIES.replace("3000", str(upstream)), encoding="utf-8")
    async with seawall(Path("shop.yaml")) as running:
        monkeypatch.setenv("SEAWALL_ADMIN", f"127.0.0.1:{running.admin}")
        log = asyncio.create_task(written(running, folder / "seawall.log"))
        yield running
        log.cancel()


async def written(running: Seawall, log: Path) -> None:
    assert running.process.stderr
    log.write_text("".join(running.log), encoding="utf-8")
    async for line in running.process.stderr:
        with log.open("ab") as file:
            file.write(line)


def revisions(text: str) -> list[int]:
    """Which of them are the same: for each, where it was seen first."""
    found = re.findall(_REVISION, text)
    return [found.index(each) for each in found]


async def run(command: str) -> str:
    """In a shell; what it says, on both streams."""
    shell = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await shell.communicate()
    return output.decode()


async def given(command: str, shown: str, *, repeat: bool) -> str:
    """What a command says; with `repeat`, what it says at last if it does not say what the page shows."""
    patience = time.monotonic() + PATIENCE
    while True:
        output = await run(command)
        if steady(output) == steady(shown) or not repeat or time.monotonic() > patience:
            return output


def here(command: str, running: Seawall, seen: str) -> str:
    """With the ports of this machine, and the decision that was seen last."""
    for port, actual in ((8080, running.data), (9901, running.admin), (9902, running.status)):
        command = command.replace(f"127.0.0.1:{port}/", f"127.0.0.1:{actual}/")
    return re.sub(_DECISION, lambda _: re.findall(_DECISION, seen)[-1], command)


def test_the_page_starts_and_ends_what_the_test_does() -> None:
    commands = [command for command, _ in WALK]

    assert [UPSTREAM, SERVER, END] == [each for each in commands if each.endswith("&") or "kill" in each]
    assert (PAGE.count("\n$ "), END) == (len(WALK), commands[-1])


async def test_every_command_of_the_walk_says_what_the_page_shows(running: Seawall) -> None:
    seen = ""
    for command, shown in WALK:
        if command not in (UPSTREAM, SERVER, END):
            output = await given(here(command, running, seen), shown, repeat=bool(_LOOKS.search(command)))
            seen += output
            assert (command, steady(shown)) == (command, steady(output))
    running.signal(signal.SIGTERM)

    assert revisions("".join(shown for _, shown in WALK)) == revisions(seen)
    assert 0 == await asyncio.wait_for(running.process.wait(), PATIENCE)
