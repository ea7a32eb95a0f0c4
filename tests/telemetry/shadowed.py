"""Policies in shadow, and what they report, for tests of the summary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from proxy.config.configuration import Configuration
from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER
from proxy.telemetry.decisions import Decision, Verdict
from proxy.telemetry.shadow_report import ShadowReport
from proxy.telemetry.timestamp import rfc3339

AT = 1_700_000_000.0
IN_SHADOW = "{size_limit: {body: 1KiB, mode: shadow}}"


def configuration(text: str) -> Configuration:
    """What a policy file with the routes of `text` says."""
    upstreams = 'version: 1\nupstreams: {app: {url: "http://127.0.0.1:9"}}\n'
    with TemporaryDirectory() as folder:
        file = Path(folder, "a.yaml")
        file.write_text(upstreams + text)
        return load(file, PIPELINE_ORDER, env={})


def route(name: str, policies: str = IN_SHADOW, path: str = "/tickets/{id}", methods: str = "[GET]") -> str:
    """One entry of `routes`."""
    return f"  - name: {name}\n    match: {{path: '{path}', methods: {methods}}}\n    policies: {policies}\n"


def follow(report: ShadowReport, routes: Sequence[str], at: float = AT) -> None:
    """Have a configuration with a policy in shadow on each of `routes` live from `at` on."""
    paths = ["/tickets/{id}", *(f"/{number}" for number in range(len(routes)))]
    entries = "".join(route(name, path=path) for name, path in zip(routes, paths, strict=False))
    report.follow(configuration(f"routes:\n{entries}"), at)


def would_be_refused(
    decision_id: str = "d-1",
    *,
    route: str = "tickets",
    policy: str | None = None,
    reason: str = "size_limit.body",
    client_ip: str = "192.0.2.7",
    identity: str = "",
    at: float = AT,
    times: int = 1,
) -> Decision:
    """A decision about an exchange that a policy in shadow would have refused."""
    name = policy or f"size_limit/{route}"
    verdict = Verdict(reason=reason, policy=name, mode="shadow", detail="Too large.", facts={"limit": 1024})
    return Decision(
        reason=reason,
        policy=name,
        mode="shadow",
        id=decision_id,
        time=rfc3339(at),
        request_id="r-1",
        route=route,
        method="GET",
        path="/tickets/7",
        client_ip=client_ip,
        identity=identity,
        status=200,
        shadow=[verdict] * times,
    )
