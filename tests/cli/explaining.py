"""A policy file to explain requests with, and `seawall explain` itself."""

from __future__ import annotations

import json
from typing import Any

from click.testing import CliRunner, Result

from proxy.cli import main

SHOP = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:3000"}}
defaults: {deadline: 30s}
health: {paths: {/health: liveness}}
routes:
  - name: order
    match: {path: "/orders/{id}"}
    policies:
      forwarded: {emit: [x-forwarded]}
      ip_list: {allow: [10.0.0.0/8], mode: shadow}
      cors: {origins: ["https://app.example"]}
      size_limit: {body: 5B}
      deadline: {total: 5s, mode: disabled}
  - name: acme
    match:
      {path: "/orders/**", methods: [GET], hosts: [acme.test], headers: {X-Tenant: acme}, query: {v: "2"}}
  - name: hook
    match: {path: /hook, methods: [POST]}
    policies: {webhook_signature: {scheme: github, secrets: [{env: HOOK_SECRET}]}}
test_secrets: {env: {HOOK_SECRET: correct-horse-battery-staple}}
"""


def invoke(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments], env=env, catch_exceptions=False)


def found(shop: str, *arguments: str) -> Any:
    result = invoke("--policies", shop, "--format", "json", *arguments)
    assert (0, "") == (result.exit_code, result.stderr)
    return json.loads(result.stdout)
