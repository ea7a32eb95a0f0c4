"""Which JSON bodies go through."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.config.loader import load
from proxy.errors import Change, ConfigError
from proxy.exchange import Exchange
from proxy.headers import Headers
from proxy.policies import PIPELINE_ORDER
from proxy.policies.checks.json_schema import JsonSchema, JsonSchemaConfig
from proxy.policy import Hooks
from proxy.shadow import in_shadow
from proxy.testing import Chunks, FakeUpstream, exchange, fake_services, route
from tests.policies.reading import fields, problems, refusal

PASSED = (200, None)
CONTENT_TYPE = (415, "json_schema.content_type")
MALFORMED = (422, "json_schema.malformed")
INVALID = (422, "json_schema.invalid")
DEPTH = (422, "json_schema.depth")
KEYS = (422, "json_schema.keys")

TICKET = {
    "type": "object",
    "required": ["id"],
    "additionalProperties": False,
    "properties": {"id": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}},
}


def a_policy(schema: dict[str, Any] | None = None, **bounds: int) -> JsonSchema:
    return JsonSchema(JsonSchemaConfig(schema=schema, **bounds), fake_services(name="json_schema/ticket"))


def sent(body: bytes | Chunks, *content_types: str, method: str = "POST") -> Exchange:
    asked = exchange(method, body=body)
    asked.request.headers = Headers([(b"Content-Type", each.encode()) for each in content_types])
    return asked


def post(body: bytes) -> Exchange:
    return sent(body, "application/json")


async def verdict(asked: Exchange, policy: JsonSchema | None = None) -> tuple[int, str | None]:
    return refusal(await route(policy or a_policy(TICKET)).respond(asked))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b'{"id": 1, "tags": ["a"]}', PASSED, id="as it should be"),
        pytest.param(b'{"id": "1"}', INVALID, id="another type"),
        pytest.param(b'{"tags": []}', INVALID, id="a key too few"),
        pytest.param(b'{"id": 1, "x": 1}', INVALID, id="a key too many"),
        pytest.param(b"[]", INVALID, id="a list"),
        pytest.param(b'{"id": 1, "id": 2}', MALFORMED, id="a key twice"),
        pytest.param(b'{"id": NaN}', MALFORMED, id="not a number"),
        pytest.param(b'{"id": Infinity}', MALFORMED, id="infinity"),
        pytest.param(b'{"id": 1e999}', MALFORMED, id="infinity by a number"),
        pytest.param(b'{"id": 1}{', MALFORMED, id="something behind it"),
        pytest.param(b'{"tags": ["\xff"]}', MALFORMED, id="not in UTF-8"),
        pytest.param(b'{"tags": ["\\ud800"]}', MALFORMED, id="a lone surrogate"),
        pytest.param(b"\xef\xbb\xbf{}", MALFORMED, id="a byte order mark"),
        pytest.param(b"", MALFORMED, id="nothing"),
        pytest.param(b"id=1", MALFORMED, id="a form that says that it is JSON"),
    ],
)
async def test_a_body_is_judged_by_the_schema_and_by_how_clear_it_is(
    body: bytes, expected: tuple[int, str | None]
) -> None:
    assert expected == await verdict(post(body))


@pytest.mark.parametrize(
    ("content_types", "expected"),
    [
        pytest.param(["application/json"], PASSED, id="JSON"),
        pytest.param(["Application/JSON; Charset=UTF-8"], PASSED, id="in other letters, with its charset"),
        pytest.param(['application/json;charset="utf-8"'], PASSED, id="in quotes"),
        pytest.param(["application/vnd.acme+json; v=2"], PASSED, id="JSON by its suffix"),
        pytest.param(["application/json; charset=utf-16"], CONTENT_TYPE, id="another charset"),
        pytest.param(["application/json; charset=utf-8; charset=utf-7"], CONTENT_TYPE, id="two charsets"),
        pytest.param(["text/plain"], CONTENT_TYPE, id="another type"),
        pytest.param(["application/x-www-form-urlencoded"], CONTENT_TYPE, id="a form"),
        pytest.param(["application/jsonp"], CONTENT_TYPE, id="a type that begins like JSON"),
        pytest.param([""], CONTENT_TYPE, id="an empty type"),
        pytest.param([], CONTENT_TYPE, id="no type"),
        pytest.param(["application/json", "text/plain"], CONTENT_TYPE, id="two types"),
    ],
)
async def test_a_body_has_to_say_that_it_is_json(
    content_types: list[str], expected: tuple[int, str | None]
) -> None:
    assert expected == await verdict(sent(b'{"id": 1}', *content_types))


@pytest.mark.parametrize(("encoding", "expected"), [("gzip", CONTENT_TYPE), ("Identity", PASSED)])
async def test_what_is_compressed_is_not_judged_but_refused(
    encoding: str, expected: tuple[int, str | None]
) -> None:
    asked = post(b'{"id": 1}')
    asked.request.headers.add("Content-Encoding", encoding)

    assert expected == await verdict(asked)


async def test_a_refused_type_comes_with_those_that_are_accepted() -> None:
    told = fields(await route(a_policy()).respond(sent(b"{}", "text/plain")))

    assert (["application/json, application/*+json"], ["identity"]) == (
        told["accept"],
        told["accept-encoding"],
    )


@pytest.mark.parametrize(
    ("method", "body", "expected"),
    [
        pytest.param("GET", b"", PASSED, id="GET"),
        pytest.param("GET", Chunks(b""), CONTENT_TYPE, id="GET with chunks that nobody announced"),
        pytest.param("DELETE", b"", PASSED, id="DELETE"),
        pytest.param("DELETE", b"{", CONTENT_TYPE, id="DELETE with a body"),
        pytest.param("PUT", b"", MALFORMED, id="PUT"),
        pytest.param("PATCH", b"", MALFORMED, id="PATCH"),
    ],
)
async def test_only_methods_that_need_no_body_may_have_none(
    method: str, body: bytes | Chunks, expected: tuple[int, str | None]
) -> None:
    assert expected == await verdict(sent(body, method=method))


async def test_no_body_may_come_in_no_chunks() -> None:
    assert PASSED == await verdict(sent(Chunks(b""), "application/json", method="DELETE"))


@pytest.mark.parametrize(
    ("body", "expected", "change"),
    [
        pytest.param(b"[[[1]]]", DEPTH, Change("max_depth", 3), id="a level too deep"),
        pytest.param(b"[" * 300 + b"]" * 300, DEPTH, None, id="deeper than any limit can be"),
        pytest.param(b"[1,2,3,4]", KEYS, Change("max_keys", 4), id="an entry too many"),
        pytest.param(b'{"a":{"b":1,"c":2,"d":[]}}', DEPTH, Change("max_depth", 3), id="both"),
        pytest.param(b"[" + b"0," * 1000 + b"0]", KEYS, None, id="far too many, which nobody counts"),
    ],
)
async def test_deep_and_crowded_bodies_are_refused_without_being_built(
    body: bytes, expected: tuple[int, str], change: Change | None
) -> None:
    asked = post(body)

    answer = await verdict(asked, a_policy(max_depth=2, max_keys=300 if len(body) == 600 else 3))

    assert asked.refusal is not None
    assert (expected, change, "json_schema/ticket") == (answer, asked.refusal.change, asked.refusal.policy)


async def told(body: bytes, policy: JsonSchema) -> tuple[str, object]:
    asked = post(body)
    response = await route(policy).respond(asked)
    assert isinstance(response.content, bytes)
    assert asked.refusal is not None
    return json.loads(response.content)["detail"], asked.refusal.facts.get("at")


async def test_the_client_is_told_where_and_by_which_keyword_but_no_value() -> None:
    detail, facts = await told(b'{"id": "secret", "tags": ["a", 7]}', a_policy(TICKET))

    assert (
        "The body is not what this service expects. See /id (type), /tags/1 (type).",
        "/id (type), /tags/1 (type)",
    ) == (detail, facts)


async def test_of_a_crowded_body_the_first_fault_is_told() -> None:
    detail, _ = await told(json.dumps([1] * 1001).encode(), a_policy({"items": {"type": "string"}}))

    assert "The body is not what this service expects. See /0 (type)." == detail


async def test_the_client_is_told_which_object_has_a_key_twice() -> None:
    detail, _ = await told(b'{"id": {"a": 1, "a": 2}}', a_policy(TICKET))

    assert "The body is not JSON that can be read in one way only. See /id (a key stands twice)." == detail


async def test_what_goes_through_goes_as_it_came() -> None:
    upstream = FakeUpstream(200)

    await route(a_policy(TICKET), upstream=upstream).respond(
        sent(Chunks(b'{ "id"', b":1 }"), "application/json")
    )

    assert [b'{ "id":1 }'] == [request.content for request in upstream.seen]


async def test_without_a_schema_any_json_goes_through() -> None:
    assert [PASSED, MALFORMED] == [await verdict(post(body), a_policy()) for body in (b"7", b"seven")]


async def test_in_shadow_other_bodies_pass_and_are_reported() -> None:
    asked, upstream = post(b"[]"), FakeUpstream(200)

    await route(in_shadow("json_schema", Hooks.of(a_policy(TICKET))), upstream=upstream).respond(asked)

    assert (1, ["json_schema.invalid"]) == (
        len(upstream.seen),
        [each.reason for each in asked.shadowed or []],
    )


async def test_in_shadow_no_body_is_read() -> None:
    body = Chunks(b"[]")
    asked = sent(body, "application/json")

    await route(in_shadow("json_schema", Hooks.of(a_policy(TICKET)))).respond(asked)

    assert (body, ["json_schema.skipped"]) == (
        asked.request.content,
        [each.reason for each in asked.shadowed or []],
    )


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param("{}", [], id="any JSON"),
        pytest.param("{schema: {type: object}}", [], id="a schema"),
        pytest.param("{schema: {type: objekt}}", ["json_schema.schema"], id="no schema"),
        pytest.param(
            "{schema: {$ref: 'http://127.0.0.1/x'}}", ["json_schema.schema"], id="one from elsewhere"
        ),
        pytest.param("{max_depth: 201}", ["json_schema.max_depth"], id="deeper than parsers go"),
        pytest.param("{max_keys: 0}", ["json_schema.max_keys"], id="nothing at all"),
        pytest.param("{file: no.json}", ["json_schema.file"], id="no file"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_load(policy: str, expected: list[str], tmp_path: Path) -> None:
    assert expected == problems(f"json_schema: {policy}", tmp_path)


def test_one_schema_is_enough(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")

    assert ["json_schema.schema"] == problems("json_schema: {file: a.json, schema: {}}", tmp_path)


async def test_a_schema_in_a_file_is_read_at_load(tmp_path: Path) -> None:
    config = loaded(tmp_path, json.dumps(TICKET))

    policy = JsonSchema(config, fake_services())

    assert [PASSED, INVALID] == [await verdict(post(body), policy) for body in (b'{"id": 1}', b"{}")]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param('{"type": "objekt"}', "/type: ", id="no schema"),
        pytest.param('{"$ref": "other.json"}', "a $ref leads out of it", id="one that leads out"),
        pytest.param("[]", "expected a mapping", id="no object"),
        pytest.param('{"type": ', "ticket.json:1:", id="half a file"),
    ],
)
def test_a_mistake_in_the_file_is_found_at_load(content: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, content)

    assert told in str(raised.value)


def loaded(folder: Path, schema: str) -> JsonSchemaConfig:
    (folder / "ticket.json").write_text(schema, encoding="utf-8")
    (folder / "policies.yaml").write_text(
        """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:3000"}}
routes:
  - {name: tickets, match: {path: /tickets}, policies: {json_schema: {file: ticket.json}}}
""",
        encoding="utf-8",
    )
    config = load(folder / "policies.yaml", PIPELINE_ORDER, env={}).routes[0].policies[0].config
    assert isinstance(config, JsonSchemaConfig)
    return config


def test_the_bounds_are_told_in_words() -> None:
    assert [
        ("JSON of up to 1 level, with up to 7 keys and entries",),
        ("JSON of up to 20 levels, with up to 10000 keys and entries",),
    ] == [JsonSchemaConfig(max_depth=1, max_keys=7).in_words(), JsonSchemaConfig().in_words()]
