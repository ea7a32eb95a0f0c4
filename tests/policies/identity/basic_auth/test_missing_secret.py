"""A developer who does not have the password that callers show."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.configuration import Configuration
from proxy.config.loader import load
from proxy.config.secrets import Secret
from proxy.errors import ConfigError
from proxy.policies import PIPELINE_ORDER
from proxy.policies.identity.basic_auth import BasicAuth, BasicAuthConfig, sign_with_password
from proxy.policy import Unsigned
from proxy.testing import exchange, fake_services, route
from tests.policies.reading import refusal

FILE = """\
version: 1
upstreams: {app: {url: "http://127.0.0.1:3000"}}
routes:
  - name: hook
    match: {path: /hook}
    policies:
      basic_auth: {credentials: [{env: SEAWALL_NO_SUCH_SECRET}], on_missing_secret: allow}
"""
OPEN = BasicAuthConfig(credentials=(), on_missing_secret="allow")


def loaded(folder: Path, environment: str, **env: str) -> Configuration:
    file = folder / "policies.yaml"
    file.write_text(FILE)
    return load(file, PIPELINE_ORDER, env=env, environment=environment)


def test_only_a_developer_goes_on_without_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, "prod")

    assert {"env", "on_missing_secret"} == {
        problem.path.rpartition(".")[2] for problem in error.value.problems
    }


def test_each_load_warns_of_it(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, "dev")

    (policy,) = configuration.routes[0].policies
    assert [True] == ["NOTHING is verified" in str(warning) for warning in configuration.warnings]
    assert ("every request is admitted, since no secret is there",) == policy.config.in_words()


def test_a_secret_that_is_there_is_used(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, "dev", SEAWALL_NO_SUCH_SECRET="ann:sesame")

    (policy,) = configuration.routes[0].policies
    assert ((), ()) == (configuration.warnings, policy.config.in_words())


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic nonsense"}], ids=["nothing", "nonsense"])
async def test_every_request_passes_and_is_told_of_and_nobody_is_known(headers: dict[str, str]) -> None:
    asked = exchange("POST", headers=headers)

    passed = refusal(await route(BasicAuth(OPEN, fake_services())).respond(asked))

    assert asked.shadowed is not None
    assert ((200, None), ["basic_auth.unverified"], None) == (
        passed,
        [each.reason for each in asked.shadowed],
        asked.identity,
    )


async def test_with_one_of_its_secrets_it_asks() -> None:
    config = BasicAuthConfig(credentials=(Secret("ann:sesame"),), on_missing_secret="allow")

    answer = refusal(await route(BasicAuth(config, fake_services())).respond(exchange("POST")))

    assert (401, "basic_auth.missing") == answer


def test_a_rehearsal_shows_nothing_then() -> None:
    unsigned = Unsigned("POST", "/")

    sign_with_password(OPEN, unsigned, {})

    assert [] == unsigned.headers


async def test_without_that_word_nobody_gets_in() -> None:
    answer = refusal(
        await route(BasicAuth(BasicAuthConfig(credentials=()), fake_services())).respond(exchange())
    )

    assert (401, "basic_auth.missing") == answer
