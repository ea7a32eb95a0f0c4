"""Whatever a file holds, it is loaded or refused with problems, and no secret is shown."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from proxy.config.configuration import Configuration
from proxy.config.loader import load
from proxy.errors import ConfigError
from tests.config.kinds import ENV, KINDS

LINES = """\
version: 1
upstreams: {app: {url: 'http://a'}}
routes:
  - name: a
    match: {path: /a}
    policies:
      deadline: 3s
      rate_limit: [a, {limit: 1}]
      webhook_signature: {secrets: [{env: SECRET}]}
    enabled: ${A:-false}
    upstream: ${NO}
defaults: {retry: ~}
x: &x [*x]
policies: {deadline: {a: 1s}}
no_route:
- a
  b
metrics: {path: /a}
health: {paths: {/a: details}}
errors: {templates: {a.b: {json: ~}}}
clients: [
<<: {a: b}
? a
  - *x
{
}
'
...
---
\t
""".splitlines()


def load_bytes(data: bytes) -> Configuration | ConfigError:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "a.yaml")
        file.write_bytes(data)
        try:
            return load(file, KINDS, env=ENV)
        except ConfigError as error:
            return error


@given(st.lists(st.sampled_from(LINES), max_size=14).map("\n".join))
def test_whatever_lines_a_file_has_it_is_loaded_or_refused_with_problems(text: str) -> None:
    outcome = load_bytes(text.encode())

    assert isinstance(outcome, Configuration) or outcome.problems
    assert "hunter2" not in str(outcome)


@given(st.binary(max_size=300))
def test_whatever_bytes_a_file_has_it_is_loaded_or_refused_with_problems(data: bytes) -> None:
    outcome = load_bytes(data)

    assert isinstance(outcome, ConfigError)
    assert outcome.problems


WITH_SECRETS = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1"}}
policies:
  webhook_signature:
    github: {scheme: github, secrets: [hunter2]}
routes:
  - name: a
    match: {path: "/a"}
    policies:
      rate_limit: {limit: 5, key: ["client.ip"]}
      webhook_signature:
        secrets:
          - hunter2
          - "hunter2"
        scheme: hmac
      deadline: 3s
"""


@given(
    st.integers(0, len(WITH_SECRETS)), st.integers(0, 3), st.sampled_from(["", *"'\"{}[]:,-#&*!|>%@`$ \n\tx"])
)
def test_whatever_is_mistyped_no_secret_is_shown(at: int, gone: int, typed: str) -> None:
    text = WITH_SECRETS[:at] + typed + WITH_SECRETS[at + gone :]
    outcome = load_bytes(text.encode())

    assert isinstance(outcome, ConfigError)
    assert "hunter2" not in str(outcome)
