"""`make run`, as a newcomer meets it: every line that an example prints is typed, with a real curl."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
OTHERS = sorted({file.parent.name for file in ROOT.glob("examples/*/example.toml")} - {"legacy"})
STARTER = ROOT / "policies" / "starter"
PATIENCE = 30.0

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@dataclass
class Run:
    """One start of the example."""

    process: subprocess.Popen[bytes]
    output: Path
    ports: dict[str, int]

    def said(self) -> str:
        return self.output.read_text()

    def type(self, line: str) -> tuple[int, str]:
        """What the shell makes of one printed line: its exit code and output."""
        done = subprocess.run(
            line,
            shell=True,
            text=True,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            env=without_proxy(),
        )
        return done.returncode, done.stdout

    def curl(self, path: str) -> str:
        return self.type(f"curl -i http://127.0.0.1:{self.ports['port']}{path}")[1]


def without_proxy() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def eventually(true: Callable[[], bool], what: str) -> None:
    """Poll: these are real processes and sockets."""
    give_up = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < give_up, f"waited in vain for {what}"
        time.sleep(0.05)


def free_ports() -> dict[str, int]:
    return {name: free_port() for name in ("port", "app-port", "status-port", "admin-port")}


@contextmanager
def start(scratch: Path, ports: dict[str, int], *more: str) -> Iterator[Run]:
    output = scratch / "output"
    arguments = [part for name, port in ports.items() for part in (f"--{name}", str(port))]
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, ROOT / "examples" / "run.py", *arguments, *more],
            cwd=scratch,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Run(process, output, ports)
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    scratch = tmp_path_factory.mktemp("run")
    shutil.copytree(STARTER, scratch / "policies")
    with start(scratch, free_ports(), "--policies", str(scratch / "policies")) as run:
        eventually(lambda: "Ctrl-C stops both." in run.said() or run.process.poll() is not None, "the start")
        assert run.process.poll() is None, run.said()
        yield run


def told(example: str) -> list[str]:
    """What is shown by the lines to type."""
    return [
        each["what"]
        for each in tomllib.loads((ROOT / "examples" / example / "example.toml").read_text())["try"]
    ]


def typed(run: Run, place: int) -> tuple[str, int, str]:
    """The status that is promised, the exit code, and the last status that came."""
    lines = re.findall(r"^(\d{3})  .*\n +(.*curl .*)$", run.said(), re.MULTILINE)
    promised, line = lines[place]
    code, answer = run.type(line)
    statuses = re.findall(r"^HTTP/1\.1 (\d{3})", answer, re.MULTILINE)
    return promised, code, [status for status in statuses if status != "100"][-1]


@needs_curl
@pytest.mark.parametrize("place", range(len(told("legacy"))), ids=told("legacy"))
def test_a_printed_line_shows_the_status_that_it_promises(running: Run, place: int) -> None:
    promised, code, status = typed(running, place)

    assert (0, promised) == (code, status)


@needs_curl
@pytest.mark.parametrize("example", OTHERS)
def test_the_lines_of_other_examples_show_in_their_order_what_they_promise(
    tmp_path: Path, example: str
) -> None:
    with start(tmp_path, free_ports(), example) as run:
        eventually(lambda: "Ctrl-C stops both." in run.said() or run.process.poll() is not None, "the start")
        assert run.process.poll() is None, run.said()
        results = {what: typed(run, place) for place, what in enumerate(told(example))}

    assert {} == {
        what: result for what, result in results.items() if (result[0], 0) != (result[2], result[1])
    }


@needs_curl
def test_security_headers_come_and_what_gives_the_software_away_goes(running: Run) -> None:
    head = running.curl("/").partition("\n\n")[0].lower()

    assert "content-security-policy:" in head
    assert "x-powered-by:" not in head
    assert "server:" not in head


@needs_curl
def test_a_refusal_says_why(running: Run) -> None:
    answer = running.curl("/wp-admin.php")

    assert "application/problem+json" in answer
    assert '"reason":"route.none"' in answer.replace(" ", "")


@needs_curl
def test_the_refusal_that_readme_shows_is_the_one_that_one_gets(running: Run) -> None:
    readme = (ROOT / "README.md").read_text()
    ((line, shown),) = re.findall(
        r"^\$ (head .*?) \| python3 -m json.tool\n(\{.*?^\})", readme, re.MULTILINE | re.DOTALL
    )

    _, answer = running.type(line.replace(":8080/", f":{running.ports['port']}/"))

    assert anonymous(json.loads(shown)) == anonymous(json.loads(answer))


def anonymous(problem: dict[str, object]) -> dict[str, object]:
    """`problem` with its ids as placeholders, in one way for all."""
    assert problem["instance"] == f"urn:seawall:decision:{problem['decision_id']}"
    return {**problem, "instance": "", "decision_id": "", "request_id": len(str(problem["request_id"]))}


@needs_curl
def test_the_printed_kill_reads_the_policies_again_and_a_mistake_changes_nothing(running: Run) -> None:
    policies = running.ports and (running.output.parent / "policies" / "starter.yaml")
    assert policies
    (reload,) = re.findall(r"^ +(kill -HUP \d+)$", running.said(), re.MULTILINE)
    good = policies.read_text()
    changed = good.replace("routes:\n", "routes:\n  - {name: more, match: {path: /nothing}}\n")

    policies.write_text(changed)
    running.type(reload)
    eventually(lambda: "No such page" in running.curl("/nothing"), "the new route")

    policies.write_text(changed.replace("deadline: 500ms", "deadlin: 500ms"))
    running.type(reload)
    eventually(lambda: "deadlin" in running.said(), "the complaint")
    assert "No such page" in running.curl("/nothing")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_stops_both_and_frees_every_port(tmp_path: Path, number: signal.Signals) -> None:
    with start(tmp_path, free_ports()) as run:
        eventually(lambda: "Ctrl-C stops both." in run.said() or run.process.poll() is not None, "the start")
        run.process.send_signal(number)

        assert 0 == run.process.wait(PATIENCE), run.said()
        assert [] == [port for port in run.ports.values() if listens(port)]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("name", ["port", "app-port", "status-port", "admin-port"])
def test_a_port_that_is_taken_is_told_in_one_line(tmp_path: Path, name: str) -> None:
    ports = free_ports()
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports[name]))
        other.listen()
        with start(tmp_path, ports) as run:
            code = run.process.wait(PATIENCE)

    assert 2 == code
    assert f"Port {ports[name]} is taken. Name others: make run PORT=8090" in run.said()
    assert 1 == run.said().count("\n")


def test_policies_that_cannot_be_served_stop_it_with_the_reason(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("version: 1\nroutess: []\n")
    with start(tmp_path, free_ports(), "--policies", str(broken)) as run:
        code = run.process.wait(PATIENCE)

    assert 1 == code
    assert "broken.yaml:2:1" in run.said()
    assert "Traceback" not in run.said()
