"""What operators are told of a policy with others in it, and that no secret is among it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli import main

FILE = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:3000"}}
routes:
  - name: api
    match: {path: "/**"}
    policies:
      authenticate:
        methods: [POST]
        any_of:
          - api_key: {keys: [{id: acme, sha256: HASH, attributes: {plan: gold}}]}
          - basic_auth: {credentials: [{env: OPERATOR}]}
          - webhook_signature: {scheme: slack, secrets: [{env: SLACK}]}
        forward: {X-Auth-Id: auth.id}
"""
HASH = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
SECRETS = {"OPERATOR": "op:hunter2", "SLACK": "hunter3"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policies.yaml"
    path.write_text(FILE.replace("HASH", HASH))
    return path


def said(*arguments: str, **secrets: str) -> str:
    output = CliRunner().invoke(main, arguments, env=SECRETS | secrets).output
    assert [] == [secret for secret in ("hunter", HASH, "op:") if secret in output]
    return output


def test_check_says_it_in_words(file: Path) -> None:
    assert (
        "authenticate: POST need a credential, others do not, by api_key: 1 key is known, "
        "by webhook_signature: a signature is good for 5m before and after its time; on route api"
    ) in said("check", str(file))


@pytest.mark.parametrize("form", ["text", "json"])
def test_effective_shows_each_way_and_hides_its_secrets(file: Path, form: str) -> None:
    shown = said("effective", "--policies", str(file), "--format", form)

    assert [True] * 4 + [False] == [
        each in shown
        for each in (
            "any_of[0].api_key.keys[0].id",
            "any_of[1].basic_auth.credentials",
            "any_of[2].webhook_signature.scheme",
            "forward.X-Auth-Id",
            "any_of[0].basic_auth",
        )
    ]


def test_diff_tells_what_has_changed_within_a_way(file: Path) -> None:
    other = file.with_name("other.yaml")
    text = file.read_text()
    other.write_text(text.replace("gold", "silver").replace("OPERATOR", "OTHER").replace("slack", "stripe"))

    assert [
        "api: authenticate.any_of[0].api_key.keys[acme].attributes.plan gold → silver",
        "api: authenticate.any_of[2].webhook_signature.scheme slack → stripe",
        "api: authenticate.any_of[1].basic_auth.credentials: secret changed",
    ] == said("diff", str(file), str(other), OTHER="op:hunter4").splitlines()[:3]


def test_a_mistake_within_a_way_is_told_without_its_secrets(file: Path) -> None:
    file.write_text(file.read_text().replace("{env: OPERATOR}", "op:hunter2").replace("sha256:", "sha255:"))
    told = said("check", str(file))

    assert [True, True] == [
        f"{file}:{place}: routes[0].policies.authenticate.any_of[{index}]" in told
        for index, place in ((0, "10:41"), (1, "11:40"))
    ]


def test_explain_tells_which_way_refused_and_why(file: Path) -> None:
    told = said(
        "explain",
        "--policies",
        str(file),
        "--path",
        "/",
        "--method",
        "POST",
        "--header",
        "X-API-Key: hunter9",
    )

    assert "refused: authenticate.invalid" in told
    assert "because     api_key.invalid: this key is not known" in told
