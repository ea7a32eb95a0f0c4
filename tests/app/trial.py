"""A kind of policy for these tests, and files that use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Annotated, Any

import pytest
from msgspec import Meta

from proxy.app import compile as compiling
from proxy.app.compile import Parts, Plan, compile_plan
from proxy.config.loader import load
from proxy.config.schema import PolicyConfig
from proxy.errors import ConfigError, Rejection
from proxy.exchange import Exchange, Response
from proxy.policies import PIPELINE_ORDER
from proxy.policy import AnyPolicyType, PolicyType, Services
from proxy.state import Shared
from proxy.stores.memory import MemoryStore
from proxy.testing import FakeClock

UPSTREAM = 'version: 1\nupstreams: {app: {url: "http://127.0.0.1:3000"}}\n'


def routes(**policies: str) -> str:
    """Routes by name, each with its policies."""
    lines = ["routes:\n"]
    for name, policy in policies.items():
        lines.append(f'  - {{name: {name}, match: {{path: "/{name}"}}, policies: {policy}}}\n')
    return "".join(lines)


class TrialConfig(PolicyConfig, frozen=True, kw_only=True):
    """Refuses from the `after`th exchange on."""

    after: Annotated[int, Meta(description="How many are admitted.")] = 1_000_000
    broken: Annotated[str, Meta(description="What the constructor says is wrong.")] = ""
    bug: Annotated[bool, Meta(description="The constructor has a bug.")] = False


class Count:
    """State that outlives a reload."""

    def __init__(self) -> None:
        self.seen = 0


class Trial:
    """Counts the exchanges, names its state in the response, and refuses the late ones."""

    built: list[str]

    def __init__(self, config: TrialConfig, services: Services) -> None:
        self.built.append(services.name)
        if config.broken:
            raise ValueError(config.broken)
        if config.bug:
            raise ZeroDivisionError("a bug in a constructor")
        self._name = services.name
        self._after = config.after
        self._count = services.shared("count", Count)

    def on_request(self, _: Exchange) -> None:
        self._count.seen += 1
        if self._count.seen > self._after:
            raise Rejection(429, "trial.refused", facts={"seen": self._count.seen})

    def on_response(self, _: Exchange, response: Response) -> None:
        response.headers.add("X-Trial", f"{self._name} {self._count.seen}")


def trial_kind(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The kind `trial`, first in the order; yields the names of those that are built."""
    built: list[str] = []
    kind = PolicyType("trial", TrialConfig, type("Trial", (Trial,), {"built": built}), scalar="after")
    kinds: tuple[AnyPolicyType, ...] = (kind, *PIPELINE_ORDER)
    monkeypatch.setitem(compiling.KINDS, "trial", kind)
    monkeypatch.setattr("proxy.app.proxy.PIPELINE_ORDER", kinds)
    yield built


def some_parts(state: Shared | None = None) -> Parts:
    clock = FakeClock()
    return Parts(clock, Random(1), MemoryStore(clock), state or Shared())


class Files:
    """A folder with policy files in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str, name: str = "a.yaml") -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def compile(self, parts: Parts | None = None, **more: Any) -> Plan:
        """`more`: as `compile_plan` takes it."""
        kinds = (*(kind for kind in compiling.KINDS.values() if kind not in PIPELINE_ORDER), *PIPELINE_ORDER)
        return compile_plan(load(self.folder, kinds, env={}), parts or some_parts(), **more)

    def problems(self) -> list[str]:
        """The first line of each, without the folder."""
        try:
            self.compile()
        except ConfigError as error:
            return [
                str(problem).splitlines()[0].removeprefix(f"{self.folder}/") for problem in error.problems
            ]
        return []
