"""The JSON Schema for editors, held against what the loader says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from proxy.config.jsonschema import json_schema
from proxy.config.nodes import Source, plain
from proxy.config.report import Report
from proxy.config.yaml12 import parse
from tests.config.kinds import KINDS, ROUTE, START
from tests.config.test_cases import CASES, SEPARATOR

SCHEMA = json_schema(KINDS)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def complaints(text: str) -> list[str]:
    node = parse(text.encode(), Source("a.yaml", ""), Report())
    assert node is not None
    return ["/".join(map(str, error.absolute_path)) for error in VALIDATOR.iter_errors(plain(node))]


def in_route(policies: str) -> str:
    return f"{START}{ROUTE}    policies: {policies}\n"


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)

    assert "https://json-schema.org/draft/2020-12/schema" == SCHEMA["$schema"]


def test_every_reference_leads_somewhere() -> None:
    references = set(re.findall(r'"#/\$defs/([^"]+)"', json.dumps(SCHEMA)))

    assert references == references & SCHEMA["$defs"].keys()


def test_what_the_loader_takes_the_schema_takes() -> None:
    good = [case for case in CASES if "\n# route " in case.read_text("utf-8", "replace")]

    assert {"all_that_can_be_said", "words_that_yaml_1_1_misreads"} <= {case.stem for case in good}
    assert [] == [
        (case.stem, found) for case in good if (found := complaints(case.read_text().partition(SEPARATOR)[0]))
    ]


@pytest.mark.parametrize(
    "policies",
    [
        "{deadline: 30s}",
        "{deadline: slow}",
        "{deadline: {use: slow, mode: 10%}}",
        "{deadline: '${A}'}",
        "{deadline: {total: '${A:-30s}'}}",
        "{deadline: ~}",
        "{rate_limit: [a, {name: b, limit: 5}, {use: c, limit: ~}]}",
        "{rate_limit: {limit: '${LIMIT}', x-note: free}}",
        "{rate_limit: {burst: 10%}}",
        "{webhook_signature: {secrets: [{env: A}, {file: b}]}}",
        "{security_headers: {set: {X-A: 0, x-b: 'c'}, remove: [a]}}",
        "{retry: {classes: {a: {status: 429, body: 1MB}, b: {status: [5xx, 429], extra: [~]}}}}",
        "{retry: {careful: '${A}'}}",
        "{x-free: [1]}",
        "",
    ],
)  # fmt: skip
def test_what_is_allowed_is_allowed(policies: str) -> None:
    assert [] == complaints(in_route(policies or "{}"))


@pytest.mark.parametrize(
    "policies",
    [
        "{deadlin: 30s}",
        "{deadline: 30}",
        "{deadline: {total: 30}}",
        "{deadline: {totl: 30s}}",
        "{rate_limit: {limit: 0}}",
        "{rate_limit: {limit: 1.5}}",
        "{rate_limit: {key: []}}",
        "{rate_limit: [5]}",
        "{rate_limit: {name: x}}",
        "{webhook_signature: {secrets: [hunter2]}}",
        "{webhook_signature: {secrets: [{sealed: []}]}}",
        "{webhook_signature: {secrets: [{}]}}",
        "{webhook_signature: {scheme: gitlab}}",
        "{security_headers: {set: {'X A': b}}}",
        "{retry: {backoff: {factor: 11}}}",
        "{retry: {careful: 'yes'}}",
        "[deadline]",
    ],
)
def test_what_is_wrong_is_wrong(policies: str) -> None:
    assert ["routes/0/policies"] == [path[:17] for path in complaints(in_route(policies))]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (START + ROUTE, False),
        ("version: 1\nupstreams: {app: {}}\n" + ROUTE, False),
        ("version: 1\nupstreams: {x-a: [1], app: {x-b: 2}}\n" + ROUTE, False),
        (START + ROUTE + "policies: {deadline: {slow: 60s, x-a: 1}, rate_limit: {a: {burst: 1}}}\n", False),
        (START + ROUTE + "defaults: {deadline: 3s}\nno_route: {security_headers: owasp}\n", False),
        (START + ROUTE + "errors: {templates: {a.b: {json: ~}, a.c: {text: d}}}\n", False),
        (START + ROUTE + "health: {paths: {/a: details}}\nmetrics: {path: /b, buckets: [1s]}\n", False),
        ("version: 2\n" + ROUTE, True),
        (ROUTE, True),
        (START + ROUTE + "audits: []\n", True),
        (START + ROUTE + "tests: [{name: a, steps: [{wait: 1s}]}]\n", False),
        (START + ROUTE + "tests: [{name: a, steps: []}]\n", True),
        (START + ROUTE + "tests: [{name: a, steps: [{request: {paht: /}}]}]\n", True),
        (START + ROUTE + "test_secrets: {env: {A: b}, files: {/run/a: b}, credentials: {a: b}}\n", False),
        (START + ROUTE + "test_secrets: {env: {A: 1}}\n", True),
        (START + ROUTE + "errors: {templates: {a.b: {}}}\n", True),
        (START + ROUTE + "errors: {templates: {a: {text: d}}}\n", True),
        (START + ROUTE + "health: {paths: {a: details}}\n", True),
        (START + ROUTE + "metrics: {buckets: []}\n", True),
        (START + ROUTE + "policies: {deadline: [1s]}\n", True),
        (START + "routes:\n- {name: a, match: {path: a}}\n", True),
        (START + "routes:\n- {name: a b, match: {path: /a}}\n", True),
    ],
)
def test_the_rest_of_a_file(text: str, wrong: bool) -> None:
    assert wrong is bool(complaints(text))


def test_fields_have_descriptions_defaults_and_examples() -> None:
    total = SCHEMA["$defs"]["deadline"]["properties"]["total"]
    pool: Any = SCHEMA["properties"]["upstreams"]["additionalProperties"]["properties"]["pool"]["properties"]

    assert ("For all of it.", ["30s"]) == (total["description"], total["anyOf"][0]["examples"])
    assert "30s" == pool["idle_timeout"]["default"]
    assert (1, 65535) == (
        pool["max_connections"]["anyOf"][0]["minimum"],
        pool["max_connections"]["anyOf"][0]["maximum"],
    )


def test_no_pattern_holds_what_only_python_understands() -> None:
    assert "\\ud800" not in json.dumps(SCHEMA).replace("\\\\", "\\").lower()


def test_the_schema_can_be_written_down(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(SCHEMA))

    assert SCHEMA == json.loads(file.read_text())
