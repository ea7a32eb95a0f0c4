"""What is in force on a route, as text and JSON."""

from __future__ import annotations

import json
from pathlib import Path

from proxy.config.effective import as_json, as_text, values
from tests.config.kinds import START, RetryConfig, SecurityHeadersConfig, SignatureConfig, loaded, parsed

TEXT = f"""{START}defaults: {{deadline: 30s}}
routes:
  - name: one
    match: {{path: /one, headers: {{X-Tenant: "${{TENANT}}"}}, query: {{access_token: "${{TENANT}}"}}}}
    upstream: app
    policies:
      webhook_signature: {{secrets: [{{env: SECRET}}]}}
  - name: two
    match: {{path: /two, hosts: [a.example, "*.b.example"]}}
no_route: {{}}
"""


def test_people_see_each_value_and_where_it_comes_from(tmp_path: Path) -> None:
    shown = as_text(loaded(TEXT, tmp_path), "one").replace(f"{tmp_path}/", "")

    assert (
        """\
route one  (a.yaml:5)
  path                /one                        a.yaml:6
  headers.X-Tenant    ***                         a.yaml:6
  query.access_token  ***                         a.yaml:6
  upstream            app, http://127.0.0.1:3000  a.yaml:7
  deadline  [deadline/one]
    mode       enforce  default
    total      30s      a.yaml:3
    propagate  null     default
  webhook_signature  [webhook_signature/one]
    mode        enforce  default
    scheme      hmac     default
    secrets[0]  ***      a.yaml:9"""
        == shown
    )


def test_all_routes_are_shown_and_what_has_none(tmp_path: Path) -> None:
    configuration = loaded(TEXT, tmp_path)
    blocks = as_text(configuration).split("\n\n")

    assert ["route one", "route two", "no route"] == [" ".join(block.split()[:2]) for block in blocks]
    assert ["no route"] == as_text(configuration, "no_route").split("\n\n")
    assert "default" in as_text(configuration, "two").splitlines()[3]


def test_programs_see_the_same(tmp_path: Path) -> None:
    shown = json.loads(json.dumps(as_json(loaded(TEXT, tmp_path), "one")).replace(f"{tmp_path}/", ""))
    (route,) = shown["routes"]

    assert ("one", "a.yaml:5", {"name": "app", "url": "http://127.0.0.1:3000"}) == (
        route["name"],
        route["place"],
        route["upstream"],
    )
    assert ("/one", "***", []) == (
        route["match"]["path"],
        route["match"]["headers.X-Tenant"],
        route["match"]["hosts"],
    )
    assert {
        "kind": "webhook_signature",
        "state": "webhook_signature/one",
        "mode": "enforce",
        "place": "a.yaml:9",
        "values": [
            {"path": "mode", "value": "enforce", "from": "default"},
            {"path": "scheme", "value": "hmac", "from": "default"},
            {"path": "secrets[0]", "value": "***", "from": "a.yaml:9"},
        ],
    } == route["policies"][1]


def test_programs_see_all_routes_and_what_has_none(tmp_path: Path) -> None:
    configuration = loaded(TEXT, tmp_path)

    assert (["one", "two"], {"policies": []}) == (
        [route["name"] for route in as_json(configuration)["routes"]],
        as_json(configuration)["no_route"],
    )
    assert ([], True) == (
        as_json(configuration, "no_route")["routes"],
        "no_route" in as_json(configuration, "no_route"),
    )
    assert "no_route" not in as_json(configuration, "one")


def test_schemas_within_schemas_are_taken_apart() -> None:
    node, _ = parsed(
        "backoff: {factor: '${NO:-3}'}\n"
        "classes: {a: {status: [429], extra: {b: [1]}}}\n"
        "again: [{body: 1MB}]\n"
    )
    shown = {value.path: value.value for value in values(RetryConfig, node)}

    assert {
        "mode": "enforce",
        "backoff.base": "250ms",
        "backoff.factor": 3,
        "open_for": "5s",
        "classes.a.status": [429],
        "classes.a.body": None,
        "classes.a.extra": {"b": [1]},
        "again[0].status": [],
        "again[0].body": "1MB",
        "again[0].extra": None,
        "careful": True,
    } == shown


def test_a_mapping_where_others_have_a_value_is_taken_apart() -> None:
    node, _ = parsed("{open_for: {base: 2s}}")
    shown = {value.path: (value.value, value.origin) for value in values(RetryConfig, node)}

    assert (("2s", "a.yaml:1"), (2.0, "default")) == (shown["open_for.base"], shown["open_for.factor"])


def test_what_the_environment_puts_into_headers_and_secrets_is_hidden_and_the_rest_is_not() -> None:
    headers, _ = parsed("{set: {X-A: '${TENANT}', X-B: plain, X-C: '$${TENANT}'}, preset: '${NO:-none}'}")
    secrets, _ = parsed("{secrets: [hunter2, {env: SECRET}], scheme: '${NO:-hmac}'}")

    assert ["none", "***", "plain", "${TENANT}"] == [v.value for v in values(SecurityHeadersConfig, headers)][
        1:5
    ]
    assert ["hmac", "***", "***"] == [value.value for value in values(SignatureConfig, secrets)][1:]


def test_a_terminal_is_not_confused() -> None:
    node, _ = parsed('{set: {X-A: "a\\tb"}}')
    text = [value for value in values(SecurityHeadersConfig, node) if value.path == "set.X-A"]

    assert ["a\tb"] == [value.value for value in text]
