"""Web pages elsewhere that may call the admin API, as a browser of theirs sees it."""

from __future__ import annotations

import pytest

from proxy.admin.api import admin_app

from .conftest import Client, Connect, FakeRunning

OPS = "https://ops.example"
TOKEN = "correct-horse-battery"
PREFLIGHT = {"Origin": OPS, "Access-Control-Request-Method": "POST"}


@pytest.fixture
async def client(running: FakeRunning, connect: Connect) -> Client:
    return await connect(admin_app(running, token=TOKEN, origins=[OPS, "http://localhost:3000"]))


@pytest.mark.parametrize("origin", [OPS, "http://localhost:3000"])
async def test_a_page_of_a_listed_site_may_read(client: Client, origin: str) -> None:
    status, headers, _ = await client("GET", "/api/routes", headers={"Origin": origin})

    assert (200, origin) == (status, headers["Access-Control-Allow-Origin"])


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://ops.example.evil.example", "http://ops.example", "null"]
)
async def test_a_browser_keeps_answers_from_pages_of_any_other(client: Client, origin: str) -> None:
    _, headers, _ = await client("GET", "/api/routes", headers={"Origin": origin})

    assert "Access-Control-Allow-Origin" not in headers


async def test_a_preflight_of_a_listed_site_tells_what_it_may_do_and_needs_no_token(client: Client) -> None:
    status, headers, body = await client(
        "OPTIONS", "/api/reload", headers={**PREFLIGHT, "Access-Control-Request-Headers": "authorization"}
    )

    assert (200, b"", OPS, "POST", "AUTHORIZATION", "600") == (
        status,
        body,
        headers["Access-Control-Allow-Origin"],
        headers["Access-Control-Allow-Methods"],
        headers["Access-Control-Allow-Headers"],
        headers["Access-Control-Max-Age"],
    )


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        pytest.param("/api/reload", {"Origin": "https://evil.example"}, id="another site"),
        pytest.param("/api/reload", {"Access-Control-Request-Method": "DELETE"}, id="another method"),
        pytest.param(
            "/api/reload", {"Access-Control-Request-Headers": "x-forwarded-for"}, id="another field"
        ),
    ],
)
async def test_any_other_preflight_is_refused_and_allows_nothing(
    client: Client, path: str, fields: dict[str, str]
) -> None:
    status, headers, body = await client("OPTIONS", path, headers=PREFLIGHT | fields)

    assert (403, "application/problem+json") == (status, headers["Content-Type"])
    assert b'"reason":"admin.origin"' in body
    assert [] == [name for name in headers if name.startswith("Access-Control-")]


async def test_no_answer_allows_cookies_and_caches_know_that_it_depends_on_the_site(client: Client) -> None:
    answers = [
        await client("GET", "/api/routes", headers={"Origin": OPS}),
        await client("OPTIONS", "/api/reload", headers=PREFLIGHT),
    ]

    assert [(False, True)] * 2 == [
        ("Access-Control-Allow-Credentials" in headers, "Origin" in headers["Vary"])
        for _, headers, _ in answers
    ]


async def test_a_page_of_a_listed_site_changes_something_with_the_token_only(
    client: Client, running: FakeRunning
) -> None:
    running.reloads = ["77b1"]
    fields = {"Origin": OPS, "Sec-Fetch-Site": "cross-site"}

    without = await client("POST", "/api/reload", headers=fields)
    right = await client("POST", "/api/reload", headers={**fields, "Authorization": f"Bearer {TOKEN}"})

    assert [(401, OPS), (200, OPS)] == [
        (status, headers["Access-Control-Allow-Origin"]) for status, headers, _ in (without, right)
    ]


async def test_a_page_can_read_why_it_was_refused(client: Client) -> None:
    status, headers, _ = await client("GET", "/api/decisions/d-9", headers={"Origin": OPS})

    assert (404, OPS, {"Retry-After", "WWW-Authenticate"}) == (
        status,
        headers["Access-Control-Allow-Origin"],
        set(headers["Access-Control-Expose-Headers"].split(",")),
    )


async def test_without_a_token_a_listed_site_changes_nothing(running: FakeRunning, connect: Connect) -> None:
    client = await connect(admin_app(running, origins=[OPS]))

    status, answer = await client.json("POST", "/api/reload", headers={"Origin": OPS})

    assert (403, "admin.origin") == (status, answer["reason"])


async def test_with_no_site_listed_there_is_no_preflight_at_all(
    running: FakeRunning, connect: Connect
) -> None:
    client = await connect(admin_app(running))

    status, headers, _ = await client("OPTIONS", "/api/reload", headers=PREFLIGHT)

    assert (405, "POST") == (status, headers["Allow"])
    assert [] == [name for name in headers if name.startswith("Access-Control-")]


async def test_a_preflight_for_another_name_gets_nothing(client: Client) -> None:
    status, _, _ = await client("OPTIONS", "/api/reload", headers={**PREFLIGHT, "Host": "evil.example"})

    assert 421 == status
