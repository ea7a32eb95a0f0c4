"""Replicas that share a store are one limit: to the request."""

from __future__ import annotations

from pathlib import Path

from bench.replicas import Replicas

BUCKET = 200


async def test_two_let_exactly_one_bucket_through_also_where_one_is_killed(tmp_path: Path) -> None:
    replicas = Replicas(tmp_path, BUCKET, "5s")
    async with replicas.running():
        both = await replicas.one_bucket(2000)
        killed = await replicas.one_is_killed(1000)

    assert ({204: BUCKET, 429: 2000 - BUCKET}, BUCKET) == (both.statuses, replicas.upstream.hits["/all"])
    # What was on its way in the process that was killed may have been taken, and has not arrived.
    assert BUCKET - 8 <= replicas.upstream.hits["/killed"] <= BUCKET
    assert 0 < killed.statuses[429]
