"""Every failure at once, for a long time: `python -m bench.soak`, or with `--help`.

A real Seawall with all its policies of resilience, in front of an upstream, over http and https, that
hangs, drips, resets, lies, is busy, stopped (SIGSTOP) or killed, whose port refuses or whose name leads
nowhere; with a store that is killed and comes back empty; clients that are slow, send large bodies,
pipeline, or leave; edits, wrong ones among them, and a breaker that an operator holds. In the end:

- every request had exactly one answer, whole, or broken off so that the client could tell; never another's
- nothing is held: connections on both sides, places of `concurrency`, probes, tasks, file descriptors
- resident memory of the last fifth is not above the second's by more than 10 % and 4 MiB (judged from
  eight minutes on)
- clients, metrics and access log tell the same; nothing else is in the log; no POST reached the upstream
  twice
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from bench.soak import verdict
from bench.soak.running import Found, Soak


def report(found: Found) -> str:
    """In lines."""
    tally, metrics = found.tally, found.metrics
    broken, attempts = sum(tally.broken.values()), verdict.total(metrics, "seawall_upstream_attempts_total")
    recovered = verdict.total(metrics, "seawall_retries_total", 'outcome="recovered"')
    lines = [
        f"{found.seconds:g} s: {tally.whole} whole answers, {broken} that broke off, {tally.left} left",
        f"the slowest took {tally.slowest:.1f} s",
        "by status: " + ", ".join(f"{status} {count}" for status, count in sorted(tally.statuses.items())),
        f"calls of upstreams: {attempts:g}; repetitions that helped: {recovered:g}",
        "meanwhile: " + ", ".join(f"{name} {count}" for name, count in found.events.items()),
        "resident MiB, by fifths: " + ", ".join(f"{mib:.1f}" for mib in verdict.fifths(found.mib)),
    ]
    lines += [
        f"{name}: {found.start[name]:g} at the start, {metrics[name]:g} at the end"
        for name in ("seawall_tasks", "process_open_fds")
    ]
    lines += [f"WRONG: {problem}" for problem in found.problems] or ["nothing is wrong"]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=60, help="at the same time")
    parser.add_argument("--folder", type=Path, help="keep the logs there; it must not exist")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="seawall-soak-") as name:
        folder = options.folder or Path(name) / "soak"
        found = asyncio.run(Soak(folder, options.minutes * 60, options.clients).run())
    print(report(found))
    return int(bool(found.problems))


if __name__ == "__main__":
    sys.exit(main())
