"""How your own Seawall does under load, and whom it refuses: `python -m bench.load_test URL`.

Asks at a rate that you choose, for as long as you choose, and reports throughput, times, statuses and the
reasons of refusals; docs/load-test.md shows it. Only this machine is asked, unless `--not-loopback` is given.
Exit code: 0 there were answers, 1 none, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import itertools
import json
import os
import signal
import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

import aiohttp

from bench import load_report
from bench.load_report import Report, Seen
from proxy.config.units import Duration

MOST_PER_SECOND = 20_000
MOST_AT_ONCE = 1_000
LONGEST = 600.0
"""Seconds: a load test that nobody ends does end."""
_FAILURES: Mapping[type, str] = {
    aiohttp.ServerDisconnectedError: "hung up without an answer",
    aiohttp.ClientPayloadError: "the answer broke off",
}
READ = 64 * 1024
"""Bytes of a refusal that are looked at; all else is read and dropped."""


@dataclass(frozen=True)
class Plan:
    """What is asked, and how often. `rate` 0: again as soon as there is an answer."""

    urls: tuple[str, ...]
    rate: float = 50.0
    seconds: float = 10.0
    at_once: int = 10
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    timeout: float = 30.0
    count_header: str | None = None
    status: str | None = None
    ca_file: Path | None = None


@dataclass
class Load:
    """One run of a plan."""

    plan: Plan
    seen: Seen = field(default_factory=Seen)
    stopped: bool = False

    async def run(self) -> Report:
        """Until the time is over or `stopped` is set; what is in flight then is waited for."""
        certificates = ssl.create_default_context(cafile=self.plan.ca_file)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.plan.at_once, ssl=certificates),
            timeout=aiohttp.ClientTimeout(total=self.plan.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        ) as session:
            before = await self._metrics(session)
            began = perf_counter()
            numbers = enumerate(itertools.cycle(self.plan.urls))
            await asyncio.gather(*(self._caller(session, numbers, began) for _ in range(self.plan.at_once)))
            seconds = perf_counter() - began
            after = await self._metrics(session)
        what = f"{self.plan.method} {' '.join(self.plan.urls)}"
        counted, breakers = load_report.grown(before, after), load_report.states(after)
        return Report(what, self.plan.rate, seconds, self.seen, counted, breakers)

    async def _caller(self, session: aiohttp.ClientSession, numbers: enumerate[str], began: float) -> None:
        """One of those who ask at the same time: takes the next request that is due."""
        for number, url in numbers:
            passed = perf_counter() - began
            due = number / self.plan.rate if self.plan.rate else passed
            if max(due, passed) >= self.plan.seconds:
                return
            await asyncio.sleep(max(0.0, due - passed))
            if self.stopped:
                return
            await self._ask(session, url, began + due)

    async def _ask(self, session: aiohttp.ClientSession, url: str, due: float) -> None:
        plan = self.plan
        try:
            async with session.request(
                plan.method, url, headers=plan.headers, data=plan.body, allow_redirects=False
            ) as answer:
                body, size = bytearray(), 0
                async for piece in answer.content.iter_any():
                    size += len(piece)
                    if size <= READ and answer.status >= 400:
                        body += piece
        except (aiohttp.ClientError, TimeoutError) as error:
            self.seen.failures[_why(error)] += 1
            return
        self.seen.answer(answer.status, perf_counter() - due, size)
        if reason := load_report.reason(answer.content_type, bytes(body)):
            self.seen.reasons[reason] += 1
        if plan.count_header and (value := answer.headers.get(plan.count_header)):
            self.seen.headers[f"{plan.count_header}: {value}"] += 1

    async def _metrics(self, session: aiohttp.ClientSession) -> str:
        """What Seawall counts; empty where nobody asked for it."""
        if self.plan.status is None:
            return ""
        async with session.get(f"{self.plan.status}/metrics") as answer:
            answer.raise_for_status()
            return await answer.text()


def _why(error: Exception) -> str:
    """Few different ones, so that they can be counted."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return (
            f"could not connect: {os.strerror(error.errno) if error.errno else type(error.os_error).__name__}"
        )
    if isinstance(error, TimeoutError):
        return "no answer in time (--timeout)"
    return _FAILURES.get(type(error), type(error).__name__)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Has `plan`, `format` and `report`. Exits with 2 where something is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.load_test",
        description="Ask a Seawall at a steady rate: what does it answer, how soon, whom does it refuse?",
    )
    parser.add_argument("urls", nargs="+", metavar="URL", help="what to ask; several are asked in turn")
    parser.add_argument(
        "--rate",
        type=float,
        default=50.0,
        metavar="N",
        help="requests a second; 0: as many as there are answers (50)",
    )
    parser.add_argument(
        "--duration", type=_duration, default=10.0, metavar="TIME", help="such as 30s, at most 10m (10s)"
    )
    parser.add_argument(
        "--concurrency", type=int, default=10, metavar="N", help="requests at the same time, at most (10)"
    )
    parser.add_argument("--method", default="GET", help="(GET)")
    parser.add_argument(
        "--header", action="append", default=[], metavar="'NAME: VALUE'", help="may stand often"
    )
    parser.add_argument("--body", metavar="TEXT", help="the body of each request")
    parser.add_argument("--body-file", type=Path, metavar="FILE", help="a file that holds it")
    parser.add_argument(
        "--timeout", type=_duration, default=30.0, metavar="TIME", help="longest wait for an answer (30s)"
    )
    parser.add_argument(
        "--count-header", metavar="NAME", help="count the values of this header of the answers"
    )
    parser.add_argument("--status", metavar="URL", help="the status port: tell what changed in /metrics, too")
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="whom to believe, for https")
    parser.add_argument(
        "--not-loopback", action="store_true", help="ask another machine: yours, and its owner knows"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report there as well, as JSON")
    options = parser.parse_args(arguments)
    try:
        options.plan = _plan(options)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return options


def _plan(options: argparse.Namespace) -> Plan:
    for name, value, least, most in (
        ("--rate", options.rate, 0, MOST_PER_SECOND),
        ("--duration", options.duration, 0.1, LONGEST),
        ("--concurrency", options.concurrency, 1, MOST_AT_ONCE),
    ):
        if not least <= value <= most:
            raise ValueError(f"{name} is {value:g}; expected {least:g} to {most:g}")
    for url in (*options.urls, *filter(None, [options.status])):
        _check(url, options.not_loopback)
    return Plan(
        urls=tuple(options.urls),
        rate=options.rate,
        seconds=options.duration,
        at_once=options.concurrency,
        method=options.method.upper(),
        headers=tuple(_header(line) for line in options.header),
        body=options.body_file.read_bytes() if options.body_file else options.body and options.body.encode(),
        timeout=options.timeout,
        count_header=options.count_header,
        status=options.status and options.status.rstrip("/"),
        ca_file=options.ca_file,
    )


def _check(url: str, anywhere: bool) -> None:
    """Raises ValueError for what is no url, and for other machines unless they are allowed."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no url; expected one such as http://127.0.0.1:8080/")
    if not anywhere and not loopback(parts.hostname):
        raise ValueError(f"{parts.hostname} may be another machine; --not-loopback says that this is meant")


def loopback(host: str) -> bool:
    """Whether that is certainly this machine. A name could be anybody's, but for localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not name.strip() or not colon:
        raise ValueError(f"{line!r} is no header; expected one such as 'X-API-Key: secret'")
    return name.strip(), value.strip()


def _duration(text: str) -> float:
    try:
        return float(Duration.parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def _run(plan: Plan) -> Report:
    load = Load(plan)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, setattr, load, "stopped", True)
    return await load.run()


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    try:
        report = asyncio.run(_run(options.plan))
    except (aiohttp.ClientError, TimeoutError) as error:
        print(f"the metrics of {options.plan.status} cannot be read: {_why(error)}", file=sys.stderr)
        return 1
    text = json.dumps(report.as_dict(), indent=2)
    if options.report:
        options.report.write_text(text + "\n", encoding="utf-8")
    print(text if options.format == "json" else report.text())
    return 0 if report.seen.answers else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
