"""The description of the admin API is that of the API: nothing more, nothing less, nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator

from proxy.admin.api import admin_app
from proxy.admin.endpoints import ENDPOINTS
from proxy.admin.openapi import document, text
from proxy.errors import ConfigError, Problem, Rejection
from proxy.exchange import Exchange, Outcome, Request, RouteFacts
from tests.telemetry.shadowed import AT, follow, would_be_refused

from .conftest import Client, Connect, FakeRunning

DOCUMENT = document()
OPERATIONS = [
    (path, method, operation)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]
each_operation = pytest.mark.parametrize(
    "operation", [pytest.param(each, id=each["operationId"]) for _, _, each in OPERATIONS]
)


def validator(operation_id: str, status: int, media_type: str) -> Draft202012Validator:
    """For the body of an answer. References resolve within the document."""
    operation = next(each for _, _, each in OPERATIONS if each["operationId"] == operation_id)
    schema = operation["responses"][str(status)]["content"][media_type]["schema"]
    return Draft202012Validator({**schema, "components": DOCUMENT["components"]})


def refuse(running: FakeRunning) -> None:
    exchange = Exchange(Request("GET", "/t/1", "/t/1"), client_ip="192.0.2.7", decision_id="d-1")
    exchange.route = RouteFacts("tickets", "/t/{id}")
    exchange.refusal = Rejection(413, "size_limit.body", facts={"limit": 10, "length": 11})
    running.decisions.add(exchange, Outcome(413, 1.0, "size_limit.body"), AT)


@pytest.fixture
async def client(running: FakeRunning, connect: Connect) -> Client:
    refuse(running)
    follow(running.shadow_report, ["tickets"])
    running.shadow_report.add(would_be_refused(), AT)
    running.reloads = ["77b1"]
    return await connect(admin_app(running))


def test_every_route_of_the_port_is_described_and_nothing_else(running: FakeRunning) -> None:
    app = admin_app(running, origins=["https://ops.example"])
    served = {
        (route.resource.canonical, route.method.lower())
        for route in app.router.routes()
        if route.resource is not None and route.method not in ("HEAD", "OPTIONS")
    }

    assert served == {(path, method) for path, method, _ in OPERATIONS}


@pytest.mark.parametrize("endpoint", [pytest.param(each, id=each.name) for each in ENDPOINTS])
async def test_a_good_answer_is_as_described(client: Client, endpoint: Any) -> None:
    path = endpoint.path.replace("{id}", "d-1").replace("{name}", "app")
    given = {"json": {"state": "closed"}} if endpoint.takes is not None else {}
    status, headers, body = await client(endpoint.method, path, **given)
    media_type = headers["Content-Type"].split(";")[0]

    value = json.loads(body) if "json" in media_type else body.decode()

    assert [] == [error.message for error in validator(endpoint.name, status, media_type).iter_errors(value)]
    assert (200, True) == (status, bool(value))


@pytest.mark.parametrize(
    ("operation", "method", "path", "headers", "status"),
    [
        pytest.param("decision", "GET", "/api/decisions/d-9", {}, 404, id="no such decision"),
        pytest.param("decisions", "GET", "/api/decisions?limit=0", {}, 400, id="a bad parameter"),
        pytest.param("routes", "GET", "/api/routes", {"Host": "evil.example"}, 421, id="another host"),
        pytest.param("reload", "POST", "/api/reload", {"Origin": "http://e.example"}, 403, id="another site"),
        pytest.param("reload", "POST", "/api/reload", {}, 422, id="files with problems"),
        pytest.param("health", "GET", "/healthz", {}, 503, id="not ready"),
        pytest.param("force_breaker", "POST", "/api/breakers/app", {}, 400, id="a bad body"),
    ],
)
async def test_a_refusal_is_as_described(
    running: FakeRunning,
    client: Client,
    operation: str,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
) -> None:
    running.readiness = (False, "draining")
    running.reloads = [ConfigError([Problem("a.yaml", 3, 5, "routes[0]", "unknown key", "  rotes:\n  ^")])]

    got, fields, body = await client(method, path, headers=headers)

    found = validator(operation, got, fields["Content-Type"]).iter_errors(json.loads(body))
    assert (status, []) == (got, [error.message for error in found])


async def test_a_missing_token_is_as_described(running: FakeRunning, connect: Connect) -> None:
    client = await connect(admin_app(running, token="correct-horse-battery"))

    status, fields, body = await client("POST", "/api/reload")

    found = validator("reload", status, fields["Content-Type"]).iter_errors(json.loads(body))
    assert (401, []) == (status, list(found))


def test_answers_that_were_not_described_would_be_found() -> None:
    check = validator("revision", 200, "application/json")

    assert not check.is_valid({"revision": 5})


def test_every_schema_is_one() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    used = set(re.findall(r'"#/components/schemas/(\w+)"', text()))

    assert used == set(DOCUMENT["components"]["schemas"])


def test_the_document_has_what_openapi_asks_of_it() -> None:
    assert re.fullmatch(r"3\.1\.\d+", DOCUMENT["openapi"])
    assert {"title", "version"} <= set(DOCUMENT["info"])
    assert {"type": "http", "scheme": "bearer"}.items() <= DOCUMENT["components"]["securitySchemes"][
        "token"
    ].items()
    assert len(OPERATIONS) == len({operation["operationId"] for _, _, operation in OPERATIONS})


@pytest.mark.parametrize(
    ("path", "operation"), [pytest.param(path, each, id=path) for path, _, each in OPERATIONS]
)
def test_the_parameters_of_a_path_are_described(path: str, operation: dict[str, Any]) -> None:
    described = [each for each in operation.get("parameters", []) if each["in"] == "path"]

    assert re.findall(r"\{(\w+)\}", path) == [each["name"] for each in described]
    assert all(each["required"] is True for each in described)


@each_operation
def test_an_operation_has_what_openapi_asks_of_it(operation: dict[str, Any]) -> None:
    known = {"operationId", "summary", "description", "security", "responses", "parameters", "requestBody"}

    assert set(operation) <= known
    assert all(re.fullmatch(r"[1-5]\d\d|default", status) for status in operation["responses"])
    assert [] == [
        status
        for status, response in operation["responses"].items()
        if set(response) != {"description", "content"} or not response["description"]
    ]
    assert [] == [
        each["name"]
        for each in operation.get("parameters", [])
        if set(each) - {"required"} != {"name", "in", "description", "schema"}
    ]


def test_what_changes_something_may_ask_for_the_token_and_probes_never_do() -> None:
    asks = {path: operation["security"] for path, _, operation in OPERATIONS}

    assert ([{}, {"token": []}], []) == (asks["/api/reload"], asks["/livez"])


def test_the_document_in_docs_is_this_one() -> None:
    stored = Path(__file__).parents[2] / "docs" / "openapi.json"

    assert text() == stored.read_text(encoding="utf-8"), "run make docs"


def test_every_path_has_its_lines_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "admin-api.md").read_text(encoding="utf-8")

    assert [] == [f"{each.method} {each.path}" for each in ENDPOINTS if f"`{each.path}`" not in page]


async def test_the_commands_of_the_documentation_are_answered(client: Client) -> None:
    page = (Path(__file__).parents[2] / "docs" / "admin-api.md").read_text(encoding="utf-8")
    commands = re.findall(
        r"^\$ curl -s (?:-X (POST) .*)?'?http://127\.0\.0\.1:9901([^' \n]+)", page, re.MULTILINE
    )

    answers = [(await client(method or "GET", path))[0] for method, path in commands]

    assert (4, [200] * 4) == (page.count("$ curl "), answers)


def test_preflights_and_heads_are_the_only_routes_that_go_without_saying() -> None:
    def methods(app: web.Application) -> Iterator[str]:
        return (route.method for route in app.router.routes())

    app = admin_app(FakeRunning())

    assert {"GET", "HEAD", "POST"} == set(methods(app))
