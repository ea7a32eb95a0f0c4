"""The load: wrk, or `load.py` where there is none."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench.scenarios import Scenario

_RESULT = "RESULT "
_PATIENCE = 30.0  # seconds longer than it was asked to run
_DONE = """
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"errors":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f}\\n', summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""
_IN_TURN = """
local requests, at = {}, 0
function init(args)
  for path in io.lines(os.getenv("BENCH_PATHS")) do
    if varied then wrk.headers[varied] = string.format("%s", #requests) end
    requests[#requests + 1] = wrk.format(nil, path)
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
"""


class Failed(Exception):
    """The load generator could not do its work; says what it printed."""


@dataclass(frozen=True)
class Counted:
    """What the generator saw. `errors`: failed connections, broken reads, answers that were no success."""

    requests: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float


def available() -> str:
    """The better one of those that are installed."""
    return "wrk" if shutil.which("wrk") else "python"


def run(kind: str, port: int, scenario: Scenario, seconds: int, folder: Path) -> tuple[Counted, float]:
    """What it counted, and the processor time that it took, in seconds. It runs on our own core.

    Raises Failed. `folder` is for what it reads.
    """
    command = (wrk_command if kind == "wrk" else python_command)(port, scenario, seconds, folder)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        ran = subprocess.run(
            command,
            env={**os.environ, "BENCH_PATHS": str(folder / "paths.txt")},
            capture_output=True,
            text=True,
            timeout=seconds + _PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{kind} did not end") from None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return counted(ran.stdout, ran.stderr), cpu


def counted(output: str, errors: str = "") -> Counted:
    """What a generator printed last. Raises Failed where that is no result."""
    lines = [line.removeprefix(_RESULT) for line in output.splitlines() if line.startswith(_RESULT)]
    if not lines:
        raise Failed((output + errors).strip() or "the load generator printed nothing")
    return Counted(**json.loads(lines[-1]))


def wrk_command(port: int, scenario: Scenario, seconds: int, folder: Path) -> list[str]:
    """Writes the script that it names."""
    script = folder / "wrk.lua"
    script.write_text(wrk_script(scenario))
    if len(scenario.paths) > 1:
        (folder / "paths.txt").write_text("\n".join(scenario.paths) + "\n")
    options = ["-t1", f"-c{scenario.connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
    return ["wrk", *options, f"http://127.0.0.1:{port}{scenario.paths[0]}"]


def wrk_script(scenario: Scenario) -> str:
    """Lua. wrk formats the request once where there is one path, and so is as cheap as it can be."""
    lines = [f"wrk.method = {_lua(scenario.method)}"]
    lines += [f"wrk.headers[{_lua(name)}] = {_lua(value)}" for name, value in scenario.headers.items()]
    if scenario.varied:
        lines.append(f"varied = {_lua(scenario.varied)}")
    if scenario.body:
        lines.append('wrk.headers["Content-Type"] = "application/octet-stream"')
        lines.append(f'wrk.body = string.rep("x", {scenario.body})')
    return "\n".join(lines) + (_IN_TURN if len(scenario.paths) > 1 else "\n") + _DONE


def _lua(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def python_command(port: int, scenario: Scenario, seconds: int, folder: Path) -> list[str]:
    """Writes the requests that it sends, byte for byte."""
    requests = folder / "requests.json"
    several = [request(port, scenario, path, number) for number, path in enumerate(scenario.paths)]
    requests.write_text(json.dumps(several))
    program = str(Path(__file__).parent / "load.py")
    return [sys.executable, program, str(port), str(scenario.connections), str(seconds), str(requests)]


def request(port: int, scenario: Scenario, path: str, number: int = 0) -> str:
    """One request of `scenario` as it goes over the wire."""
    headers = {"Host": f"127.0.0.1:{port}", **scenario.headers}
    if scenario.varied:
        headers[scenario.varied] = str(number)
    if scenario.body:
        headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(scenario.body)}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{scenario.method} {path} HTTP/1.1\r\n{head}\r\n{'x' * scenario.body}"
