"""What a request costs Seawall, beside other proxies: `make bench`, or `python -m bench --help`.

README.md says what is measured and how to read it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import markdown, servers, svg, text
from bench.figures import Results, goals
from bench.measure import Bench
from bench.options import parse
from bench.processes import Ended
from bench.rounds import Plan, Rounds
from bench.wheels import Missing

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> int:
    options = parse(sys.argv[1:])
    if options.source:
        results = Results.from_dict(json.loads(options.source.read_text()))
    else:
        results = _measure(options)
    print(text.report(results))
    _write(options, results)
    return int(options.check and any(goal.verdict == "MISSED" for goal in goals(results)))


def _measure(options: argparse.Namespace) -> Results:
    plan: Plan = options.plan
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise SystemExit("two cores are needed: one for the proxy, one for upstream and load")
    os.sched_setaffinity(0, {cores[1]})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    skipped = _skipped(plan.peers)
    print(f"about {plan.estimate():.0f} s", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as name, ExitStack() as running:
        folder = Path(name)
        folder.chmod(0o755)  # nginx reads its files as another user
        upstream = servers.upstream(options.upstream, folder, cores[1])
        running.enter_context(upstream.process)
        upstream.wait()
        bench = Bench(upstream, options.load, folder, (cores[0], cores[1]))
        rounds = Rounds(plan, bench, folder, cores[0], skipped)
        samples = rounds.run()
        start = rounds.start() if "plain" in plan.variants else None
    versions = {peer: servers.version(peer) for peer in plan.peers if peer not in rounds.skipped}
    return Results(_about(options), versions, rounds.skipped, samples, start)


def _skipped(peers: Sequence[str]) -> dict[str, str]:
    """Which programs are not there, and why; installs what can be installed."""
    skipped = {}
    for peer in peers:
        try:
            servers.find(peer)
        except Missing as error:
            skipped[peer] = str(error)
    return skipped


def _about(options: argparse.Namespace) -> dict[str, str]:
    """What decides about the numbers, besides the proxies."""
    plan: Plan = options.plan
    return {
        "machine": f"{_processor()}, Linux {platform.release().split('-')[0]}",
        "load": {"wrk": "wrk", "python": "load.py, in place of wrk"}[options.load],
        "upstream": {"nginx": "nginx", "python": "upstream.py, in place of nginx"}[options.upstream],
        "cores": "one for the proxy, with one worker; one for load and upstream",
        "rounds": f"{plan.rounds} of {plan.seconds} s, the proxies in turn",
    }


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _write(options: argparse.Namespace, results: Results) -> None:
    if options.json:
        options.json.write_text(json.dumps(results.as_dict(), indent=1) + "\n")
    if options.svg:
        options.svg.write_text(svg.chart(results))
    if options.markdown:
        options.markdown.write_text(markdown.figures(results) + "\n")
    if options.update_docs:
        page, picture = DOCS / "performance.md", DOCS / "performance.svg"
        updated = markdown.insert(page.read_text(), markdown.figures(results, picture.name))
        picture.write_text(svg.chart(results))
        page.write_text(updated)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (Ended, Missing) as error:
        sys.exit(f"the upstream does not come up: {error}")
