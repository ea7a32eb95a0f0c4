"""What has to hold when a soak is over, as plain functions of what was seen."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.soak.clients import Tally

MOST_ATTEMPTS = 3
"""max_retries of policies.yaml, and the first."""
SLACK, SHARE = 4.0, 0.1
"""MiB, and share, by which resident memory may be more in the last fifth than in the second."""
SHORTEST = 480.0
"""Seconds under which memory is shown and not judged: it takes minutes to warm up."""

_EXPECTED = tuple(
    re.compile(pattern)
    for pattern in (
        r" INFO (listening on |policies |live|revision|reload|watching)",
        r" (INFO|WARNING) the redis store is (away|back|tried again): ",
        r" INFO circuit_breaker/\w+: [\w-]+ -> [\w-]+, ",
        r" WARNING mask_errors/\w+ on route \w+ masked a 500 \(Python\)",
        r" WARNING mask_errors/\w+: \d+ ",
        r" ERROR the policy files have problems; the old policies stay$",
        r"^\S+/soak\.yaml:2:10: this is not YAML",
        r"^ *(routes: \[\{name: a|\^)$",
        r' INFO admin .*"what": "POST /api/breakers/app", "outcome": "done"',
        r" INFO (draining: 0 in flight|stopped)",
    )
)
"""Lines that belong into Seawall's own log."""

_HELD = re.compile(
    "seawall_(concurrency_in_flight|concurrency_waiting|http_requests_in_flight|client_connections)"
)

Series = Mapping[str, float]


@dataclass
class Lines:
    """The access log, summed up."""

    ids: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    most_attempts: int = 0
    other: list[str] = field(default_factory=list)
    """What is not a line of it: Seawall's own log."""


def read_log(lines: Iterable[str]) -> Lines:
    """The log of the process: both logs in one."""
    found = Lines()
    for line in lines:
        if not line.startswith("{"):
            found.other.append(line.rstrip("\n"))
            continue
        entry = json.loads(line)
        found.ids[entry["request_id"]] += 1
        found.attempts += entry["attempts"]
        found.most_attempts = max(found.most_attempts, entry["attempts"])
    return found


def series(text: str) -> dict[str, float]:
    """Each series of a scrape and its value."""
    pairs = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def total(metrics: Series, name: str, *labels: str) -> float:
    """All series of a family that have these labels."""
    return sum(
        value
        for key, value in metrics.items()
        if (key == name or key.startswith(f"{name}{{")) and all(label in key for label in labels)
    )


def unsettled(
    metrics: Series, start: Series, health: Mapping[str, object], breakers: Sequence[Mapping[str, object]]
) -> Iterator[str]:
    """What is still held, though nobody asks for anything any more."""
    for name, value in sorted(metrics.items()):
        if value and _HELD.match(name):
            yield f"{name} is {value:g}"
    for name in ("seawall_tasks", "process_open_fds"):
        if metrics[name] > start[name]:
            yield f"{name} is {metrics[name]:g}, and was {start[name]:g} at the start"
    upstreams: Mapping[str, Mapping[str, int]] = health["upstreams"]  # type: ignore[assignment]
    for name, pool in upstreams.items():
        if held := {state: pool[state] for state in ("open", "opening", "waiting") if pool[state]}:
            yield f"the pool of {name} has {held}"
    for breaker in breakers:
        numbers: Mapping[str, int] = breaker["numbers"]  # type: ignore[assignment]
        if numbers["probes"]:
            yield f"the breaker {breaker['name']} still has {numbers['probes']} probes"


def inconsistent(tally: Tally, metrics: Series, lines: Lines) -> Iterator[str]:
    """Where clients, metrics and access log don't tell the same."""
    seen = tally.whole + sum(tally.broken.values())
    counted = total(metrics, "seawall_http_requests_total")
    if not seen <= counted <= seen + tally.left:
        yield f"clients had {seen} answers and left {tally.left} requests; metrics count {counted:g}"
    for status, count in sorted(tally.statuses.items()):
        ours = total(metrics, "seawall_http_requests_total", f'status="{status}"')
        if ours < count:
            yield f"clients had {count} answers with {status}; metrics count {ours:g}"
    if sum(lines.ids.values()) != counted:
        yield f"metrics count {counted:g} exchanges; the access log has {sum(lines.ids.values())}"
    if twice := [id_ for id_, count in lines.ids.items() if count > 1]:
        yield f"{len(twice)} requests are in the access log more than once, such as {twice[0]}"
    if missing := tally.ids - lines.ids.keys():
        yield f"{len(missing)} requests that were answered are not in the access log, such as {min(missing)}"
    attempts = total(metrics, "seawall_upstream_attempts_total")
    if attempts != lines.attempts:
        yield f"metrics count {attempts:g} attempts; the access log has {lines.attempts}"
    if lines.most_attempts > MOST_ATTEMPTS:
        yield f"a request had {lines.most_attempts} attempts; {MOST_ATTEMPTS} are allowed"
    if metrics.get("seawall_access_log_dropped_total"):
        yield "the access log lost lines"


def unexpected(lines: Lines) -> Iterator[str]:
    """Lines of Seawall's own log that should not be there."""
    odd = [line for line in lines.other if line and not any(each.search(line) for each in _EXPECTED)]
    if odd:
        yield f"the log has {len(odd)} lines that it should not have: " + " | ".join(odd[:5])


def grown(mib: Sequence[float], seconds: float) -> Iterator[str]:
    """Resident memory by time: is it flat once everything has been seen?"""
    _, warm, *_, end = fifths(mib)
    if seconds >= SHORTEST and end > warm * (1 + SHARE) + SLACK:
        yield f"resident memory grew from {warm:.1f} to {end:.1f} MiB"


def fifths(mib: Sequence[float]) -> list[float]:
    """The median of each fifth of the time."""
    fifth = max(1, len(mib) // 5)
    return [median(mib[part * fifth : (part + 1) * fifth] or mib) for part in range(5)]


def missed(tally: Tally, metrics: Series) -> Iterator[str]:
    """What has to have happened: else the soak proves nothing."""
    for status in (200, 502, 503, 504):
        if not tally.statuses[status]:
            yield f"no client ever got {status}"
    if not tally.broken:
        yield "no answer ever broke off"
    if not total(metrics, "seawall_retries_total", 'outcome="recovered"'):
        yield "no repetition ever helped"
    for reason in ("circuit_breaker.open", "timeout.response", "mask_errors.masked"):
        if not total(metrics, "seawall_refusals_total", f'reason="{reason}"'):
            yield f"nothing was ever {reason}"
