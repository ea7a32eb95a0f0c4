"""What a client reads in a response, and an operator in a refused configuration."""

from __future__ import annotations

import json
from pathlib import Path

from proxy.config.loader import load
from proxy.errors import ConfigError
from proxy.exchange import Response
from proxy.policies import PIPELINE_ORDER


def fields(response: Response) -> dict[str, list[str]]:
    """Lower-case name -> every value, in order."""
    found: dict[str, list[str]] = {}
    for name, value in response.headers:
        found.setdefault(name.decode().lower(), []).append(value.decode())
    return found


def refusal(response: Response) -> tuple[int, str | None]:
    """Status and reason; no reason where the response is not a refusal of ours."""
    assert isinstance(response.content, bytes)
    reason = json.loads(response.content)["reason"] if response.content else None
    return response.status, reason


def problems(policies: str, folder: Path) -> list[str]:
    """Where the loader finds fault with a route that has `policies`, one line of YAML."""
    file = folder / "policies.yaml"
    file.write_text(_FILE.format(policies=policies), encoding="utf-8")
    try:
        load(file, PIPELINE_ORDER, env={})
    except ConfigError as error:
        return [problem.path.removeprefix("routes[0].policies.") for problem in error.problems]
    return []


_FILE = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:3000"}}}}
routes:
  - name: example
    match: {{path: "/**"}}
    policies: {{{policies}}}
"""
