"""Configurations to rehearse, and short ways to play their tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from proxy.config.configuration import Configuration
from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER
from proxy.rehearsal.player import Played, play

POLICIES = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:3000"}}
defaults:
  size_limit: {body: 1KiB}
  timeout: {connect: 1s, response: 2s, idle: 3s}
routes:
  - name: all
    match: {path: "/**"}
  - name: quick
    match: {path: /quick}
    policies: {deadline: 500ms}
"""


def configured(folder: Path, text: str = POLICIES, more: str = "", **settings: Any) -> Configuration:
    """The configuration in a file with `text` and `more`, loaded for a rehearsal."""
    file = folder / "a.yaml"
    file.write_text(text + more, encoding="utf-8")
    return load(file, settings.pop("kinds", PIPELINE_ORDER), **{"env": {}, "rehearsal": True, **settings})


def played(folder: Path, *steps: str, text: str = POLICIES, more: str = "", **settings: Any) -> Played:
    """How a test with these steps went."""
    tests = "tests:\n  - name: a test\n    steps:\n" + "".join(f"      - {step}\n" for step in steps)
    configuration = configured(folder, text, tests + more, **settings)
    return play(configuration, configuration.tests[0])


def wrong(how: Played) -> dict[str, tuple[str, str]]:
    """What was expected and what came, by what it is about."""
    found = how.failure.mismatches if how.failure is not None else ()
    return {mismatch.what: (mismatch.expected, mismatch.got) for mismatch in found}
