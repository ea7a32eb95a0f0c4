"""A body as JSON, while others have their turn."""

from __future__ import annotations

import asyncio

import pytest

from proxy.algorithms.strict_json import SLICE, NotStrict, Structure
from proxy.policies.json_body import json_in
from proxy.testing import FakeClock


async def test_a_small_body_is_read_at_once() -> None:
    turns: list[int] = []
    asyncio.get_running_loop().call_soon(turns.append, 1)

    found = await json_in(b'{"a": 1}', FakeClock(), Structure(5, 5))

    assert ({"a": 1}, []) == (found, turns)


async def test_others_have_a_turn_for_each_slice_of_a_large_one() -> None:
    turns = 0
    done = False

    async def others() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await json_in(b'"' + b"x" * SLICE * 10 + b'"', FakeClock(), Structure(5, 5))
    done = True
    await task

    assert turns >= 10


async def test_what_is_no_json_is_told_of() -> None:
    with pytest.raises(NotStrict):
        await json_in(b"{", FakeClock(), Structure(5, 5))
