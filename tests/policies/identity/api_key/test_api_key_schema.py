"""What may stand in a policy file about keys."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from tests.policies.identity.callers import (
    GOOD,
)
from tests.policies.reading import problems

HASH = sha256(GOOD.encode()).hexdigest()
NOTHING = sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("policies", "wrong"),
    [
        pytest.param(f"api_key: {{keys: [{{id: a, sha256: {HASH}}}]}}", [], id="a key"),
        pytest.param(f"api_key: {{keys: [{{id: 7, sha256: {HASH.upper()}}}]}}", [], id="as others write it"),
        pytest.param(f"api_key: {{keys: [{{id: a, sha256: {'1' * 64}}}]}}", [], id="a hash like a number"),
        pytest.param(f"api_key: {{query: token, keys: [{{id: a, sha256: {HASH}}}]}}", [], id="in the query"),
        pytest.param("api_key: {}", ["api_key"], id="no key"),
        pytest.param(
            f"api_key: {{header: X-Key, query: token, keys: [{{id: a, sha256: {HASH}}}]}}",
            ["api_key.query"],
            id="two places",
        ),
        pytest.param(
            f"api_key: {{query: page, keys: [{{id: a, sha256: {HASH}}}]}}",
            ["api_key.query"],
            id="a parameter that the logs would show",
        ),
        pytest.param(
            f"api_key: {{header: {'-'.join('abcdefghij')}, keys: [{{id: a, sha256: {HASH}}}]}}",
            ["api_key.header"],
            id="a header with more spellings than can be known",
        ),
        pytest.param(
            f"api_key: {{format: '[', keys: [{{id: a, sha256: {HASH}}}]}}",
            ["api_key.format"],
            id="half a regular expression",
        ),
        pytest.param(
            f"api_key: {{format: '', keys: [{{id: a, sha256: {HASH}}}]}}", ["api_key.format"], id="no format"
        ),
        pytest.param("api_key: {keys: [{id: a}]}", ["api_key.keys[0]"], id="no hash"),
        pytest.param(f"api_key: {{keys: [{{sha256: {HASH}}}]}}", ["api_key.keys[0]"], id="nobody's key"),
        pytest.param(
            f"api_key: {{keys: [{{id: '', sha256: {HASH}}}]}}", ["api_key.keys[0].id"], id="an empty id"
        ),
        pytest.param(
            "api_key: {keys: [{id: a, sha256: hunter2}]}", ["api_key.keys[0].sha256"], id="no hash, a key"
        ),
        pytest.param(
            f"api_key: {{keys: [{{id: a, sha256: {NOTHING}}}]}}",
            ["api_key.keys[0].sha256"],
            id="the hash of nothing",
        ),
        pytest.param(
            f"api_key: {{keys: [{{id: a, sha256: {HASH}}}, {{id: b, sha256: {HASH.upper()}}}]}}",
            ["api_key.keys[1].sha256"],
            id="one key for two",
        ),
        pytest.param(
            f"api_key: {{keys: [{{id: a, sha256: {HASH}, expires: 2030-01-01}}]}}",
            ["api_key.keys[0].expires"],
            id="a date without a time",
        ),
        pytest.param(
            f"api_key: {{keys: [{{id: a, sha256: {HASH}, expires: 1893456000}}]}}",
            ["api_key.keys[0].expires"],
            id="a bare number for a time",
        ),
        pytest.param("api_key: {keys_file: not-there.yaml}", ["api_key.keys_file"], id="no file"),
    ],
)
def test_what_a_policy_file_may_say(policies: str, wrong: list[str], tmp_path: Path) -> None:
    assert wrong == problems(policies, tmp_path)
