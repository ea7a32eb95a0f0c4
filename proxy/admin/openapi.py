"""The admin API described for programs: OpenAPI 3.1, made from the table of its paths.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from proxy import __version__
from proxy.admin.endpoints import ENDPOINTS, Access, Answer, Endpoint, problem_answer

Document = dict[str, Any]

_INFO = """\
Reads how Seawall is doing and what it decided, and has it load its policy files.

Host must name the port: a loopback name or address, or the address that was connected to.
From this machine, reading needs no token; from elsewhere it does. What changes something
needs the token wherever one is set (`--admin-token-file`). A browser's page of another
origin may call only where that is listed (`--admin-origin`), and may change something only
with the token. Every refusal is `application/problem+json` with a stable `reason`.
"""
_ACCESS: Mapping[Access, str] = {
    "anybody": "For anybody who reaches the port.",
    "operator": "From this machine without a token, from elsewhere with it.",
    "change": "With the token, wherever one is set.",
}
_REFUSED = {
    401: "The token is missing or wrong: `admin.token`.",
    403: "This caller may not, whatever it shows: `admin.peer`, `admin.origin`.",
}
_MISDIRECTED = "Host does not name this port: `admin.host`."


def document() -> Document:
    """The whole of it. The same for the same sources."""
    kinds = {answer.body for endpoint in ENDPOINTS for answer in _answers(endpoint).values()}
    kinds = (kinds | {endpoint.takes for endpoint in ENDPOINTS}) - {None}
    ordered = sorted(kinds, key=str)
    schemas, components = msgspec.json.schema_components(
        ordered, ref_template="#/components/schemas/{name}", schema_hook=_schema_of
    )
    schema_of = dict(zip(ordered, schemas, strict=True))
    paths: Document = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Seawall admin API", "version": __version__, "description": _INFO},
        "servers": [{"url": "http://127.0.0.1:9901", "description": "--admin"}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "--admin-token-file"}
            },
        },
    }


def text() -> str:
    """As it stands in docs/openapi.json."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _answers(endpoint: Endpoint) -> dict[int, Answer]:
    """What it says itself, and what is said to those who may not come in."""
    refused = {} if endpoint.access == "anybody" else _REFUSED
    gates = {status: problem_answer(says) for status, says in {**refused, 421: _MISDIRECTED}.items()}
    return dict(sorted({**gates, **endpoint.answers}.items()))


def _schema_of(kind: Any) -> Document:
    """For msgspec, of what it has no schema for."""
    if kind is object:
        return {"description": "Anything that JSON can hold."}
    raise TypeError(f"an endpoint answers with {kind!r}, of which there is no schema")


def _operation(endpoint: Endpoint, schema_of: Mapping[Any, Document]) -> Document:
    operation: Document = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": " ".join(filter(None, (endpoint.says, _ACCESS[endpoint.access]))),
        "security": [] if endpoint.access == "anybody" else [{}, {"token": []}],
        "responses": {
            **{str(status): _response(answer, schema_of) for status, answer in _answers(endpoint).items()},
            "default": _response(problem_answer("Anything else."), schema_of),
        },
    }
    if parameters := list(_parameters(endpoint)):
        operation["parameters"] = parameters
    if endpoint.takes is not None:
        content = {"application/json": {"schema": schema_of[endpoint.takes]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _response(answer: Answer, schema_of: Mapping[Any, Document]) -> Document:
    schema = {"type": "string"} if answer.body is None else schema_of[answer.body]
    return {
        "description": answer.says,
        "content": {media_type: {"schema": schema} for media_type in answer.media_types},
    }


def _parameters(endpoint: Endpoint) -> Iterator[Document]:
    for name, says in endpoint.in_path.items():
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": says,
            "schema": {"type": "string"},
        }
    _, components = msgspec.json.schema_components([endpoint.query])
    for name, schema in components[endpoint.query.__name__]["properties"].items():
        told = {key: value for key, value in schema.items() if (key, value) != ("default", "")}
        yield {"name": name, "in": "query", "description": told.pop("description"), "schema": told}
