"""What goes together in a policy file, and what does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.config.loader import load
from proxy.errors import ConfigError
from proxy.policies import PIPELINE_ORDER
from tests.policies.identity.tokens import SECRET, a_key, jwk, jwks

FILE = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:3000"}}}}
routes:
  - name: example
    match:
      path: "/orgs/{{org}}/x"
    policies:
      jwt: {{{says}}}
"""
BY_URL = 'issuer: "https://id.example", algorithms: [RS256], jwks: {url: "https://id.example/jwks"}'
BY_FILE = 'issuer: "https://id.example", algorithms: [ES256], jwks: {file: jwks.json}'
SHARED = "algorithms: [HS256], secrets: [{env: S}]"


@pytest.mark.parametrize(
    ("says", "wrong"),
    [
        pytest.param(BY_URL, [], id="by url"),
        pytest.param(BY_FILE, [], id="by file"),
        pytest.param(SHARED, [], id="by a secret"),
        pytest.param(f"{SHARED}, issuer: [a, b], audience: [c, d]", [], id="lists"),
        pytest.param(f"{SHARED}, claims: {{org: path.org, n: [1, true, x], s: header:X-S}}", [], id="claims"),
        pytest.param(f"{SHARED}, header: X-Token, typ: at+jwt, max_age: 1h, required: [jti]", [], id="more"),
        pytest.param(f"{SHARED}, header: X{'-a' * 9}", ["header"], id="a header with many spellings"),
        pytest.param(
            f"{SHARED}, claims: {{org: header:X{'-a' * 9}}}",
            ["claims.org"],
            id="a claim's with many spellings",
        ),
        pytest.param("secrets: [{env: S}]", [""], id="no algorithms"),
        pytest.param("algorithms: [], secrets: [{env: S}]", ["algorithms"], id="an empty list of them"),
        pytest.param("algorithms: [none], secrets: [{env: S}]", ["algorithms[0]"], id="none"),
        pytest.param("algorithms: [HS256, RS256], secrets: [{env: S}]", ["algorithms"], id="both kinds"),
        pytest.param("algorithms: [HS256]", [""], id="no secret"),
        pytest.param(f"{SHARED}, jwks: {{file: jwks.json}}", ["jwks"], id="a secret and a set"),
        pytest.param(f"{BY_URL}, secrets: [{{env: S}}]", ["secrets"], id="a set and a secret"),
        pytest.param("issuer: a, algorithms: [RS256]", [""], id="no set"),
        pytest.param("algorithms: [ES256], jwks: {file: jwks.json}", [""], id="a set, and no issuer"),
        pytest.param(f"{SHARED}, issuer: ''", ["issuer"], id="an empty issuer"),
        pytest.param(f"{SHARED}, audience: []", ["audience"], id="an empty list of audiences"),
        pytest.param("algorithms: [HS256], secrets: [{env: SHORT}]", ["secrets[0]"], id="a short secret"),
        pytest.param(f"{SHARED}, key_encoding: hex", ["secrets[0]"], id="a secret that is not in hex"),
        pytest.param(BY_FILE.replace("ES256", "RS256"), ["jwks.file"], id="a set for other algorithms"),
        pytest.param(BY_FILE.replace("jwks.json", "none.json"), ["jwks.file"], id="a file that is not there"),
        pytest.param(f"{BY_URL[:-1]}, file: jwks.json}}", ["jwks"], id="two places"),
        pytest.param(f"{BY_FILE[:-1]}, ca_file: jwks.json}}", [""], id="no PEM"),
        pytest.param(BY_URL.replace('url: "https:', 'url: "http:'), ["jwks.url"], id="http"),
        pytest.param(BY_URL.replace("//id", "//u:hunter2@id"), ["jwks.url"], id="credentials in the url"),
        pytest.param(BY_URL.replace("example/", "example:99999/"), ["jwks.url"], id="no port"),
        pytest.param(f"{BY_URL[:-1]}, refresh_every: 1s}}", ["jwks.refresh_every"], id="too often"),
        pytest.param(
            f"{BY_URL[:-1]}, unknown_kid_every: 0s}}", ["jwks.unknown_kid_every"], id="far too often"
        ),
        pytest.param(f"{SHARED}, claims: {{org: path.other}}", ["claims.org"], id="a path without it"),
        pytest.param(f"{SHARED}, claims: {{org: acme}}", ["claims.org"], id="a value that is no list"),
        pytest.param(f"{SHARED}, claims: {{org: []}}", ["claims.org"], id="no value"),
        pytest.param(f"{SHARED}, claims: {{org: auth.id}}", ["claims.org"], id="who it makes known itself"),
        pytest.param(f"{SHARED}, leeway: 1h", ["leeway"], id="a huge leeway"),
        pytest.param(f"{SHARED}, max_size: 1MiB", ["max_size"], id="a huge token"),
        pytest.param(f"{SHARED}, max_age: 0s", ["max_age"], id="no age at all"),
    ],
)
def test_what_a_policy_file_may_say(says: str, wrong: list[str], tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(FILE.format(says=says), encoding="utf-8")
    (tmp_path / "jwks.json").write_bytes(jwks(jwk(a_key())))
    told, found = "", []
    try:
        load(file, PIPELINE_ORDER, env={"S": SECRET, "SHORT": "hunter2"})
    except ConfigError as error:
        told = str(error)
        found = [each.path.removeprefix("routes[0].policies.jwt").lstrip(".") for each in error.problems]

    assert (wrong, False, False) == (found, "hunter2" in told, SECRET in told), told


def test_a_file_with_a_mistake_is_told_of_with_its_own_place(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(FILE.format(says=BY_FILE), encoding="utf-8")
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": []}) + "]", encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        load(file, PIPELINE_ORDER, env={})

    assert caught.value.problems[0].file.endswith("jwks.json")
