"""What goes together in a policy file, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.loader import load
from proxy.errors import ConfigError, Problem
from proxy.policies import PIPELINE_ORDER

FILE = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:3000"}}}}
routes:
  - name: example
    match: {{path: "/**"}}
    policies:
      webhook_signature: {{{says}}}
"""
ENV = {"S": "hunter2", "K": "whsec_" + "A" * 32, "E": "whsec_", "B": "whsec_hunter2"}
S = "secrets: [{env: S}]"
TOPIC = "topic_arns: ['arn:aws:sns:eu-west-1:123456789012:orders.fifo']"


def found(says: str, folder: Path) -> list[tuple[str, str]]:
    file = folder / "policies.yaml"
    file.write_text(FILE.format(says=says), encoding="utf-8")
    problems: tuple[Problem, ...] = ()
    try:
        load(file, PIPELINE_ORDER, env=ENV)
    except ConfigError as error:
        problems = error.problems
    assert "hunter2" not in "".join(map(str, problems))
    own = "routes[0].policies.webhook_signature"
    return [(each.path.removeprefix(own).lstrip("."), each.message) for each in problems]


@pytest.mark.parametrize(
    "says",
    [
        pytest.param(f"scheme: github, {S}", id="a provider"),
        pytest.param("scheme: github, secrets: [{env: S}, {env: K}]", id="two secrets"),
        pytest.param(f"scheme: slack, tolerance: 1m, {S}", id="a tolerance"),
        pytest.param(f"scheme: freshdesk, {S}", id="freshdesk"),
        pytest.param(f"scheme: freshdesk, header: X-F, {S}", id="freshdesk with a header"),
        pytest.param(f"scheme: token, header: X-T, {S}", id="a token"),
        pytest.param("scheme: svix, secrets: [{env: K}]", id="a key in base64"),
        pytest.param("scheme: gitlab, secrets: [{env: K}, {env: S}]", id="a key and a token"),
        pytest.param(f"scheme: square, public_url: https://h.example, {S}", id="a URL"),
        pytest.param(f"scheme: hmac, header: X-H, {S}", id="the body alone"),
        pytest.param(
            f"scheme: hmac, header: X-H, public_url: https://h.example, signed: '{{url}}{{body}}', {S}",
            id="a URL in a template",
        ),
        pytest.param(
            "scheme: hmac, header: X-H, timestamp: {header: X-T, unit: ms}, tolerance: 1m,"
            f" signed: '{{timestamp}}{{body}}', {S}",
            id="a time in a template",
        ),
        pytest.param(
            f"scheme: hmac, header: X-H, timestamp: {{header: X-T}}, signed: '{{header:x-t}}{{body}}', {S}",
            id="a time that is signed as a header",
        ),
        pytest.param(f"scheme: hmac, header: X-H, timestamp: {{field: /t}}, {S}", id="a time in the body"),
        pytest.param("scheme: paypal, webhook_id: 1JE4291016473214C", id="paypal"),
        pytest.param("scheme: paypal, webhook_id: a, sandbox: true, tolerance: 1h", id="paypal's sandbox"),
        pytest.param(f"scheme: aws-sns, {TOPIC}", id="aws-sns"),
        pytest.param(f"scheme: aws-sns, {TOPIC}, signature_versions: [1, 2]", id="aws-sns with SHA-1"),
    ],
)
def test_what_may_be_said(says: str, tmp_path: Path) -> None:
    assert [] == found(says, tmp_path)


@pytest.mark.parametrize(
    ("says", "where", "what"),
    [
        pytest.param("scheme: github", "", "`secrets` is missing", id="no secret"),
        pytest.param("scheme: github, secrets: []", "secrets", "at least 1 entry", id="an empty list"),
        pytest.param("scheme: github, secrets: [{env: NO}]", "secrets[0].env", "not set", id="not set"),
        pytest.param("scheme: github, secrets: [hunter2]", "secrets[0]", "in clear", id="in clear"),
        pytest.param(S, "", "`scheme` is missing", id="no scheme"),
        pytest.param("scheme: paypal", "", "`webhook_id` is missing", id="paypal for whom"),
        pytest.param(
            "scheme: paypal, webhook_id: 'a|b'", "webhook_id", "text that matches", id="an id with a bar"
        ),
        pytest.param("scheme: aws-sns", "", "`topic_arns` is missing", id="aws-sns about what"),
        pytest.param("scheme: aws-sns, topic_arns: [orders]", "topic_arns[0]", "is no topic", id="no topic"),
        pytest.param(
            f"scheme: aws-sns, {TOPIC}, signature_versions: [3]",
            "signature_versions[0]",
            "1 or 2",
            id="version 3",
        ),
        pytest.param(f"scheme: aws-sns, {TOPIC}, {S}", "secrets", "by certificate", id="a secret"),
        pytest.param(
            f"scheme: aws-sns, {TOPIC}, sandbox: true",
            "sandbox",
            "for paypal; expected none",
            id="SNS's sandbox",
        ),
        pytest.param(
            "scheme: paypal, webhook_id: a, header: X", "header", "of its own", id="another header for paypal"
        ),
        pytest.param(
            "scheme: paypal, webhook_id: a, algorithm: sha1", "algorithm", "for the scheme hmac", id="SHA-1"
        ),
        pytest.param(
            "scheme: paypal, webhook_id: a, public_url: https://h.example",
            "public_url",
            "not sign",
            id="its URL",
        ),
        pytest.param(
            f"scheme: github, webhook_id: a, {S}", "webhook_id", "for paypal", id="an id for github"
        ),
        pytest.param(f"scheme: github, {TOPIC}, {S}", "topic_arns", "for aws-sns", id="topics for github"),
        pytest.param(
            f"scheme: github, ca_file: policies.yaml, {S}",
            "",
            "no certificates",
            id="authorities that are none",
        ),
        pytest.param(f"scheme: gihub, {S}", "scheme", "expected github", id="an unknown scheme"),
        pytest.param(f"scheme: hmac, {S}", "", "`header` is missing", id="hmac without a header"),
        pytest.param(f"scheme: token, {S}", "", "`header` is missing", id="token without a header"),
        pytest.param(f"scheme: slack, header: X, {S}", "header", "of its own", id="a header of its own"),
        pytest.param(f"scheme: slack, prefix: x, {S}", "prefix", "for the scheme hmac", id="a prefix"),
        pytest.param(
            f"scheme: token, header: X, signed: x, {S}", "signed", "for the scheme hmac", id="signed"
        ),
        pytest.param(f"scheme: github, tolerance: 1m, {S}", "tolerance", "no time is signed", id="no time"),
        pytest.param(f"scheme: slack, tolerance: 0s, {S}", "tolerance", "more than 0s", id="no tolerance"),
        pytest.param(f"scheme: twilio, {S}", "", "`public_url` is missing", id="no URL"),
        pytest.param(
            f"scheme: slack, public_url: https://h.example, {S}", "public_url", "not sign the URL", id="a URL"
        ),
        pytest.param(
            "scheme: svix, secrets: [{env: K}, {env: B}]", "secrets[1]", "cannot be decoded", id="no key"
        ),
        pytest.param(
            "scheme: svix, secrets: [{env: E}]", "secrets[0]", "cannot be decoded", id="an empty key"
        ),
        pytest.param(
            f"scheme: hmac, header: X, key_encoding: hex, {S}", "secrets[0]", "expected hex", id="no hex"
        ),
        pytest.param(
            f"scheme: hmac, header: X, signed: '{{body', {S}", "signed", "no pair", id="half a pair"
        ),
        pytest.param(
            f"scheme: hmac, header: X, signed: x, {S}", "signed", "leaves the body out", id="no body"
        ),
        pytest.param(
            f"scheme: hmac, header: X, signed: '{{body}}{{form}}', {S}",
            "signed",
            "{form} is nothing",
            id="form",
        ),
        pytest.param(
            f"scheme: hmac, header: X, signed: '{{body}}{{header:}}', {S}",
            "signed",
            "no header name",
            id="no name",
        ),
        pytest.param(
            f"scheme: hmac, header: X, signed: '{{url}}{{body}}', {S}",
            "",
            "`public_url` is",
            id="a URL unknown",
        ),
        pytest.param(
            f"scheme: hmac, header: X, signed: '{{timestamp}}{{body}}', {S}",
            "signed",
            "expected that header",
            id="a time without a header",
        ),
        pytest.param(
            f"scheme: hmac, header: X, timestamp: {{field: /t}}, signed: '{{timestamp}}{{body}}', {S}",
            "signed",
            "expected that header",
            id="a time in the body and in the template",
        ),
        pytest.param(
            f"scheme: hmac, header: X, timestamp: {{header: X-T}}, {S}",
            "",
            "`signed` leaves the time out",
            id="unsigned",
        ),
        pytest.param(
            f"scheme: hmac, header: X, timestamp: {{}}, {S}", "timestamp", "one place", id="nowhere"
        ),
        pytest.param(
            f"scheme: hmac, header: X, separator: '|', {S}", "separator", "expected", id="another separator"
        ),
    ],
)
def test_what_may_not_be_said(says: str, where: str, what: str, tmp_path: Path) -> None:
    ((path, message),) = found(says, tmp_path)

    assert (where, True) == (path, what in message), message


def test_all_that_is_foreign_to_a_scheme_is_told_at_once(tmp_path: Path) -> None:
    says = f"scheme: slack, header: X, prefix: x, encoding: hex, algorithm: sha1, {S}"

    assert {"header", "prefix", "encoding", "algorithm"} == {path for path, _ in found(says, tmp_path)}
