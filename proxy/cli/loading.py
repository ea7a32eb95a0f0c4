"""Loads a configuration as `run` would, for commands that only look at it."""

from __future__ import annotations

import os
from pathlib import Path
from random import SystemRandom

from proxy.app.compile import Parts, Plan, compile_plan
from proxy.clock import SystemClock
from proxy.config.context import PRODUCTION
from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER
from proxy.state import Shared
from proxy.stores.memory import MemoryStore


def planned(
    path: Path,
    upstream: str | None,
    *,
    allow_literal_secrets: bool,
    env: str = PRODUCTION,
    test_secrets: bool = False,
) -> Plan:
    """What is in the file or the folder at `path`, with every policy built and nothing served.

    Some mistakes only show when policies are built. With `test_secrets`, those of the files
    stand above variables and files of secrets. Raises ConfigError with every problem.
    """
    configuration = load(
        path,
        PIPELINE_ORDER,
        env=os.environ,
        allow_literal_secrets=allow_literal_secrets,
        default_upstream=upstream,
        rehearsal=test_secrets,
        environment=env,
    )
    clock = SystemClock()
    return compile_plan(configuration, Parts(clock, SystemRandom(), MemoryStore(clock), Shared()))
