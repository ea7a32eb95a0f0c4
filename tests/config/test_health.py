"""Checks as files spell them, and what is wrong with those that make no sense."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.config.loader import load
from proxy.errors import ConfigError
from proxy.policies import PIPELINE_ORDER

FILE = """\
version: 1
upstreams: {{app: {{url: "http://127.0.0.1:3000"{upstream}}}}}
health: {{checks: {{one: {check}}}}}
routes: [{{name: all, match: {{path: "/**"}}}}]
"""
FINE = "{memory: {max: 90%}}"


def problems(
    folder: Path, check: str = FINE, upstream: str = "", env: Mapping[str, str] | None = None
) -> list[str]:
    file = folder / "a.yaml"
    file.write_text(FILE.format(check=check, upstream=upstream), encoding="utf-8")
    try:
        load(file, PIPELINE_ORDER, env=env or {})
    except ConfigError as error:
        return [problem.path for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        ("{http: {url: 'https://api.example.com/v1?x=1', method: HEAD, status: [200-499]}}", []),
        ("{tcp: 'db:5432', readiness: true}", []),
        ("{redis: '[::1]:6379', interval: 1s}", []),
        ("{disk: {path: /data, min_free: 10%}}", []),
        ("{disk: {path: /data, min_free: 1GiB}}", []),
        (FINE, []),
        ("{}", [""]),
        ("{tcp: 'db:1', redis: 'db:2'}", [".redis"]),
        ("{tcp: db}", [".tcp"]),
        ("{tcp: 'db:0'}", [".tcp"]),
        ("{tcp: 'db:65536'}", [".tcp"]),
        ("{http: {url: 'ftp://a'}}", [".http.url"]),
        ("{http: {url: 'https://user:secret@a/'}}", [".http.url"]),
        ("{http: {url: 'http://a', ca_file: /dev/null}}", [".http.ca_file"]),
        ("{http: {url: 'http://a', status: []}}", [".http.status"]),
        ("{http: {url: 'http://a', headers: {Connection: close}}}", [".http.headers.Connection"]),
        ("{disk: {path: data, min_free: 10%}}", [".disk.path"]),
        ("{disk: {path: /data}}", [".disk"]),
        ("{memory: {max: 0%}}", [".memory.max"]),
        ("{memory: {max: 90%}, interval: 10ms}", [".interval"]),
        ("{memory: {max: 90%}, unhealthy_after: 0}", [".unhealthy_after"]),
    ],
)
def test_a_check_is_of_one_thing(tmp_path: Path, check: str, wrong: list[str]) -> None:
    assert [f"health.checks.one{each}" for each in wrong] == problems(tmp_path, check)


@pytest.mark.parametrize(
    ("check", "wrong"),
    [
        ("{path: /health}", []),
        ("{path: '/health?full=1', status: [200, 204], headers: {Host: app.example}}", []),
        ("{}", [""]),
        ("{path: health}", [".path"]),
        ("{path: '/a b'}", [".path"]),
        ("{path: '/a#b'}", [".path"]),
        ("{path: /, status: []}", [".status"]),
        ("{path: /, headers: {content-length: '1'}}", [".headers.content-length"]),
        ("{path: /, timeout: 0s}", [".timeout"]),
        ("{path: /, healthy_after: 0}", [".healthy_after"]),
    ],
)
def test_the_check_of_an_upstream_is_a_request(tmp_path: Path, check: str, wrong: list[str]) -> None:
    assert [f"upstreams.app.health_check{each}" for each in wrong] == problems(
        tmp_path, upstream=f", health_check: {check}"
    )


SWITCHED = '{enabled: "${DATABASE_CHECK:-false}", tcp: "${DATABASE_ADDRESS}", readiness: true}'


@pytest.mark.parametrize(
    ("env", "wrong"),
    [
        ({}, []),
        ({"DATABASE_ADDRESS": "db:5432"}, []),
        ({"DATABASE_CHECK": "true", "DATABASE_ADDRESS": "db:5432"}, []),
        ({"DATABASE_CHECK": "true"}, [".tcp"]),
        ({"DATABASE_CHECK": "perhaps", "DATABASE_ADDRESS": "db:5432"}, [".enabled"]),
        ({"DATABASE_ADDRESS": "db"}, [".tcp"]),
    ],
)
def test_a_check_that_is_switched_off_needs_no_variables_and_is_still_looked_through(
    tmp_path: Path, env: dict[str, str], wrong: list[str]
) -> None:
    assert [f"health.checks.one{each}" for each in wrong] == problems(tmp_path, SWITCHED, env=env)


@pytest.mark.parametrize(("switch", "there"), [("true", ["one"]), ("false", [])])
def test_a_check_that_is_switched_off_is_not_there(tmp_path: Path, switch: str, there: list[str]) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(FILE.format(check=f"{{enabled: {switch}, memory: {{max: 90%}}}}", upstream=""))

    assert there == list(load(file, PIPELINE_ORDER, env={}).health.checks)


def test_credentials_in_a_url_are_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(FILE.format(check="{http: {url: 'https://user:s3cr3t@a/'}}", upstream=""))
    with pytest.raises(ConfigError) as refused:
        load(file, PIPELINE_ORDER, env={})

    (problem,) = refused.value.problems
    assert "s3cr3t" not in problem.message
