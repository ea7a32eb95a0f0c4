"""`seawall status`: how a running Seawall is doing, and whether the files on disk are live."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from proxy.admin.bodies import Breaker, Breakers, Health, Revision, Shadow
from proxy.cli.admin_client import AdminError, admin_option, ask, token_file_option
from proxy.cli.options import format_option
from proxy.telemetry.shadow_report import ShadowedPolicy

T = TypeVar("T")

_MOST_POLICIES = 20
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@click.command()
@admin_option
@token_file_option
@format_option
def status(admin: str, token_file: Path | None, output: str) -> None:
    """Say how a running Seawall is doing.

    Tells the revision that is live and what it changed, whether the files on disk were
    refused and why, what `health.checks` say, the connections to upstreams, circuit breakers that
    are not closed, and what policies in shadow would have refused. Exit code 1 where it is not
    ready, cannot be reached, or goes on with older policies because the files were refused.
    """
    answers = {
        "health": ask(admin, "/healthz", token_file),
        "revision": ask(admin, "/api/revision", token_file),
        "breakers": ask(admin, "/api/breakers", token_file),
        "shadow": ask(admin, f"/api/shadow?limit={_MOST_POLICIES}&examples=1", token_file),
    }
    health = _as(Health, admin, answers["health"])
    revision = _as(Revision, admin, answers["revision"])
    shadow = _as(Shadow, admin, answers["shadow"])
    breakers = _as(Breakers, admin, answers["breakers"]).breakers
    healthy = health.status == "ready" and revision.last_reload.ok
    if output == "json":
        click.echo(json.dumps({"healthy": healthy, **answers}, indent=2))
    else:
        told = (
            _process(health, revision),
            _checks(health),
            _upstreams(health),
            _breakers(breakers),
            _shadow(shadow),
        )
        for line in chain.from_iterable(told):
            click.echo(line)
    sys.exit(0 if healthy else 1)


def _as(kind: type[T], admin: str, answer: Any) -> T:
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        message = f"{admin} does not answer as a Seawall of this version does: {error}"
        raise AdminError(message) from None


def _process(health: Health, revision: Revision) -> Iterator[str]:
    why = f": {health.reason}" if health.reason else ""
    yield f"seawall {health.version}: {health.status}{why}; up {_span(health.uptime_seconds)}"
    yield f"  revision     {revision.revision[:12]}, live since {revision.live_since}"
    yield from _listed("last change  ", revision.last_change)
    reload = revision.last_reload
    if reload.ok:
        yield f"  last reload  {reload.at}: live"
    else:
        yield f"  last reload  {reload.at}: REFUSED; what was live before still is"
        for problem in reload.problems:
            yield from (f"    {line}" for line in problem.splitlines())
    yield f"  watching     {revision.watching}"
    yield f"  in flight    {health.in_flight}"
    yield from _store(health.store)
    if health.access_log_error:
        yield f"  access log   lines are being lost: {health.access_log_error}"
    if health.audit_log_error:
        yield f"  audit log    cannot be written: {health.audit_log_error}"


def _store(store: Mapping[str, Any]) -> Iterator[str]:
    """Only one that can be away."""
    if "url" in store:
        if store.get("reachable"):
            told = "reachable"
        else:
            breaker, since = store.get("breaker"), _span(store.get("seconds_in_this_state", 0))
            told = f"AWAY, its circuit breaker {breaker} for {since}: {store.get('last_error')}"
        yield f"  store        {store['url']}: {told}"


def _checks(health: Health) -> Iterator[str]:
    if health.checks:
        yield "checks"
        width = max(map(len, health.checks))
        for name, check in health.checks.items():
            known = check if isinstance(check, dict) else None
            yield f"  {name:<{width}}  {_wellness(known).removeprefix('; ')}"


def _upstreams(health: Health) -> Iterator[str]:
    yield "connections to upstreams"
    width = max(map(len, health.upstreams), default=0)
    for name, pool in health.upstreams.items():
        counts = pool if isinstance(pool, dict) else {}
        told = ", ".join(f"{value} {key}" for key, value in counts.items() if key != "health")
        yield f"  {name:<{width}}  {told}{_wellness(counts.get('health'))}"


def _wellness(health: Mapping[str, Any] | None) -> str:
    """What the health check says, where there is one."""
    if health is None:
        return ""
    cause = f": {health['cause']}" if health.get("cause") else ""
    return f"; {health['state']} since {health['since']}{cause}"


def _breakers(breakers: Sequence[Breaker]) -> Iterator[str]:
    """Those that let traffic flow are only counted."""
    if not breakers:
        return
    yield "circuit breakers"
    closed = [each for each in breakers if each.state == "closed" and not each.forced]
    for each in breakers:
        if each not in closed:
            held = ", held so by an operator" if each.forced else _opened(each.numbers)
            yield f"  {each.name}  {each.state} since {each.since}{held}"
    if closed:
        yield f"  {len(closed)} closed"


def _opened(numbers: Mapping[str, Any]) -> str:
    told = [f"{name} {value}" for name, value in numbers.get("opened_by", {}).items()]
    told += [numbers["cause"]] if numbers.get("cause") else []
    left = numbers.get("seconds_left")
    told += [f"tries again in {_span(math.ceil(left))}"] if left else []
    return "".join(f", {each}" for each in told)


def _shadow(shadow: Shadow) -> Iterator[str]:
    if not shadow.total:
        return
    yield "in shadow"
    for policy in shadow.policies:
        yield f"  {policy.route}: {policy.policy} ({policy.mode}) {_sum(policy)}"
        for found in policy.findings:
            callers = "1 caller" if found.callers == 1 else f"{found.callers} callers"
            callers = f"more than {callers}" if found.more_callers else callers
            times = "once" if found.count == 1 else f"{found.count} times"
            yield f"    {found.reason}: {times}, from {callers}, last {found.last}"
            yield from (f"      seawall explain {example.decision_id}" for example in found.examples)
    if shadow.total > len(shadow.policies):
        yield f"  and {shadow.total - len(shadow.policies)} more: /api/shadow"


def _sum(policy: ShadowedPolicy) -> str:
    count, requests = policy.would_have_refused, policy.requests
    share = f" ({count / requests:.2%})" if count and requests >= count else ""
    return f"would have refused {count} of {requests} requests{share} since {policy.since}"


def _listed(label: str, lines: Sequence[str]) -> Iterator[str]:
    for index, line in enumerate(lines):
        yield f"  {label if index == 0 else ' ' * len(label)}{line}"


def _span(seconds: float) -> str:
    """The two largest units: `3 d 4 h`."""
    parts: list[str] = []
    left = int(seconds)
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
