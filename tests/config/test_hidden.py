"""What is not shown of a configuration is not shown of messages made with it."""

from __future__ import annotations

from pathlib import Path

from proxy.config.configuration import Configuration
from proxy.config.hidden import hidden_texts, masked
from proxy.config.loader import load
from proxy.policies import PIPELINE_ORDER

TEXT = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:3000"}}
routes:
  - name: a
    match: {path: /a}
    policies:
      security_headers: {preset: none, set: {X-Plain: visible, X-Inner: "key ${KEY}", X-Short: "${SHORT}"}}
      basic_auth: {credentials: [{env: USER}], realm: "${REALM}"}
"""
ENV = {"KEY": "hunter2", "USER": "joe:hunter3", "REALM": "staff", "SHORT": "yes"}


def configuration(folder: Path) -> Configuration:
    (folder / "a.yaml").write_text(TEXT)
    return load(folder, PIPELINE_ORDER, env=ENV)


def test_secrets_and_headers_out_of_the_environment_are_hidden(tmp_path: Path) -> None:
    assert {"key hunter2", "joe:hunter3", "staff"} == hidden_texts(configuration(tmp_path))


def test_they_are_masked_wherever_they_stand() -> None:
    told = {"a": ["x hunter2 y", 3, None], "b": {"c": ("hunter2long", True)}}

    assert {"a": ["x *** y", 3, None], "b": {"c": ["***", True]}} == masked(
        told, frozenset({"hunter2", "hunter2long"})
    )
