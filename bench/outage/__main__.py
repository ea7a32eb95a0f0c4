"""What clients see of an upstream that hangs: `python -m bench.outage`, or with `--help`.

An application that hangs for half of the time, and requests that come at a steady rate whatever becomes of
those before: without anything in front, with Seawall and its policies, and with what Envoy, Traefik and
HAProxy have for it (bench/peers/outage). docs/outage.md says how to read it.

At full scale it hangs for 30 s of every 60. With --scale 10, the default, every time is a tenth of that: of
the hang, of policies, and of the clients' patience, but not what a request takes, nor how many come in a
second. Each contender then takes 18 s instead of three minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import servers
from bench.figures import SEAWALL
from bench.outage.figures import Run, Summary, middle, percentile, summary
from bench.outage.load import Load
from bench.outage.picture import draw
from bench.processes import Ended, Process, free_port
from bench.wheels import Missing

DIRECT = "nothing in front"
CONTENDERS = (DIRECT, SEAWALL, "envoy", "traefik", "haproxy")
HANG = 30.0
TIMES = {"TOTAL": 5.0, "RESPONSE": 2.0, "QUEUE": 1.0, "OPEN": 5.0, "SWEEP": 1.0}
"""Seconds at full scale: for an exchange, for a call, in a queue, until another try, between looks."""
PATIENCE = 10.0
_SPREAD = 7.0
_HERE = Path(__file__).parent
_LEAD = 0.5


def scaled(scale: float) -> dict[str, str]:
    """What the configurations have for their times: milliseconds, and seconds for Envoy."""
    values = {name: str(round(seconds / scale * 1000)) for name, seconds in TIMES.items()}
    return values | {f"{name}SECONDS": f"{seconds / scale:.3f}" for name, seconds in TIMES.items()}


def spread(cycle: int, cycles: int) -> float:
    """By how much this hang is longer than the others, in seconds at full scale.

    Whoever tries again every few seconds is back at once where that happens to be the moment. So the ends of
    the hangs are spread evenly over the 7 s from one of Seawall's tries to the next; peers have 5 to 7.
    """
    return ((cycle + 0.5) / cycles - 0.5) * _SPREAD


class Outage:
    """One contender after the other, each with an upstream of its own."""

    def __init__(self, folder: Path, scale: float, rate: float, cycles: int) -> None:
        self._folder = folder
        self._scale = scale
        self._rate = rate
        self._cycles = cycles
        cores = sorted(os.sched_getaffinity(0))
        self._cores = cores[0], cores[-1]

    async def run(self, name: str) -> Run:
        """Measure. Raises Missing and Ended."""
        folder = self._folder / name.replace(" ", "-")
        folder.mkdir(parents=True)
        with ExitStack() as running:
            port, control = self._upstream(running, folder)
            await _answers(control)
            if name != DIRECT:
                server = servers.proxy(name, "outage", folder, self._cores[0], port, more=scaled(self._scale))
                running.enter_context(server.process)
                server.wait()
                port = server.port
            load = Load(port, PATIENCE / self._scale)
            return await self._measure(name, load, control)

    async def most(self) -> float:
        """Requests a second that the generator can make."""
        folder = self._folder / "most"
        folder.mkdir(parents=True)
        with ExitStack() as running:
            port, control = self._upstream(running, folder)
            await _answers(control)
            load = Load(port, PATIENCE, "/quick")
            await load.most(0.5)
            most = await load.most(2.0)
            load.close()
            return most

    async def _measure(self, name: str, load: Load, control: int) -> Run:
        half, begin = HANG / self._scale, time.monotonic() + _LEAD
        seconds = 2 * half * self._cycles
        asking = asyncio.create_task(load.run(self._rate, begin, seconds))
        hangs = []
        for cycle in range(self._cycles):
            await asyncio.sleep(begin + (2 * cycle + 0.5) * half - time.monotonic())
            since = await _tell(control, "hang")
            length = half + spread(cycle, self._cycles) / self._scale
            await asyncio.sleep(begin + (2 * cycle + 0.5) * half + length - time.monotonic())
            hangs.append((since - begin, await _tell(control, "well") - begin))
        await asking
        load.close()
        arrived = await _tell(control, "seen")
        return Run(
            name,
            seconds,
            1 / self._scale,
            hangs,
            [one._replace(due=one.due - begin) for one in load.asked],
            [when - begin for when in arrived],
            percentile(load.lags, 0.99),
        )

    def _upstream(self, running: ExitStack, folder: Path) -> tuple[int, int]:
        port, control = free_port(), free_port()
        command = [sys.executable, str(_HERE / "upstream.py"), str(port), str(control)]
        running.enter_context(Process("upstream", command, self._cores[1], folder / "upstream.log"))
        return port, control


async def _tell(port: int, word: str) -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{word}\n".encode())
    answer = json.loads(await reader.read(-1))
    writer.close()
    return answer


async def _answers(port: int) -> None:
    for _ in range(500):
        try:
            await _tell(port, "time")
        except OSError:
            await asyncio.sleep(0.02)
        else:
            return
    raise SystemExit("the upstream does not come up")


COLUMNS = ("", "answered", "of it: hung", "well", "p99 ms", "of answers", "refused at once", "slowly",
           "calls while it hung", "back after s: median, longest")  # fmt: skip


def table(runs: list[Run]) -> str:
    """The figures, a line for each contender; times of a scaled run as they were."""
    rows = [COLUMNS, *(_row(run.name, summary(run)) for run in runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if at else text.ljust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _row(name: str, found: Summary) -> tuple[str, ...]:
    longest = None if None in found.recovery else max(filter(None, found.recovery), default=0.0)
    times = ("never" if one is None else f"{one:.2f}" for one in (middle(found.recovery), longest))
    return (
        name,
        *(f"{share:.1%}" for share in (found.success, found.success_hung, found.success_well)),
        *(f"{seconds * 1000:.0f}" for seconds in (found.p99, found.p99_answered)),
        *(str(count) for count in (found.quick, found.slow, found.arrived_hung)),
        ", ".join(times),
    )


async def measured(options: argparse.Namespace) -> tuple[float, list[Run]]:
    runs = []
    with tempfile.TemporaryDirectory(prefix="seawall-outage-") as name:
        outage = Outage(Path(name), options.scale, options.rate, options.cycles)
        most = await outage.most()
        for contender in options.contenders:
            print(f"{contender} ...", file=sys.stderr, flush=True)
            try:
                runs.append(await outage.run(contender))
            except (Missing, Ended) as error:
                print(f"{contender} is left out: {error}", file=sys.stderr)
    return most, runs


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.outage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scale", type=float, default=10.0, help="1: it hangs for 30 s of every 60")
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second")
    parser.add_argument("--cycles", type=int, default=3, help="how often it hangs")
    parser.add_argument("--contenders", type=lambda text: text.split(","), default=list(CONTENDERS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every request")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the picture")
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="measure nothing; show this JSON"
    )
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if options.source:
        found = json.loads(options.source.read_text())
        runs, about = [Run.of_json(run) for run in found["runs"]], found["about"]
    else:
        most, runs = asyncio.run(measured(options))
        about = {"scale": options.scale, "rate": options.rate, "cycles": options.cycles, "most": round(most)}
    print(heading(about, runs))
    print(table(runs))
    if options.json:
        options.json.write_text(json.dumps({"about": about, "runs": [run.as_json() for run in runs]}))
    if options.svg and runs:
        scale = about["scale"]
        note = "" if scale == 1 else f"Measured at a scale of 1:{scale:g}; seconds are those of 1:1."
        options.svg.write_text(draw(runs, about["rate"], note))
    return 0


def heading(about: dict[str, float], runs: list[Run]) -> str:
    """What was done, and whether the generator kept up."""
    scale, lag = about["scale"], max((run.lag_p99 for run in runs), default=0.0)
    return (
        f"scale 1:{scale:g}: it hangs for {HANG / scale:g} s of every {2 * HANG / scale:g}, "
        f"{about['cycles']} times; {about['rate']:g} requests/s\n"
        f"the generator can make {about['most']:,} requests/s; 99 % were sent "
        f"{lag * 1000:.1f} ms after they were due, or sooner"
    )


if __name__ == "__main__":
    sys.exit(main())
