"""JSON Schemas as they are loaded, and what they find."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from proxy.policies.checks.json_schema.schema import compiled, faults


def found(schema: dict[str, Any], document: object, at_most: int = 8) -> list[str]:
    return [str(fault) for fault in faults(compiled(schema), document, at_most)]


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        pytest.param({"$ref": "http://127.0.0.1:9/x.json"}, "a $ref leads out of it", id="the network"),
        pytest.param({"$ref": "file:///etc/passwd"}, "a $ref leads out of it", id="a file"),
        pytest.param({"$ref": "other.json"}, "a $ref leads out of it", id="a file beside it"),
        pytest.param(
            {"$id": "http://a.example/b", "$ref": "c"}, "a $ref leads out of it", id="relative to its id"
        ),
        pytest.param(
            {"$schema": "http://a.example/b"}, "the $schema 'http://a.example/b' is not known", id="draft"
        ),
        pytest.param({"$ref": "#/$defs/x"}, "Pointer '/$defs/x' does not exist", id="nothing there"),
        pytest.param({"type": "strin"}, "/type: ", id="no such type"),
        pytest.param({"properties": {"a": {"minimum": "x"}}}, "/properties/a/minimum: ", id="further down"),
        pytest.param({"format": "emial"}, "Unknown format: 'emial'", id="no such format"),
        pytest.param({"pattern": "("}, "/pattern is no regular expression", id="no pattern"),
        pytest.param({"pattern": "^(?=a)"}, "expected one without (?=", id="a pattern that looks ahead"),
        pytest.param({"pattern": r"(a)\1"}, "expected one without (?=", id="a pattern that refers back"),
        pytest.param({"pattern": "a{1000}{1000}"}, "no huge repetitions", id="a huge pattern"),
        pytest.param({"patternProperties": {"(": {}}}, "is no regular expression", id="a pattern of keys"),
    ],
)
def test_a_schema_that_cannot_be_used_is_told_of(schema: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match="this is no JSON Schema that can be used") as raised:
        compiled(schema)

    assert told in str(raised.value)


def test_a_schema_without_end_is_told_of() -> None:
    schema: dict[str, Any] = {}
    for _ in range(300):
        schema = {"not": schema}

    with pytest.raises(ValueError, match="Recursion limit"):
        compiled(schema)


def test_without_the_package_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)

    with pytest.raises(ValueError, match=r"expected an installation as seawall\[schema\]"):
        compiled({})


@pytest.mark.parametrize(
    ("schema", "document", "expected"),
    [
        pytest.param({"type": "object"}, {}, [], id="as it should be"),
        pytest.param({"type": "object"}, [], ["the root (type)"], id="the root"),
        pytest.param(
            {"properties": {"a": {"items": {"pattern": "^x"}}}},
            {"a": ["x", "y"]},
            ["/a/1 (pattern)"],
            id="below",
        ),
        pytest.param({"required": ["a", "b"]}, {}, ["/a (required)", "/b (required)"], id="what is missing"),
        pytest.param(
            {"properties": {"a": {"required": ["b/c"]}}},
            {"a": {}},
            ["/a/b~1c (required)"],
            id="missing below",
        ),
        pytest.param(
            {"properties": {"c": {}}, "additionalProperties": False},
            {"a": 1, "b": 2},
            ["/a (additionalProperties)", "/b (additionalProperties)"],
            id="too much",
        ),
        pytest.param(
            {"properties": {"c": {}}, "unevaluatedProperties": False},
            {"a": 1},
            ["/a (unevaluatedProperties)"],
            id="too much, the other way",
        ),
        pytest.param({"format": "email"}, "nobody", ["the root (format)"], id="a format"),
        pytest.param({"type": "integer"}, 10**400, [], id="a large number"),
    ],
)
def test_a_fault_is_told_by_its_place_and_keyword(
    schema: dict[str, Any], document: object, expected: list[str]
) -> None:
    assert expected == found(schema, document)


@pytest.mark.parametrize("draft", ["draft-04", "draft-06", "draft-07"])
def test_older_drafts_are_known(draft: str) -> None:
    assert ["the root (type)"] == found(
        {"$schema": f"http://json-schema.org/{draft}/schema#", "type": "null"}, 1
    )


@pytest.mark.parametrize("at_most", [1, 8])
def test_no_more_is_told_than_is_wanted(at_most: int) -> None:
    assert at_most == len(found({"items": {"type": "string"}}, [1] * 50, at_most))


@pytest.mark.parametrize("at_most", [1, 8])
def test_no_value_is_told(at_most: int) -> None:
    schema = {"properties": {"a": {"enum": ["x"]}, "b": {"const": 1}, "c": {"pattern": "^x"}}}

    told = found(schema, dict.fromkeys("abc", "a secret"), at_most)

    assert min(at_most, 3) == len(told)
    assert "secret" not in " ".join(told)


def test_what_the_library_says_of_a_large_value_is_short() -> None:
    (error,) = compiled({"type": "null"}).iter_errors("secret" * 1000)

    assert 'a value is not of type "null"' == error.message
