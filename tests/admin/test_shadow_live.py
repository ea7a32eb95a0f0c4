"""From a request through a policy in shadow to what the admin port says of it, across a reload."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.admin.api import admin_app
from tests.app.served import Served, served
from tests.app.trial import Files
from tests.wire.harness import Echo, RawUpstream

from .conftest import Client, Connect

SHADOWED = """\
  - name: small
    match: {path: /small/**, methods: [POST]}
    policies:
      size_limit: {body: 4B, mode: shadow}
"""


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Served]:
    async with RawUpstream(Echo()) as upstream, served(Files(tmp_path), upstream, more=SHADOWED) as running:
        yield running


@pytest.fixture
async def client(running: Served, connect: Connect) -> Client:
    return await connect(admin_app(running.proxy))


async def post(running: Served, *bodies: bytes) -> list[int]:
    return [(await running.client.post("/small/x", content=body)).status_code for body in bodies]


async def shadow(client: Client) -> dict[str, Any]:
    status, answer = await client.json("GET", "/api/shadow")
    assert 200 == status
    (policy,) = answer["policies"]
    return policy  # type: ignore[no-any-return]


async def test_what_would_be_refused_passes_and_is_told(running: Served, client: Client) -> None:
    assert [200, 200, 200] == await post(running, b"ok", b"too long", b"longer still")

    policy = await shadow(client)

    (finding,) = policy["findings"]
    assert ("small", "size_limit/small", 3, 2, "size_limit.body", ["POST", "/small/x"]) == (
        policy["route"],
        policy["policy"],
        policy["requests"],
        policy["would_have_refused"],
        finding["reason"],
        [finding["examples"][0][name] for name in ("method", "path")],
    )


async def test_an_example_leads_to_its_decision(running: Served, client: Client) -> None:
    await post(running, b"too long")
    (finding,) = (await shadow(client))["findings"]

    status, decision = await client.json("GET", f"/api/decisions/{finding['examples'][0]['decision_id']}")

    assert (200, "small", "shadow") == (status, decision["route"], decision["mode"])


async def test_a_reload_keeps_the_count_and_an_edit_of_the_policy_begins_it_anew(
    running: Served, client: Client
) -> None:
    await post(running, b"too long")

    running.edit("Revision: one", "Revision: two")
    await running.proxy.reload()
    await post(running, b"too long")
    kept = await shadow(client)
    running.edit("body: 4B", "body: 5B")
    await running.proxy.reload()
    await post(running, b"fives", b"too long")
    anew = await shadow(client)

    assert [(2, 2), (2, 1)] == [(policy["requests"], policy["would_have_refused"]) for policy in (kept, anew)]


async def test_routes_and_revision_are_those_that_are_live(running: Served, client: Client) -> None:
    _, routes = await client.json("GET", "/api/routes")
    _, revision = await client.json("GET", "/api/revision")

    assert ["all", "small"] == [route["name"] for route in routes["routes"]]
    assert (running.proxy.configuration.revision, True) == (
        revision["revision"],
        revision["last_reload"]["ok"],
    )
