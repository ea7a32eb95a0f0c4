"""A body as JSON, for policies that judge what another program will read."""

from __future__ import annotations

from typing import Any

from proxy.algorithms.strict_json import SLICE, Structure, decode
from proxy.clock import Clock


async def json_in(body: bytes, clock: Clock, structure: Structure) -> Any:
    """What `body` says; `structure` counts it, and others have their turn while a large one is counted.

    Raises `proxy.algorithms.strict_json.NotStrict`.
    """
    for _ in structure.count(body):
        if len(body) > SLICE:
            await clock.sleep(0)
    return decode(body, structure)
